"""The records of a `.wandb` file that lrtui shows; the messages are those of wandb/proto/wandb_internal.proto."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from lrtui.sources.protobuf_wire import BYTES, FIXED64, VARINT, MalformedError, fields, varint

Item = tuple[tuple[bytes, ...], bytes]
"""A key, with the keys of the mappings that it stands in before it, and its value as JSON."""

# fields of Record
HISTORY, CONFIG, METRIC, RUN, EXIT = 2, 5, 12, 17, 18


@dataclass(slots=True)
class RunMessage:
    """What a run says about itself.

    Args:
        name: its name on the website.
        config: settings.
    """

    name: str = ""
    config: list[Item] = field(default_factory=list)


def record_kind(data: bytes) -> tuple[int, int, int]:
    """Return which of the kinds above a record is, and the span of its message; kind 0 for all others.

    Raises:
        MalformedError: if the bytes are not a record.
    """
    for number, kind, start, stop in fields(data, 0, len(data)):
        if number in (HISTORY, CONFIG, METRIC, RUN, EXIT) and kind == BYTES:
            return number, start, stop
    return 0, 0, 0


def items(data: bytes, at: int, end: int) -> Iterator[Item]:
    """Yield the items of a HistoryRecord or the updates of a ConfigRecord.

    Raises:
        MalformedError: if the bytes are not a message.
    """
    try:
        while at < end:
            # almost all are items shorter than 128 bytes
            if data[at] == 0x0A and data[at + 1] < 0x80:
                start = at + 2
                at = start + data[at + 1]
                if at > end:
                    raise MalformedError("an item is cut off")
                yield _item(data, start, at)
                continue
            number, kind, start, at = next(fields(data, at, end))
            if number == 1 and kind == BYTES:
                yield _item(data, start, at)
    except IndexError:
        raise MalformedError("an item is cut off") from None


def step_number(data: bytes, at: int, end: int) -> int | None:
    """Return the step of a HistoryRecord."""
    for number, kind, start, stop in fields(data, at, end):
        if number == 2 and kind == BYTES:
            for inner, inner_kind, inner_start, inner_stop in fields(data, start, stop):
                if inner == 1 and inner_kind == VARINT:
                    return varint(data, inner_start, inner_stop)[0]
            return 0
    return None


def _item(data: bytes, at: int, end: int) -> Item:
    keys: list[bytes] = []
    value = b""
    while at < end:
        # key, nested_key and value_json, shorter than 128 bytes
        tag = data[at]
        if (tag == 0x0A or tag == 0x12) and data[at + 1] < 0x80:
            start = at + 2
            at = start + data[at + 1]
            keys.append(data[start:at])
        elif tag == 0x82 and data[at + 1] == 0x01 and data[at + 2] < 0x80:
            start = at + 3
            at = start + data[at + 2]
            value = data[start:at]
        else:
            number, kind, start, at = next(fields(data, at, end))
            if number in (1, 2) and kind == BYTES:
                keys.append(data[start:at])
            elif number == 16 and kind == BYTES:
                value = data[start:at]
            elif number == 6 and kind == FIXED64:
                value = repr(struct.unpack_from("<d", data, start)[0]).encode()
            elif number == 5 and kind == VARINT:
                coded = varint(data, start, at)[0]
                value = b"%d" % (coded >> 1 ^ -(coded & 1))
        if at > end:
            raise MalformedError("a value is cut off")
    return tuple(keys), value


def read_run(data: bytes, at: int, end: int) -> RunMessage:
    """Return what a RunRecord says.

    Raises:
        MalformedError: if the bytes are not a message.
    """
    run = RunMessage()
    for number, kind, start, stop in fields(data, at, end):
        if number == 8 and kind == BYTES:
            run.name = data[start:stop].decode("utf-8", "replace")
        elif number == 4 and kind == BYTES:
            run.config += items(data, start, stop)
    return run


def read_metric(data: bytes, at: int, end: int) -> str:
    """Return the name of the metric that has the steps of others, in a MetricRecord; empty if it says none.

    Raises:
        MalformedError: if the bytes are not a message.
    """
    for number, kind, start, stop in fields(data, at, end):
        if number == 4 and kind == BYTES:
            return data[start:stop].decode("utf-8", "replace")
    return ""
