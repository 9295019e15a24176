"""The two modes of optimizers that train with other weights than they test with, such as schedule-free ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from lrtui.schedules.optimizer_build import parts_of
from lrtui.training.fsdp import divided_optimizer
from lrtui.training.group_settings import group_settings


class OptimizerModes:
    """Calls `train()` and `eval()` of an optimizer that has them; does nothing for any other.

    Defazio et al., "The Road Less Scheduled" (arXiv:2405.15682).

    Args:
        model: the trained model.
        optimizer: in its training mode.
        keeps_gradients: whether the next step may add to the gradients of the last one, as a task that calls
            `backward()` itself may do; checkpoints have them then.
    """

    def __init__(
        self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, *, keeps_gradients: bool = False
    ) -> None:
        self._model, self._optimizer, self._keeps_gradients = model, optimizer, keeps_gradients
        self._training_weights: dict[int, torch.Tensor] = {}
        self._training_settings: list[dict[str, Any]] = []

    @property
    def _with_modes(self) -> list[Any]:
        """The optimizers that have both modes."""
        return [
            each
            for each in parts_of(self._optimizer)
            if all(callable(getattr(each, mode, None)) for mode in ("train", "eval"))
        ]

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Let the model have the weights of `eval()` within the block.

        Afterwards it has those of before, bit-identical: `train()` computes them back only up to rounding, and a test
        must not change training. They take the memory of the weights once more.
        """
        optimizers = self._with_modes
        if not optimizers or self._training_weights:
            yield
            return
        parameters = [parameter for each in optimizers for group in each.param_groups for parameter in group["params"]]
        self._training_weights = {id(parameter): parameter.detach().clone() for parameter in parameters}
        before = group_settings(self._optimizer)
        for optimizer in optimizers:
            optimizer.eval()
        self._training_settings = [
            {name: value for name, value in old.items() if name in group and not _equal(group[name], value)}
            for old, group in zip(before, self._optimizer.param_groups, strict=True)
        ]
        try:
            yield
        finally:
            for optimizer in optimizers:
                optimizer.train()
            with torch.no_grad():
                for parameter in parameters:
                    parameter.copy_(self._training_weights[id(parameter)])
            self._training_weights, self._training_settings = {}, []

    def finish(self) -> None:
        """Leave the model with the weights of `eval()`, at the end of a run."""
        for optimizer in self._with_modes:
            optimizer.eval()

    def model_state(self) -> dict[str, Any]:
        """Return the model's `state_dict()` with the weights it trains with, within a test as well."""
        if not self._training_weights:
            return self._model.state_dict()
        state = self._model.state_dict(keep_vars=True)
        return {name: self._training_weights.get(id(value), _detached(value)) for name, value in state.items()}

    def optimizer_state(self) -> dict[str, Any]:
        """Return the optimizer's `state_dict()` in its training mode, within a test as well."""
        outside = [parameter.detach() for parameter in self._outside_parameters()]
        state = {**self._optimizer.state_dict(), "outside": outside}
        if self._keeps_gradients:
            state["gradients"] = [_detached(parameter.grad) for parameter in self._all_parameters()]
        states = list(state["optimizers"].values()) if "optimizers" in state else [state]
        settings = iter(self._training_settings)
        if self._training_settings:
            for each in states:
                each["param_groups"] = [{**group, **next(settings)} for group in each["param_groups"]]
        return state

    def restore_optimizer(self, state: Mapping[str, Any]) -> None:
        """Load what `optimizer_state` returned.

        Raises:
            Exception: whatever the optimizer raises for a state that does not fit.
        """
        state = dict(state)
        saved = state.pop("outside", [])
        with torch.no_grad():
            for parameter, value in zip(self._outside_parameters(), saved, strict=True):
                parameter.copy_(value)
        if gradients := state.pop("gradients", []):
            for parameter, gradient in zip(self._all_parameters(), gradients, strict=True):
                parameter.grad = None if gradient is None else gradient.to(parameter.device, copy=True)
        self._optimizer.load_state_dict(divided_optimizer(state, self._optimizer))

    def _all_parameters(self) -> list[torch.nn.Parameter]:
        return [*self._model.parameters(), *self._outside_parameters()]

    def _outside_parameters(self) -> list[torch.nn.Parameter]:
        """Return the parameters that the optimizer has and the model has not, such as a criterion's."""
        own = {id(parameter) for parameter in self._model.parameters()}
        parameters = [parameter for group in self._optimizer.param_groups for parameter in group["params"]]
        return [parameter for parameter in parameters if id(parameter) not in own]


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) or isinstance(other, torch.Tensor):
        return isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor) and torch.equal(one, other)
    return bool(one == other)


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, torch.Tensor) else value
