"""Arguments that follow from the run, filled in where the user left them out."""

from __future__ import annotations

from itertools import pairwise

from lrtui.schedules.horizon import Horizon
from lrtui.schedules.schedule import Schedule


def fill_in(schedule: Schedule, horizon: Horizon) -> tuple[Schedule, dict[str, int]]:
    """Return the schedule with its lengths filled in, and what was filled in.

    Args:
        schedule: as the user wrote it.
        horizon: the stretch that it covers.

    Returns:
        The schedule, and the values by name; nested ones are named `schedulers[1].T_max`.
    """
    filled: dict[str, int] = {}
    return _fill(schedule, horizon.calls(schedule.per), "", filled), filled


def _fill(schedule: Schedule, calls: int, path: str, filled: dict[str, int]) -> Schedule:
    entry = schedule.entry
    if entry is None:
        return schedule
    if schedule.children:
        children = tuple(
            _fill(child, length, f"{path}schedulers[{index}].", filled)
            for index, (child, length) in enumerate(zip(schedule.children, _segments(schedule, calls), strict=True))
        )
        return schedule.with_arguments(schedulers=children)
    arguments = schedule.arguments
    for name in entry.fills:
        if name in arguments or (name == "total_steps" and "epochs" in arguments):
            continue
        # a segment that the run never reaches still has to be built
        value = max(1, calls)
        filled[path + name] = value
        schedule = schedule.with_arguments(**{name: value})
    return schedule


def _segments(schedule: Schedule, calls: int) -> list[int]:
    """Return how many `step()` calls each child has: its own segment's, or all of them where they run together."""
    if schedule.name != "SequentialLR":
        return [calls] * len(schedule.children)
    edges = [0, *schedule.arguments["milestones"], calls]
    return [later - earlier for earlier, later in pairwise(edges)]
