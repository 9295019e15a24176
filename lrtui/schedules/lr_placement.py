"""Where a chosen lr belongs: in the optimizer, or in the schedules that set absolute lrs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lrtui.run.spec import trained_group
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Placed:
    """A schedule and an optimizer with the lr in its place.

    Args:
        schedule: notation.
        optimizer: notation.
        where: what was changed: `the optimizer's lr`, `OneCycleLR's max_lr`.
    """

    schedule: str
    optimizer: str
    where: str


def peak_lr(schedule: str, optimizer: str) -> float:
    """Return the peak lr of the first parameter group that is not frozen at 0: the schedule's, else the optimizer's.

    Raises:
        NotationError: for notation that can't be read.
    """
    peaks = [_first_trained(part.arguments[name]) for part, name in _peaks(parse_schedule(schedule))]
    return max(peaks, default=_first_trained(parse_optimizer(optimizer).lrs))


def place_lr(schedule: str, optimizer: str, lr: float) -> Placed:
    """Return the schedule and the optimizer with another peak lr; all other lrs keep their ratio to it.

    Args:
        schedule: notation.
        optimizer: notation.
        lr: new peak lr of the first parameter group that is not frozen at 0.

    Raises:
        NotationError: for notation that can't be read.
    """
    parsed, parsed_optimizer = parse_schedule(schedule), parse_optimizer(optimizer)
    before = peak_lr(schedule, optimizer)
    factor = lr / before if before > 0 else None
    peaks = {f"{part.name}'s {name}" for part, name in _peaks(parsed)}
    if not peaks:
        return Placed(schedule, str(_with_lr(parsed_optimizer, lr, factor)), "the optimizer's lr")

    def scaled(value: float) -> float:
        return lr if value == before or factor is None else rounded(value * factor)

    return Placed(str(_with_lrs(parsed, scaled)), optimizer, " and ".join(sorted(peaks)))


def rounded(lr: float) -> float:
    """Return the lr with four significant digits."""
    return float(f"{lr:.4g}")


def _peaks(schedule: Schedule) -> list[tuple[Schedule, str]]:
    """Return the schedules that set absolute lrs, each with the argument that is its peak."""
    parts = [(part, part.entry) for part in schedule.walk()]
    return [(part, each.name) for part, entry in parts if entry and entry.absolute for each in entry.lrs("peak")]


def _first_trained(value: Any) -> float:
    return float(value[trained_group(value)] if isinstance(value, (tuple, list)) else value)


def _with_lrs(schedule: Schedule, scaled: Callable[[float], float]) -> Schedule:
    if schedule.entry and schedule.entry.absolute:
        changed = {
            parameter.name: tuple(map(scaled, value)) if isinstance(value, (tuple, list)) else scaled(float(value))
            for parameter in schedule.entry.lrs("peak", "low")
            if (value := schedule.arguments.get(parameter.name)) is not None
        }
        return schedule.with_arguments(**changed)
    if not schedule.children:
        return schedule
    return schedule.with_children([_with_lrs(part, scaled) for part in schedule.children])


def _with_lr(optimizer: OptimizerSpec, lr: float, factor: float | None) -> OptimizerSpec:
    before = _first_trained(optimizer.lrs)

    def scaled(value: float) -> float:
        return lr if value == before else rounded(value * factor) if factor else value

    # without a group that is trained, only the default one gets the lr
    if not before and not optimizer.parts:
        return optimizer.with_arguments(lr=scaled(optimizer.lr))
    return optimizer.with_lrs(scaled)
