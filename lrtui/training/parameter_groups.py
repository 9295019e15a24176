"""The settings of an optimizer's parameter groups: lr, momentum, betas, weight decay ..., all but the parameters."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch


def group_settings(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Return a copy of each group's settings."""
    return [
        {name: copy.deepcopy(value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]


def set_groups(
    optimizer: torch.optim.Optimizer, settings: Sequence[Mapping[str, Any]], lrs: Sequence[float] | None = None
) -> None:
    """Give the groups these settings and no others: schedulers leave initial_lr, max_lr ... behind.

    Args:
        lrs: in place of the settings' own, one a group.
    """
    for index, (group, wanted) in enumerate(zip(optimizer.param_groups, settings, strict=True)):
        for name in group.keys() - wanted.keys() - {"params"}:
            del group[name]
        group.update(copy.deepcopy(dict(wanted)))
        if lrs is not None:
            group["lr"] = lrs[index]
