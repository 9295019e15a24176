"""Schedules in short, for lists and labels: `Exp 0.1`, `Step 3`, `OneCycle 0.003`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from lrtui.run.errors import LrtuiError
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Schedule, default_metric, value_text

JOINTS = {"sequence": " → ", "chain": " + ", "warmup": " → "}
"""What stands between the parts of each kind of composite."""


@lru_cache(1024)
def short_notation(notation: str) -> str:
    """Return a schedule in short: its short name, the arguments it requires, and others that differ from their default.

    Lengths that follow from the run are left out. Notation that can't be read is returned as it is.
    """
    try:
        return _short(parse_schedule(notation))
    except LrtuiError:
        return notation


def short_notations(notations: Iterable[str]) -> dict[str, str]:
    """Return each schedule in short, and in full where two different ones would look the same."""
    shorts = {notation: short_notation(notation) for notation in notations}
    used = list(shorts.values())
    return {notation: short if used.count(short) == 1 else notation for notation, short in shorts.items()}


def short_name(notation: str) -> str:
    """Return the short name alone: `OneCycle`; notation that can't be read is returned as it is."""
    try:
        return _name(parse_schedule(notation))
    except LrtuiError:
        return notation


def _name(schedule: Schedule) -> str:
    entry = schedule.entry
    if entry is None:
        return schedule.name
    if entry.composite:
        own = [entry.short_name] if entry.composite == "warmup" else []
        return JOINTS[entry.composite].join([*own, *map(_name, schedule.children)])
    return entry.short_name


def _short(schedule: Schedule) -> str:
    entry = schedule.entry
    if entry is None:
        return schedule.notation()
    parts = [entry.short_name]
    if entry.composite:
        own = [f"{entry.short_name} {schedule.arguments['steps']}"] if entry.composite == "warmup" else []
        parts = [JOINTS[entry.composite].join([*own, *map(_short, schedule.children)])]
    else:
        for parameter in entry.parameters:
            value = schedule.arguments.get(parameter.name)
            if value is None or parameter.name in entry.fills or value == parameter.default:
                continue
            shown = value if isinstance(value, str) else value_text(value)
            parts.append(shown if parameter.is_required else f"{parameter.name}={shown}")
    if schedule.metric is not None and schedule.metric != default_metric(schedule):
        parts.append(schedule.metric)
    if schedule.per_given and schedule.per != entry.unit:
        parts.append(f"per {schedule.per}")
    return " ".join(parts)
