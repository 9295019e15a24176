"""The scalars of many TensorBoard events at once: events of the same layout are decoded as columns of a table."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lrtui.run.minmax_pyramid import Floats
from lrtui.sources.protobuf_wire import MalformedError
from lrtui.sources.tensorboard.event_records import SMALL, Bytes, Integers
from lrtui.sources.tensorboard.event_wire import VARINT_KINDS, EventLayout, Scalar, Span, parse_event

# layouts of events of one length, and tags of one length, that are looked for by comparing all with the first one
MOST_LAYOUTS = 12
MOST_COMPARED_TAGS = 12
# events whose checksum is looked at in a block, at 5 µs each
MOST_DOUBTFUL = 500
# the year 5138 in seconds since 1970; later ones are outside of what most libraries can show
FAR_FUTURE = 1e11
# bytes of a tag that identify a series
LONGEST_TAG = 1_000


@dataclass(slots=True)
class Column:
    """Values of one tag.

    Args:
        events: numbers of the events that they are in, in ascending order.
        steps: the step of each.
        values: the value of each.
        times: the wall time of each in seconds since 1970; NaN if it is not known.
    """

    events: Integers
    steps: Integers
    values: Floats
    times: Floats

    def chosen(self, which: slice | NDArray[np.bool_] | Integers) -> Column:
        """Return some of the values."""
        return Column(self.events[which], self.steps[which], self.values[which], self.times[which])

    def between(self, first: int, stop: int | None) -> Column:
        """Return the values in the events from one number to before another."""
        end = None if stop is None else int(np.searchsorted(self.events, stop))
        return self.chosen(slice(int(np.searchsorted(self.events, first)), end))


@dataclass(slots=True)
class EventTable:
    """What is in many events.

    Args:
        columns: values by tag.
        restarts: events at which the run starts again, and their steps, in ascending order.
        settings: hyperparameters by name.
        malformed: events that can't be decoded, in ascending order.
    """

    columns: dict[bytes, Column] = field(default_factory=dict)
    restarts: list[tuple[int, int]] = field(default_factory=list)
    settings: dict[str, str | float | bool | None] = field(default_factory=dict)
    malformed: list[int] = field(default_factory=list)

    def doubtful(self) -> set[int]:
        """Return events that may be damaged although they can be decoded: a wrong bit makes a new tag, or a far step.

        They are at most `MOST_DOUBTFUL`.
        """
        events = {event for event, _ in self.restarts}
        for column in self.columns.values():
            back = np.flatnonzero(column.steps[1:] < column.steps[:-1])[:MOST_DOUBTFUL]
            events.update(column.events[back].tolist(), column.events[back + 1].tolist(), column.events[-1:].tolist())
            if len(events) > MOST_DOUBTFUL:
                break
        return set(sorted(events)[:MOST_DOUBTFUL])

    def leave_out(self, events: Sequence[int]) -> None:
        """Remove the values that are in some of the events."""
        if not events:
            return
        kept = {tag: column.chosen(~np.isin(column.events, events)) for tag, column in self.columns.items()}
        self.columns = {tag: column for tag, column in kept.items() if len(column.events)}
        self.restarts = [restart for restart in self.restarts if restart[0] not in events]


def decode_events(data: Bytes, starts: Integers, lengths: Integers) -> EventTable:
    """Return the scalars of events.

    Args:
        data: the bytes that contain them.
        starts: the offset of each event.
        lengths: the length of each in bytes.
    """
    table, parts = EventTable(), defaultdict[bytes, list[Column]](list)
    is_small = not len(lengths) or lengths.max() < SMALL
    # counting is the faster way if the numbers are small
    for length in (np.flatnonzero(np.bincount(lengths)) if is_small else np.unique(lengths)).tolist():
        if length == 0:
            continue
        events = np.flatnonzero(lengths == length)
        # unaligned items of that many bytes at every offset, of which those of the events are copied
        items = np.ndarray((len(data) - length + 1,), f"V{length}", data, strides=(1,))
        rows = items[starts[events]].view(np.uint8).reshape(-1, length)
        for layout, chosen in _by_layout(rows, events, table.malformed):
            # a NaN that is to raise an error when it is used
            with np.errstate(invalid="ignore"):
                if len(chosen) == len(rows):
                    _add_columns(rows, events, layout, table, parts)
                else:
                    _add_columns(rows[chosen], events[chosen], layout, table, parts)
    table.columns = {tag: _joined(columns) for tag, columns in parts.items()}
    table.restarts.sort()
    table.malformed.sort()
    return table


def _by_layout(rows: Bytes, events: Integers, malformed: list[int]) -> Iterator[tuple[EventLayout, Integers]]:
    """Yield the layouts of events of one length, each with the indices of the events that have it."""
    left = np.arange(len(rows))
    tries = 0
    while len(left):
        first = rows[left[0]]
        try:
            layout = parse_event(first.tobytes())
        except MalformedError:
            malformed.append(int(events[left[0]]))
            left = left[1:]
            continue
        tries += 1
        if tries > MOST_LAYOUTS:
            # events that have hardly anything in common
            yield layout, left[:1]
            left = left[1:]
            continue
        has_it = _has_layout(rows if len(left) == len(rows) else rows[left], first, layout)
        yield layout, left[has_it]
        left = left[~has_it]


def _has_layout(rows: Bytes, first: Bytes, layout: EventLayout) -> NDArray[np.bool_]:
    """Return which rows have the layout of the first one: all bytes that say where the parts are are the same."""
    same = np.ones(len(rows), np.bool_)
    at = 0
    for start, stop in [*sorted(layout.free), (rows.shape[1], rows.shape[1])]:
        if at < start:
            _compare(rows, first, at, start, same)
        at = max(at, stop)
    for start, stop in layout.varints:
        for column in range(start, stop):
            same &= (rows[:, column] >= 0x80) == (column < stop - 1)
    return same


def _compare(rows: Bytes, first: Bytes, start: int, stop: int, same: NDArray[np.bool_]) -> None:
    """Clear `same` where a row has other bytes in a span than the first one; wide integers are compared."""
    length = stop - start
    width = 8 if length >= 8 else 4 if length >= 4 else 2 if length >= 2 else 1
    # the last one ends where the span ends, and may overlap the one before
    for at in [*range(start, stop - width, width), stop - width]:
        column = np.ndarray((len(rows),), f"<u{width}", rows, at, (rows.shape[1],))
        same &= column == np.frombuffer(first[at : at + width].tobytes(), f"<u{width}")[0]


def _add_columns(
    rows: Bytes, events: Integers, layout: EventLayout, table: EventTable, parts: dict[bytes, list[Column]]
) -> None:
    table.settings |= layout.settings
    if not layout.scalars and not layout.is_session_start:
        return
    steps = _varints(rows, layout.step).view(np.int64) if layout.step else np.zeros(len(rows), np.int64)
    if layout.is_session_start:
        table.restarts += zip(events.tolist(), steps.tolist(), strict=True)
    times = np.full(len(rows), np.nan) if layout.time is None else _times(rows, layout.time)
    for scalar in layout.scalars:
        values = _values(rows, scalar)
        for tag, chosen in _by_tag(rows, scalar.tag):
            column = Column(events, steps, values, times)
            parts[tag].append(column if len(chosen) == len(rows) else column.chosen(chosen))


def _by_tag(rows: Bytes, span: Span) -> Iterator[tuple[bytes, Integers]]:
    """Yield the tags in a span, each with the indices of the rows that have it."""
    start, stop = span
    left = np.arange(len(rows))
    for _ in range(MOST_COMPARED_TAGS):
        if not len(left):
            return
        first = rows[left[0]]
        some = rows if len(left) == len(rows) else rows[left]
        same = np.ones(len(left), np.bool_)
        if start < stop:
            _compare(some, first, start, stop, same)
        yield _identity(first[start:stop].tobytes()), left[same]
        left = left[~same]
    if len(left):
        texts = np.ascontiguousarray(rows[left, start:stop]).view(f"V{stop - start}").ravel()
        groups = defaultdict[bytes, list[int]](list)
        for index, text in zip(left.tolist(), texts.tolist(), strict=True):
            groups[text].append(index)
        for text, indices in groups.items():
            yield _identity(text), np.array(indices)


def _identity(tag: bytes) -> bytes:
    """Return the tag, shortened if it is so long that many of them would fill the memory."""
    return tag if len(tag) <= LONGEST_TAG else tag[: LONGEST_TAG - 16] + hashlib.blake2b(tag, digest_size=16).digest()


def _values(rows: Bytes, scalar: Scalar) -> Floats:
    if scalar.kind not in VARINT_KINDS:
        return _numbers(rows, scalar.value, scalar.kind)
    numbers = _varints(rows, scalar.value)
    if scalar.kind == "signed":
        return numbers.view(np.int64).astype(np.float64)
    if scalar.kind == "unsigned":
        return numbers.astype(np.float64)
    return _halves(numbers.astype(np.uint16), scalar.kind)


def _times(rows: Bytes, start: int) -> Floats:
    """Return the wall times of events; NaN for those that are no dates, such as those of damaged events."""
    times = _numbers(rows, (start, start + 8), "<f8")
    times[~((times > 0) & (times < FAR_FUTURE))] = np.nan
    return times


def _numbers(rows: Bytes, span: Span, kind: str) -> Floats:
    column = np.ndarray((len(rows),), "<u2" if kind == "bfloat16" else kind, rows, span[0], (rows.shape[1],))
    return _halves(column, kind) if kind == "bfloat16" else column.astype(np.float64)


def _halves(bits: NDArray[np.uint16], kind: str) -> Floats:
    if kind == "varint half":
        return bits.view(np.float16).astype(np.float64)
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def _varints(rows: Bytes, span: Span) -> NDArray[np.uint64]:
    """Return numbers of variable length, which have the same length in all rows; bits beyond 64 are dropped."""
    result = (rows[:, span[0]] & 0x7F).astype(np.uint64)
    for index, column in enumerate(range(span[0] + 1, span[1]), 1):
        result |= (rows[:, column] & 0x7F).astype(np.uint64) << np.uint64(7 * index)
    return result


def _joined(columns: list[Column]) -> Column:
    """Return columns of one tag as one, in the order of the events."""
    if len(columns) == 1:
        return columns[0]
    joined = Column(
        np.concatenate([column.events for column in columns]),
        np.concatenate([column.steps for column in columns]),
        np.concatenate([column.values for column in columns]),
        np.concatenate([column.times for column in columns]),
    )
    # shorter events mostly come before longer ones, as the step grows
    is_ordered = bool((joined.events[1:] >= joined.events[:-1]).all())
    return joined if is_ordered else joined.chosen(np.argsort(joined.events, kind="stable"))
