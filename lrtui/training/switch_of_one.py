"""A switch of the schedule of one of several optimizers, while those of the others go on."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from lrtui.run.errors import UsageError
from lrtui.schedules.build import SchedulersByOptimizer
from lrtui.schedules.combined_optimizer import CombinedOptimizer
from lrtui.schedules.schedule import PER_OPTIMIZER, Schedule


def for_single_optimizer(schedule: Schedule) -> Schedule:
    """Return the schedule itself for a single optimizer, whatever name is in front of it: `scheduler = StepLR(3)`."""
    is_named = schedule.is_per_optimizer and len(schedule.items) == 1
    return schedule.children[0] if is_named else schedule


def kept_optimizers(schedule: Schedule, optimizer: torch.optim.Optimizer) -> list[str]:
    """Return the optimizers whose schedules go on, since a switch names schedules for others only."""
    if not isinstance(optimizer, CombinedOptimizer) or not schedule.is_per_optimizer or schedule.positional:
        return []
    # building the schedule refuses unknown names
    is_known = all(name in optimizer.optimizers for name in schedule.arguments)
    return [name for name in optimizer.optimizers if name not in schedule.arguments] if is_known else []


def completed(
    schedule: Schedule,
    scheduler: SchedulersByOptimizer,
    optimizer: torch.optim.Optimizer,
    kept: Collection[str],
    anchor: str,
    step: int,
    scale: Sequence[float],
) -> Schedule:
    """Return the schedule with those that go on, and where these started.

    Args:
        schedule: the new one of some optimizers.
        scheduler: the present ones.
        kept: names of the other optimizers.
        anchor: `base` or `current`.
        step: optimizer steps done.
        scale: the factor of each group's lr.

    Raises:
        UsageError: for what can't be continued exactly.
    """
    if anchor == "start":
        raise UsageError(f"from start needs a schedule for every optimizer: there is none for {', '.join(kept)}")
    assert isinstance(optimizer, CombinedOptimizer)
    items, continues, first = [], [], 0
    for index, (name, part) in enumerate(optimizer.optimizers.items()):
        last = first + len(part.param_groups)
        child = schedule.arguments.get(name, scheduler.schedules[index])
        if name in kept:
            if any(factor != 1 for factor in scale[first:last]):
                raise UsageError(
                    f"the lr of {name} was changed by hand: undo that first, or give a schedule for every optimizer"
                )
            if child.averages_from is not None:
                raise UsageError(f"the schedule of {name} averages weights: give a schedule for every optimizer")
            now = (step, *(float(group["lr"]) for group in part.param_groups))
            # what a metric or a user's class did can't be computed again
            is_open = child.follows_metric or child.is_users_own
            continues.append((name, now if is_open else scheduler.starts[index]))
        items.append((name, replace(child, per_given=child.per != child.default_per)))
        first = last
    per = "batch" if any("batch" in child.units for _, child in items) else "epoch"
    return Schedule(PER_OPTIMIZER, tuple(items), per, continues=tuple(continues))  # type: ignore[arg-type]


def keep_schedulers(new: SchedulersByOptimizer, old: SchedulersByOptimizer, kept: Collection[str]) -> None:
    """Put the old schedulers of some optimizers in place of the new ones."""
    for index, name in enumerate(new.names):
        if name in kept:
            new.schedulers[index] = old.schedulers[index]


def restore_groups(
    optimizer: torch.optim.Optimizer, settings: Sequence[Mapping[str, Any]], kept: Collection[str]
) -> None:
    """Give the groups of some optimizers their settings of before the switch."""
    assert isinstance(optimizer, CombinedOptimizer)
    earlier = iter(settings)
    for name, part in optimizer.optimizers.items():
        for group in part.param_groups:
            wanted = next(earlier)
            if name in kept:
                for added in group.keys() - wanted.keys() - {"params"}:
                    del group[added]
                group.update(wanted)
