"""Arguments that follow from the run, filled in where the user left them out."""

from __future__ import annotations

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
        lengths = [end - start for start, end in schedule.child_spans(calls)]
        children = tuple(
            _fill(child, length, f"{path}schedulers[{index}].", filled)
            for index, (child, length) in enumerate(zip(schedule.children, lengths, strict=True))
        )
        return schedule.with_arguments(schedulers=children)
    if entry.has_given_length(schedule.arguments):
        return schedule
    for name in entry.fills:
        # a segment that the run never reaches still has to be built
        value = max(1, calls)
        filled[path + name] = value
        schedule = schedule.with_arguments(**{name: value})
    return schedule
