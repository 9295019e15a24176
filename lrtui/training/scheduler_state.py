"""What a checkpoint stores of a scheduler: plain values, without functions and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lrtui.run.errors import CheckpointError
from lrtui.schedules.build import SchedulersByOptimizer
from lrtui.schedules.schedule import Schedule


def scheduler_state(state: dict[str, Any], schedule: Schedule, scheduler: Any = None) -> dict[str, Any]:
    """Return a scheduler's `state_dict()` without the functions that some releases of PyTorch put into it.

    The constructor makes those again. Functions in the state of a user's class stay, and can't be saved.

    Raises:
        CheckpointError: for a user's class whose state contains the model's parameters: loading would copy them.
    """
    if isinstance(scheduler, SchedulersByOptimizer):
        each = zip(state["schedulers"], scheduler.schedules, strict=True)
        return {**state, "schedulers": [scheduler_state(inner, part) for inner, part in each]}
    if schedule.user_path is not None:
        if _has_parameters(state):
            raise CheckpointError(
                f"{schedule.user_path}:{schedule.name} can't be checkpointed: its state contains the optimizer's "
                "groups or parameters"
            )
        return state
    plain = {name: value for name, value in state.items() if not callable(value)}
    if schedule.children:
        pairs = zip(state["_schedulers"], schedule.children, strict=True)
        plain["_schedulers"] = [scheduler_state(inner, child) for inner, child in pairs]
    return plain


def _has_parameters(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_parameters, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(_has_parameters, value))
    return isinstance(value, torch.nn.Parameter)
