"""Methods of a LightningModule that optimizes manually, without Lightning's Trainer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch


def manual_methods(optimizers: Mapping[str, torch.optim.Optimizer], schedulers: int) -> dict[str, Callable[..., Any]]:
    """Return what replaces a module's methods within its `training_step`.

    Args:
        optimizers: those of the run, by name.
        schedulers: how many the module has; their `step()` does nothing, because the run steps its schedule.
    """

    def listed(use_pl_optimizer: bool = True) -> Any:
        return _alone(list(optimizers.values()))

    def manual_backward(loss: torch.Tensor, *args: Any, **kwargs: Any) -> None:
        loss.backward(*args, **kwargs)  # type: ignore[no-untyped-call]

    def clip_gradients(
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        if gradient_clip_val is None:
            return
        if gradient_clip_algorithm == "value":
            torch.nn.utils.clip_grad_value_(parameters, gradient_clip_val)
        else:
            torch.nn.utils.clip_grad_norm_(parameters, gradient_clip_val)

    return {
        "optimizers": listed,
        "manual_backward": manual_backward,
        "clip_gradients": clip_gradients,
        "lr_schedulers": lambda: _alone([_Unstepped()] * schedulers),
    }


class _Unstepped:
    def step(self, *_: Any) -> None:
        """Do nothing."""


def _alone(items: list[Any]) -> Any:
    """Return the items as Lightning does: None if there are none, a single one by itself."""
    return items[0] if len(items) == 1 else items or None
