"""Events as JSON objects: the kind in snake case under "event", non-finite numbers as null."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from lrtui.run import events
from lrtui.run.arguments import check_argument
from lrtui.run.events import CommandAnswer, DeadLayer, EvalDone, Event, RunStarted, StepDone
from lrtui.run.spec import RunSpec


def _kind(event_class: type[Event]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event_class.__name__).lower()


EVENT_CLASSES: dict[str, type[Event]] = {
    _kind(value): value
    for value in vars(events).values()
    if isinstance(value, type) and issubclass(value, Event) and value not in (Event, CommandAnswer)
}
"""Every event class by its kind."""


def kind_of(event: Event) -> str:
    """Return the event's kind, in snake case."""
    return _kind(type(event))


def plain(value: Any, *, exact: bool = False) -> Any:
    """Return a value as plain JSON values: dataclasses as dicts, non-finite numbers as None.

    Args:
        exact: return non-finite numbers as "NaN", "Infinity" and "-Infinity" instead.
    """
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return json.dumps(value) if exact else None
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name), exact=exact) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item, exact=exact) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item, exact=exact) for item in value]
    return value


def event_to_json(event: Event, *, exact: bool = False) -> dict[str, Any]:
    """Return the event as a dict of plain JSON values, full precision, non-finite numbers as None.

    Args:
        exact: return them as strings that `event_from_json` reads back.
    """
    check_argument("event_to_json", "event", event, Event, "an event")
    record = {"event": kind_of(event), **plain(event, exact=exact)}
    if isinstance(event, CommandAnswer) and not event.command_id:
        del record["command_id"]
    if isinstance(event, RunStarted):
        if not event.logs_epochs:
            del record["logs_epochs"]
        if event.processes == 1:
            del record["processes"]
    if isinstance(event, StepDone):
        record["metrics"] = {
            name: plain(value, exact=exact) for name, value in sorted(event.metrics.items()) if not math.isnan(value)
        }
        if not record["metrics"]:
            del record["metrics"]
    if isinstance(event, EvalDone) and event.loss is None:
        # null is a loss of NaN
        del record["loss"]
    return record


# fields in which null stands for NaN, and fields in which a number that is not finite may be text
_NULL_IS_NAN = {"loss", "lrs", "lrs_before", "lrs_after", "scale", "metrics", "group_lrs"}
_MAY_BE_TEXT = {"accuracy", "samples_per_second", "seconds_taken"}


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def spec_from_json(record: Mapping[str, Any]) -> RunSpec:
    """Return the settings that `plain` made the record from; missing ones have their defaults.

    Raises:
        UsageError: for a setting out of its range.
    """
    known = {item.name for item in fields(RunSpec)}
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in record.items()}
    return RunSpec(**{name: value for name, value in values.items() if name in known})


def event_from_json(record: Mapping[str, Any]) -> Event:
    """Return the event that `event_to_json` made the record from; null numbers come back as NaN.

    Raises:
        ValueError: for an unknown kind of event.
    """
    check_argument("event_from_json", "record", record, Mapping, "a mapping, as event_to_json returns it")
    event_class = EVENT_CLASSES.get(str(record.get("event")))
    if event_class is None:
        raise ValueError(f"unknown event {record.get('event')!r}; known are {', '.join(sorted(EVENT_CLASSES))}")
    values: dict[str, Any] = {"loss": None} if event_class is EvalDone else {}
    for item in fields(event_class):
        if item.name not in record:
            continue
        value = record[item.name]
        if item.name == "spec":
            value = spec_from_json(value)
        elif item.name == "dead_layer":
            value = None if value is None else DeadLayer(**value)
        elif item.name in _NULL_IS_NAN and isinstance(value, list):
            value = tuple(_number(entry) for entry in value)
        elif item.name in _NULL_IS_NAN and isinstance(value, Mapping):
            value = {key: _number(entry) for key, entry in value.items()}
        elif item.name in _NULL_IS_NAN or (item.name in _MAY_BE_TEXT and isinstance(value, str)):
            value = _number(value)
        elif isinstance(value, list):
            value = tuple(value)
        values[item.name] = value
    return event_class(**values)
