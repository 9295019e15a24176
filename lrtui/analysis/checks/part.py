"""The schedules inside a schedule: where each stands, and how long it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lrtui.schedules.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Place:
    """One schedule of those that a schedule is made of.

    Args:
        schedule: the one that stands there, its lengths filled in.
        path: which child of which child it is; empty for the outermost.
        begin: the run's `step()` call at which it takes over.
        calls: how many it has until the next takes over or the run ends; 0 or less where it is never reached.
        is_last: whether it is in force at the run's end.
    """

    schedule: Schedule
    path: tuple[int, ...]
    begin: int
    calls: int
    is_last: bool

    @property
    def name(self) -> str:
        """Class name of PyTorch's schedulers; empty for a user's own, which may have the same name."""
        return "" if self.schedule.user_path else self.schedule.name

    def get(self, argument: str) -> Any:
        """Return the argument's value, PyTorch's default where it is not given."""
        given = self.schedule.arguments.get(argument)
        parameter = self.schedule.entry.parameter(argument) if self.schedule.entry else None
        if given is not None or parameter is None or parameter.is_required:
            return given
        return parameter.default


def places(schedule: Schedule, calls: int) -> Iterator[Place]:
    """Yield the schedule and all inside it.

    Args:
        schedule: filled in.
        calls: how many `step()` calls the run has for it.
    """
    return _places(Place(schedule, (), 0, calls, True))


def _places(place: Place) -> Iterator[Place]:
    yield place
    children = place.schedule.children
    if place.schedule.name == "SequentialLR" and children:
        edges = [0, *place.schedule.arguments["milestones"], place.calls]
        stretches = [(begin, min(end, place.calls) - begin) for begin, end in pairwise(edges)]
    else:
        stretches = [(0, place.calls)] * len(children)
    for index, (child, (begin, length)) in enumerate(zip(children, stretches, strict=True)):
        is_last = place.is_last and length > 0 and begin + length == place.calls
        yield from _places(Place(child, (*place.path, index), place.begin + begin, length, is_last))


def edit(schedule: Schedule, path: tuple[int, ...], change: Callable[[Schedule], Schedule]) -> Schedule:
    """Return the schedule with the one at the path changed."""
    if not path:
        return change(schedule)
    index, *rest = path
    children = list(schedule.children)
    children[index] = edit(children[index], tuple(rest), change)
    return schedule.with_arguments(schedulers=tuple(children))


def without_child(schedule: Schedule, index: int) -> Schedule:
    """Return a composite without one of its children; without the milestone at which that took over, too."""
    children = [child for place, child in enumerate(schedule.children) if place != index]
    if schedule.name != "SequentialLR":
        return schedule.with_arguments(schedulers=tuple(children))
    milestones = list(schedule.arguments["milestones"])
    if milestones:
        milestones.pop(max(0, index - 1))
    return schedule.with_arguments(schedulers=tuple(children), milestones=tuple(milestones))
