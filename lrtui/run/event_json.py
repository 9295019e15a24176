"""Events as JSON objects: the kind in snake case under "event", non-finite numbers as null."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from lrtui.run import events
from lrtui.run.events import Event
from lrtui.run.spec import RunSpec


def _kind(event_class: type[Event]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event_class.__name__).lower()


EVENT_CLASSES: dict[str, type[Event]] = {
    _kind(value): value
    for value in vars(events).values()
    if isinstance(value, type) and issubclass(value, Event) and value is not Event
}
"""Every event class by its kind, read off the module that declares them."""


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def event_to_json(event: Event) -> dict[str, Any]:
    """Return the event as a dict of plain JSON values, full precision, non-finite numbers as None."""
    return {"event": _kind(type(event)), **_plain(event)}


_NULL_IS_NAN = {"loss", "lrs", "lrs_before", "lrs_after", "scale", "metrics", "group_lrs"}


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def event_from_json(record: Mapping[str, Any]) -> Event:
    """Return the event that `event_to_json` made the record from; null numbers come back as NaN.

    Raises:
        ValueError: for an unknown kind of event.
    """
    event_class = EVENT_CLASSES.get(str(record.get("event")))
    if event_class is None:
        raise ValueError(f"unknown event {record.get('event')!r}; known are {', '.join(sorted(EVENT_CLASSES))}")
    values: dict[str, Any] = {}
    for item in fields(event_class):
        if item.name not in record:
            continue
        value = record[item.name]
        if item.name == "spec":
            plain: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in value.items()}
            value = RunSpec(**plain)
        elif item.name in _NULL_IS_NAN and isinstance(value, list):
            value = tuple(_number(entry) for entry in value)
        elif item.name in _NULL_IS_NAN and isinstance(value, Mapping):
            value = {key: _number(entry) for key, entry in value.items()}
        elif item.name in _NULL_IS_NAN:
            value = _number(value)
        elif isinstance(value, list):
            value = tuple(value)
        values[item.name] = value
    return event_class(**values)
