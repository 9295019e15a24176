"""The settings of an optimizer's parameter groups: copied, and put back without what schedulers left in them."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.optimizer_build import SCHEDULERS_SETTINGS, parts_of
from lrtui.schedules.scheduler_reading import scheduler_parts
from lrtui.training.lr_scale import write_lr

SCHEDULED_SETTINGS = ("lr", "momentum", "betas")
"""Settings of a parameter group that schedulers change."""


def group_settings(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return a copy of each parameter group without its parameters: lr, momentum, betas, weight decay ..."""
    return [
        {name: copy.deepcopy(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]


def settings_before_schedulers(optimizer: torch.optim.Optimizer, schedulers: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the settings of the groups as they were before these schedulers were built on the optimizer.

    A momentum that a scheduler cycles, and the lr where a scheduler starts from an lr of its own, are taken from the
    optimizer's defaults, since the scheduler keeps no copy of what it has overwritten.
    """
    # a user's class may be derived from one of PyTorch's
    classes = [each for scheduler in schedulers for part in scheduler_parts(scheduler) for each in type(part).__mro__]
    entries = [CATALOGUE[each.__name__] for each in classes if each.__name__ in CATALOGUE]
    has_own_lr = any(entry.absolute for entry in entries)
    cycles_momentum = any(entry.cycles_momentum for entry in entries)
    found = group_settings(optimizer)
    defaults = [part.defaults for part in parts_of(optimizer) for _ in part.param_groups]
    for group, default in zip(found, defaults, strict=True):
        if has_own_lr and "lr" in default:
            group["lr"] = float(default["lr"])
        elif "initial_lr" in group:
            group["lr"] = float(group["initial_lr"])
        if cycles_momentum and "max_momentum" in group:
            if "momentum" in default:
                group["momentum"] = default["momentum"]
            elif "betas" in default:
                group["betas"] = (default["betas"][0], *group["betas"][1:])
        for name in SCHEDULERS_SETTINGS:
            group.pop(name, None)
    return found


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
        for name in added.intersection(SCHEDULERS_SETTINGS) if keeps_state else added:
            del group[name]
        replaced = {name: wanted[name] for name in SCHEDULED_SETTINGS if name in wanted} if keeps_state else wanted
        lr = float(wanted["lr"]) if lrs is None else lrs[index]
        group.update(copy.deepcopy({name: value for name, value in replaced.items() if name != "lr"}))
        write_lr(group, lr)
