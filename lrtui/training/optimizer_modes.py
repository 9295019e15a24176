"""The two modes of optimizers that train with other weights than they test with, such as schedule-free ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from lrtui.training.lr_control import group_settings


class OptimizerModes:
    """Calls `train()` and `eval()` of an optimizer that has them; does nothing for any other.

    Defazio et al., "The Road Less Scheduled" (arXiv:2405.15682).

    Args:
        model: the trained model.
        optimizer: in its training mode.
    """

    def __init__(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._model, self._optimizer = model, optimizer
        self._training_weights: dict[int, torch.Tensor] = {}
        self._training_settings: list[dict[str, Any]] = []

    @property
    def _has_modes(self) -> bool:
        return all(callable(getattr(self._optimizer, mode, None)) for mode in ("train", "eval"))

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Let the model have the weights of `eval()` within the block.

        Afterwards it has those of before, bit-identical: `train()` computes them back only up to rounding, and a test
        must not change training. They take the memory of the weights once more.
        """
        if not self._has_modes or self._training_weights:
            yield
            return
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        self._training_weights = {id(parameter): parameter.detach().clone() for parameter in parameters}
        before = group_settings(self._optimizer)
        self._optimizer.eval()  # type: ignore[attr-defined]
        self._training_settings = [
            {name: value for name, value in old.items() if name in group and not _equal(group[name], value)}
            for old, group in zip(before, self._optimizer.param_groups, strict=True)
        ]
        try:
            yield
        finally:
            self._optimizer.train()  # type: ignore[attr-defined]
            with torch.no_grad():
                for parameter in parameters:
                    parameter.copy_(self._training_weights[id(parameter)])
            self._training_weights, self._training_settings = {}, []

    def finish(self) -> None:
        """Leave the model with the weights of `eval()`, at the end of a run."""
        if self._has_modes:
            self._optimizer.eval()  # type: ignore[attr-defined]

    def model_state(self) -> dict[str, Any]:
        """Return the model's `state_dict()` with the weights it trains with, within a test as well."""
        if not self._training_weights:
            return self._model.state_dict()
        state = self._model.state_dict(keep_vars=True)
        return {name: self._training_weights.get(id(value), _detached(value)) for name, value in state.items()}

    def optimizer_state(self) -> dict[str, Any]:
        """Return the optimizer's `state_dict()` in its training mode, within a test as well."""
        state = self._optimizer.state_dict()
        if self._training_settings:
            groups = zip(state["param_groups"], self._training_settings, strict=True)
            state = {**state, "param_groups": [{**group, **settings} for group, settings in groups]}
        return state


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor) and torch.equal(one, other)
    return bool(one == other)


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, torch.Tensor) else value
