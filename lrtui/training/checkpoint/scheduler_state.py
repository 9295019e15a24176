"""What a checkpoint has of PyTorch's scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lrtui.run.errors import CheckpointError
from lrtui.schedules.schedule import Schedule


def scheduler_state(state: dict[str, Any], schedule: Schedule) -> dict[str, Any]:
    """Return a scheduler's `state_dict()` without what its constructor makes anew.

    Some releases of PyTorch have functions in it. Those of a user's class stay, and can't be saved.

    Raises:
        CheckpointError: for a user's class that holds on to the model's parameters, which would come back as others.
    """
    if schedule.user_path is not None:
        if _has_parameters(state):
            raise CheckpointError(
                f"{schedule.user_path}:{schedule.name} holds on to the optimizer's groups or parameters"
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
