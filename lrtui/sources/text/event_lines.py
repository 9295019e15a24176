"""lrtui's own events in lines of JSON, checked: a file may be cut, damaged, or not lrtui's at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lrtui.run.errors import LrtuiError
from lrtui.run.event_json import EVENT_CLASSES, event_from_json
from lrtui.run.events import DeadLayer, Event, Extended, Notice, RunStarted
from lrtui.run.feed import FeedItem, Rewritten
from lrtui.run.spec import RunSpec
from lrtui.sources.text.json_rows import json_object, json_objects
from lrtui.sources.text.line_trouble import LineTrouble
from lrtui.sources.text.step_rows import LARGEST, MAX_GAP, StepRows

STEP_DONE = "step_done"


def is_event(record: Mapping[str, Any]) -> bool:
    """Return whether an object is one of lrtui's events."""
    return record.get("event") in EVENT_CLASSES and type(record.get("seq")) is int and "seconds" in record


class EventLines:
    """Makes a feed of lines: steps in blocks, other events one by one, in the order that `RunState` expects.

    Args:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._lines = LineTrouble(path)
        self._is_first = True
        self.forget()

    @property
    def trouble(self) -> str:
        """Which lines are left out."""
        return str(self._lines)

    def forget(self) -> None:
        """Forget everything: the file is read from its start again."""
        self._lines.clear()
        self._seq = -1
        self._rows: StepRows | None = None
        self._spec: RunSpec | None = None
        self._first_step = 0

    def rewritten(self) -> Rewritten:
        """Forget everything, since another file follows; return the item that drops all that was returned."""
        item = Rewritten(self._first_step, -1)
        self.forget()
        self._is_first = False
        return item

    def add(self, lines: bytes, first_line: int) -> list[FeedItem]:
        """Return the events in complete lines.

        Args:
            first_line: number of the first line, from 1.
        """
        items: list[FeedItem] = []
        texts = lines.decode("utf-8", "replace").split("\n")[:-1]
        records = json_objects(texts)
        for index, text in enumerate(texts):
            number = first_line + index
            try:
                record = json_object(text) if records is None else records[index]
                if record is not None and "event" in record:
                    items += self._items_of(record)
            except RecursionError:
                self._lines.add(number, "it is nested too deeply")
            except (ValueError, LrtuiError) as error:
                reason = " ".join(str(error).split())[:200]
                self._lines.add(number, reason.rstrip("."))
        if self._rows is not None:
            items += self._rows.take()
        return items

    def _items_of(self, record: dict[str, Any]) -> list[FeedItem]:
        """Return what an event adds to the feed.

        Raises:
            ValueError: if it is no event, or can't follow the ones before.
            LrtuiError: for a setting out of its range.
        """
        kind, seq = record["event"], record.get("seq")
        if type(seq) is not int or not 0 <= seq < LARGEST:
            raise ValueError(f"seq {seq!r} is not a count")
        if kind == "run_started":
            return self._start(_checked_event(record))
        if seq <= self._seq:
            raise ValueError(f"its seq {seq} is not above {self._seq}, that of the event before")
        if kind == STEP_DONE:
            if self._rows is None:
                raise ValueError("it is a step before the run has started")
            items = self._rows.add(record)
        else:
            event = _checked_event(record)
            if self._rows is not None:
                self._check_place(event, self._rows.next_step)
            elif not isinstance(event, Notice):
                raise ValueError(f"it is {kind} before the run has started")
            items = [*(self._rows.take() if self._rows is not None else ()), event]
        self._seq = seq
        return items

    def _check_place(self, event: Event, next_step: int) -> None:
        """Check that an event can follow the steps before it.

        Raises:
            ValueError: if it is far from them.
            LrtuiError: if the run can't be as long as it says.
        """
        if not 0 <= event.step <= next_step + MAX_GAP:
            raise ValueError(f"its step is {event.step}, but {next_step} is the next one")
        if isinstance(event, Extended) and self._spec is not None:
            if event.total_steps < 1:
                raise ValueError(f"its total_steps is {event.total_steps}")
            self._spec = self._spec.extended_to(event.epochs, event.total_steps)

    def _start(self, event: Event) -> list[FeedItem]:
        assert isinstance(event, RunStarted)
        if not event.group_lrs or event.step < 0 or event.batches_per_epoch < 1 or (event.total_steps or 1) < 1:
            raise ValueError("its parameter groups, its step or its length are impossible")
        # its file is in the store that the run is from
        event = replace(event, output=None)
        rows, start = self._rows, event.resumed_from
        items = rows.take() if rows is not None else []
        if rows is not None and start is not None and event.seq > self._seq:
            is_resumed = self._first_step <= start <= rows.next_step
        else:
            is_resumed = False
        if rows is not None and is_resumed:
            rows.resume(start or 0)
        else:
            if rows is not None:
                # another run was appended to the file
                items.append(Rewritten(self._first_step, -1))
                self._is_first = False
            if not self._is_first:
                # the state that takes the event has had another run
                event = replace(event, resumed_from=None, resumed_seq=None)
            self._first_step = event.step
            self._rows = StepRows(event.step, len(event.group_lrs))
        self._spec, self._seq = event.spec, event.seq
        return [*items, event]


def _checked_event(record: dict[str, Any]) -> Event:
    """Return an event whose fields have the types that they are declared with.

    Raises:
        ValueError: if one has not, or is missing.
        LrtuiError: for a setting out of its range.
    """
    try:
        event = event_from_json(record)
    except (TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ValueError(f"it is not the event {record['event']}: {error}") from None
    for name, hint in _types(record["event"]).items():
        if not _fits(getattr(event, name), hint):
            raise ValueError(f"its {name} is {str(getattr(event, name))[:50]!r}")
    if not math.isfinite(event.seconds):
        raise ValueError(f"its seconds are {event.seconds}")
    return event


@lru_cache
def _types(kind: str) -> dict[str, Any]:
    declared = EVENT_CLASSES.get(kind, DeadLayer)
    hints = get_type_hints(declared)
    return {item.name: hints[item.name] for item in fields(declared)}


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value is of a type; whole numbers are within 64 bits, and true and false are no numbers."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, argument) for argument in arguments)
    if origin is Literal:
        return value in arguments
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(item, arguments[0]) for item in value)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(value, Mapping) and all(
            type(key) is str and _fits(item, arguments[1]) for key, item in value.items()
        )
    if hint in (None, NoneType):
        return value is None
    if hint is int:
        return type(value) is int and -LARGEST < value < LARGEST
    if hint is float:
        return type(value) is float or (type(value) is int and -LARGEST < value < LARGEST)
    if hint is DeadLayer:
        return isinstance(value, DeadLayer) and all(
            _fits(getattr(value, name), own) for name, own in _types("dead_layer").items()
        )
    return isinstance(value, hint)
