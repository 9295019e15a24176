"""One TensorBoard event in the protobuf wire format: where its step, time and scalars are. Other values are skipped.

The messages are Event, SessionLog, Summary and SummaryMetadata of tensorboard/compat/proto, TensorProto, and
HParamsPluginData of tensorboard/plugins/hparams.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

from lrtui.sources.protobuf_wire import BYTES, FIXED32, FIXED64, VARINT, fields, varint

SESSION_START = 1

# the most hyperparameters and the longest text that are kept of an event, against hostile files
MOST_SETTINGS = 1_000
LONGEST_TEXT = 1_000


Span = tuple[int, int]
"""Offsets of the first byte and the byte after the last."""


class Scalar(NamedTuple):
    """A scalar in an event.

    Args:
        tag: where the name is.
        value: where the number is.
        kind: how it is encoded: a numpy data type in little-endian order, "bfloat16", or a key of `VARINT_KINDS`.
    """

    tag: Span
    value: Span
    kind: str


@dataclass(slots=True)
class EventLayout:
    """Where the parts of an event are.

    Args:
        time: the offset of its 8-byte wall time; None if it has none.
        step: where the step is; None if it is 0.
        scalars: its scalars.
        free: bytes that may be different in another event of the same layout, besides the time.
        varints: numbers of variable length in `free`, which another event of the same layout has at the same places.
        is_session_start: whether the run starts again at this step.
        settings: hyperparameters by name.
    """

    time: int | None = None
    step: Span | None = None
    scalars: list[Scalar] = field(default_factory=list)
    free: list[Span] = field(default_factory=list)
    varints: list[Span] = field(default_factory=list)
    is_session_start: bool = False
    settings: dict[str, str | float | bool | None] = field(default_factory=dict)


# of TensorFlow's DataType: the data type in tensor_content, the field with single values, and the encoding in that
TENSOR_TYPES: dict[int, tuple[str, int, str]] = {
    1: ("<f4", 5, "<f4"),
    2: ("<f8", 6, "<f8"),
    3: ("<i4", 7, "signed"),
    4: ("u1", 7, "signed"),
    5: ("<i2", 7, "signed"),
    6: ("i1", 7, "signed"),
    9: ("<i8", 10, "signed"),
    10: ("u1", 11, "unsigned"),
    14: ("bfloat16", 13, "varint bfloat16"),
    17: ("<u2", 7, "signed"),
    19: ("<f2", 13, "varint half"),
    22: ("<u4", 16, "unsigned"),
    23: ("<u8", 17, "unsigned"),
}
# fields of a tensor with bytes, numbers of fixed length or texts
CONTENT_FIELDS = (4, 5, 6, 8)
VARINT_KINDS = ("signed", "unsigned", "varint half", "varint bfloat16")
WIDTHS = {"<f4": 4, "<f8": 8, "<i4": 4, "u1": 1, "<i2": 2, "i1": 1, "<i8": 8, "bfloat16": 2, "<u2": 2, "<f2": 2}
WIDTHS |= {"<u4": 4, "<u8": 8}


def parse_event(data: bytes) -> EventLayout:
    """Return where the parts of an event are.

    Raises:
        MalformedError: if the bytes are not an event.
    """
    event = EventLayout()
    for number, kind, start, stop in fields(data, 0, len(data)):
        if number == 1 and kind == FIXED64:
            event.time = start
            event.free.append((start, stop))
        elif number == 2 and kind == VARINT:
            event.step = start, stop
            event.free.append(event.step)
            event.varints.append(event.step)
        elif number == 5 and kind == BYTES:
            for inner, inner_kind, at, end in fields(data, start, stop):
                if inner == 1 and inner_kind == BYTES:
                    _parse_value(data, at, end, event)
        elif number == 7 and kind == BYTES:
            for inner, inner_kind, at, end in fields(data, start, stop):
                if inner == 1 and inner_kind == VARINT:
                    event.is_session_start = varint(data, at, end)[0] == SESSION_START
        elif kind == BYTES:
            event.free.append((start, stop))
    return event


def _parse_value(data: bytes, at: int, end: int, event: EventLayout) -> None:
    tag: Span = (at, at)
    number: tuple[Span, str] | None = None
    free: list[Span] = []
    metadata: Span | None = None
    tensor: Span | None = None
    for field_number, kind, start, stop in fields(data, at, end):
        if field_number == 1 and kind == BYTES:
            tag = start, stop
        elif field_number == 2 and kind == FIXED32:
            number, tensor = ((start, stop), "<f4"), None
        elif field_number == 8 and kind == BYTES:
            number, tensor = None, (start, stop)
        elif field_number == 9 and kind == BYTES:
            metadata = start, stop
        elif kind == BYTES:
            # an image, a histogram or a sound
            free.append((start, stop))
            number = tensor = None
    plugin = _parse_metadata(data, *metadata, event) if metadata is not None else b""
    if tensor is not None:
        if plugin not in (b"", b"scalars"):
            free.append(tensor)
        else:
            number = _parse_tensor(data, *tensor)
            if number is None:
                # texts and arrays; its type and shape say that it is none, so another event must have the same
                free += [
                    (start, stop)
                    for field_number, kind, start, stop in fields(data, *tensor)
                    if field_number in CONTENT_FIELDS and kind == BYTES
                ]
    if tag != (at, at):
        free.append(tag)
    event.free += free
    if number is not None:
        event.scalars.append(Scalar(tag, *number))
        event.free.append(number[0])
        if number[1] in VARINT_KINDS:
            event.varints.append(number[0])


def _parse_metadata(data: bytes, at: int, end: int, event: EventLayout) -> bytes:
    """Return the name of the plugin that shows a value; keep the hyperparameters if it is that of hyperparameters."""
    name, content = b"", (end, end)
    for number, kind, start, stop in fields(data, at, end):
        if number == 1 and kind == BYTES:
            for inner, inner_kind, inner_start, inner_stop in fields(data, start, stop):
                if inner == 1 and inner_kind == BYTES:
                    name = data[inner_start:inner_stop]
                elif inner == 2 and inner_kind == BYTES:
                    content = inner_start, inner_stop
    if name == b"hparams":
        for number, kind, start, stop in fields(data, *content):
            if number == 3 and kind == BYTES:
                event.settings |= _settings(data, start, stop)
    return name


def _settings(data: bytes, at: int, end: int) -> dict[str, str | float | bool | None]:
    """Return the hyperparameters in a SessionStartInfo."""
    settings: dict[str, str | float | bool | None] = {}
    for number, kind, start, stop in fields(data, at, end):
        if number != 1 or kind != BYTES or len(settings) >= MOST_SETTINGS:
            continue
        name, value = "", None
        for inner, inner_kind, inner_start, inner_stop in fields(data, start, stop):
            if inner == 1 and inner_kind == BYTES:
                name = _text(data, inner_start, inner_stop)
            elif inner == 2 and inner_kind == BYTES:
                value = _setting(data, inner_start, inner_stop)
        settings[name] = value
    return settings


def _setting(data: bytes, at: int, end: int) -> str | float | bool | None:
    """Return a google.protobuf.Value; None for null, lists and mappings, which no writer of hyperparameters uses."""
    value: str | float | bool | None = None
    for number, kind, start, stop in fields(data, at, end):
        if number == 2 and kind == FIXED64:
            (number_value,) = struct.unpack_from("<d", data, start)
            # writers have no other type for whole numbers
            value = int(number_value) if number_value.is_integer() and abs(number_value) < 1e15 else number_value
        elif number == 3 and kind == BYTES:
            value = _text(data, start, stop)
        elif number == 4 and kind == VARINT:
            value = varint(data, start, stop)[0] != 0
    return value


def _text(data: bytes, start: int, stop: int) -> str:
    return data[start : min(stop, start + LONGEST_TEXT)].decode("utf-8", "replace")


def _parse_tensor(data: bytes, at: int, end: int) -> tuple[Span, str] | None:
    """Return where the number of a tensor is, and its encoding; None if it has not exactly one."""
    type_code, content = 0, None
    singles: list[tuple[int, int, Span]] = []
    for number, kind, start, stop in fields(data, at, end):
        if number == 1 and kind == VARINT:
            type_code = varint(data, start, stop)[0]
        elif number == 2 and kind == BYTES:
            if not _has_one_element(data, start, stop):
                return None
        elif number == 4 and kind == BYTES:
            content = start, stop
        elif number != 3:
            singles.append((number, kind, (start, stop)))
    if type_code not in TENSOR_TYPES:
        return None
    whole, value_field, encoding = TENSOR_TYPES[type_code]
    if content is not None and content[0] < content[1]:
        return (content, whole) if content[1] - content[0] == WIDTHS[whole] else None
    if len(singles) != 1 or singles[0][0] != value_field:
        return None
    span = singles[0][2]
    if encoding in VARINT_KINDS:
        is_one = span[0] < span[1] and varint(data, *span)[1] == span[1]
    else:
        is_one = span[1] - span[0] == WIDTHS[encoding]
    return (span, encoding) if is_one else None


def _has_one_element(data: bytes, at: int, end: int) -> bool:
    for number, kind, start, stop in fields(data, at, end):
        if number == 2 and kind == BYTES:
            sizes = [varint(data, a, b)[0] for n, k, a, b in fields(data, start, stop) if n == 1 and k == VARINT]
            if sizes[-1:] != [1]:
                return False
        elif number == 3:
            return False
    return True
