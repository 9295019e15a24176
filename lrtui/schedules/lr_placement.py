"""Where an lr that was chosen belongs: in the optimizer, or in the schedules that bring lrs of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_notation import OptimizerSpec
from lrtui.schedules.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Placed:
    """A schedule and an optimizer with the lr in its place.

    Args:
        schedule: in notation.
        optimizer: in notation.
        where: what was changed, in words.
    """

    schedule: str
    optimizer: str
    where: str


def peak_lr(schedule: str, optimizer: str) -> float:
    """Return the lr that a user has chosen for the first parameter group: the schedule's peak, or the optimizer's lr.

    Raises:
        NotationError: for what can't be read.
    """
    peaks = [
        _first(part.arguments[parameter.name])
        for part in parse_schedule(schedule).walk()
        if part.entry and part.entry.absolute
        for parameter in part.entry.lrs("peak")
    ]
    return max(peaks, default=parse_optimizer(optimizer).lr)


def place_lr(schedule: str, optimizer: str, lr: float) -> Placed:
    """Return schedule and optimizer with the chosen lr in place of the one there; all others keep their ratio to it.

    Args:
        schedule: in notation.
        optimizer: in notation.
        lr: of the first parameter group.

    Raises:
        NotationError: for what can't be read.
    """
    parsed, parsed_optimizer = parse_schedule(schedule), parse_optimizer(optimizer)
    before = peak_lr(schedule, optimizer)
    factor = lr / before if before > 0 else None
    peaks = {
        f"{part.name}'s {parameter.name}"
        for part in parsed.walk()
        if part.entry and part.entry.absolute
        for parameter in part.entry.lrs("peak")
    }
    if not peaks:
        return Placed(schedule, str(_with_lr(parsed_optimizer, lr, factor)), "the optimizer's lr")

    def scaled(value: float) -> float:
        return lr if value == before or factor is None else rounded(value * factor)

    return Placed(str(_with_peaks(parsed, scaled)), optimizer, " and ".join(sorted(peaks)))


def rounded(lr: float) -> float:
    """Return the lr with as many digits as a person would write."""
    return float(f"{lr:.4g}")


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, (tuple, list)) else value)


def _with_peaks(schedule: Schedule, scaled: Callable[[float], float]) -> Schedule:
    if schedule.entry and schedule.entry.absolute:
        changed = {
            parameter.name: tuple(map(scaled, value)) if isinstance(value, (tuple, list)) else scaled(float(value))
            for parameter in schedule.entry.lrs("peak", "low")
            if (value := schedule.arguments.get(parameter.name)) is not None
        }
        return schedule.with_arguments(**changed)
    if not schedule.children:
        return schedule
    return schedule.with_arguments(schedulers=tuple(_with_peaks(part, scaled) for part in schedule.children))


def _with_lr(optimizer: OptimizerSpec, lr: float, factor: float | None) -> OptimizerSpec:
    groups = tuple(
        (
            pattern,
            tuple((name, rounded(value * factor) if name == "lr" and factor else value) for name, value in items),
        )
        for pattern, items in optimizer.groups
    )
    return replace(optimizer.with_arguments(lr=lr), groups=groups)
