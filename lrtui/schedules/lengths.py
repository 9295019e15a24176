"""Lengths that a schedule's notation leaves out, or gives as a share of the run, as numbers of steps."""

from __future__ import annotations

from lrtui.schedules.catalogue import SchedulerEntry
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.step_count import is_share, steps_of


def fill_in(schedule: Schedule, horizon: Horizon) -> tuple[Schedule, dict[str, int]]:
    """Return the schedule with the lengths that were left out, and these lengths by name.

    Lengths given as a share of the run become numbers of steps.

    Lengths of nested schedules are named `schedulers[1].T_max`.
    """
    filled: dict[str, int] = {}
    return _fill(schedule, horizon.calls(schedule.per), horizon, "", filled), filled


def horizon_inside(schedule: Schedule, horizon: Horizon) -> Horizon:
    """Return the horizon of the schedule inside a Warmup, without steps if the warmup takes the whole run.

    Args:
        schedule: a Warmup, its share of the run as a number of steps.
        horizon: the steps that it covers.
    """
    return horizon.after(schedule.arguments["steps"], schedule.per)


def _fill(schedule: Schedule, calls: int, horizon: Horizon, path: str, filled: dict[str, int]) -> Schedule:
    entry = schedule.entry
    if schedule.is_per_optimizer:
        each = {
            name: _fill(child, horizon.calls(child.per), horizon, f"{path}{name}.", filled)
            for name, child in schedule.arguments.items()
        }
        return schedule.with_arguments(**each)
    if entry is None:
        return schedule
    if entry.composite == "warmup":
        return _fill_warmup(schedule, horizon, path, filled)
    if entry.has_given_length(schedule.arguments):
        return _with_whole_steps(schedule, path, filled)
    if schedule.children:
        spans = zip(schedule.children, schedule.child_spans(calls), strict=True)
        children = [
            _fill(child, end - start, horizon, f"{path}schedulers[{index}].", filled)
            for index, (child, (start, end)) in enumerate(spans)
        ]
        return schedule.with_children(children)
    for name in entry.fills:
        # at least 1, since a child that the run never reaches must still be built
        filled[path + name] = max(1, calls)
        schedule = schedule.with_arguments(**{name: max(1, calls)})
    return _with_whole_steps(schedule, path, filled)


def _fill_warmup(schedule: Schedule, horizon: Horizon, path: str, filled: dict[str, int]) -> Schedule:
    if is_share(share := schedule.arguments["steps"]):
        filled[f"{path}steps"] = steps_of("steps", share, horizon.calls(schedule.per))
        schedule = schedule.with_arguments(steps=filled[f"{path}steps"])
    (child,), rest = schedule.children, horizon_inside(schedule, horizon)
    return schedule.with_children([_fill(child, rest.calls(child.per), rest, f"{path}scheduler.", filled)])


def _with_whole_steps(schedule: Schedule, path: str, filled: dict[str, int]) -> Schedule:
    """Return the schedule with the lengths that are shares of the run as numbers of steps."""
    entry = schedule.entry
    shares = {name: value for name, value in schedule.items if is_share(value) and _counts_steps(entry, name)}
    for name, share in shares.items():
        total = next(schedule.arguments[length] for length in entry.fills) if entry else None
        filled[path + name] = steps_of(name, share, total)
        schedule = schedule.with_arguments(**{name: filled[path + name]})
    return schedule


def _counts_steps(entry: SchedulerEntry | None, name: str) -> bool:
    parameter = entry.parameter(name) if entry else None
    return parameter is not None and parameter.kind == "steps"
