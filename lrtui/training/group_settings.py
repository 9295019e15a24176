"""The settings of an optimizer's parameter groups: copied, and put back without what schedulers left in them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lrtui.schedules.optimizer_build import parts_of

_SCHEDULERS_SETTINGS = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr")
"""Settings of a parameter group that schedulers add."""

_SCHEDULED_SETTINGS = ("lr", "momentum", "betas")
"""Settings of a parameter group that schedulers change."""


def group_settings(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return a copy of each parameter group without its parameters: lr, momentum, betas, weight decay ..."""
    return [
        {name: copy.deepcopy(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]


def set_groups(
    optimizer: torch.optim.Optimizer, settings: Sequence[Mapping[str, Any]], lrs: Sequence[float] | None = None
) -> None:
    """Replace all settings of the groups: schedulers leave initial_lr, max_lr ... behind.

    Optimizers of other packages keep state in their groups, such as the number of steps; there only what schedulers
    write is replaced.
    """
    keeps_states = [
        not type(each).__module__.startswith("torch.optim") for each in parts_of(optimizer) for _ in each.param_groups
    ]
    for index, (group, wanted) in enumerate(zip(optimizer.param_groups, settings, strict=True)):
        keeps_state = keeps_states[index]
        added = group.keys() - wanted.keys() - {"params"}
        for name in added.intersection(_SCHEDULERS_SETTINGS) if keeps_state else added:
            del group[name]
        replaced = {name: wanted[name] for name in _SCHEDULED_SETTINGS if name in wanted} if keeps_state else wanted
        group.update(copy.deepcopy(dict(replaced)))
        if lrs is not None:
            group["lr"] = lrs[index]
