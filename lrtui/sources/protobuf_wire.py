"""The protobuf wire format: the fields of a message, without its definition. See protobuf.dev, "Encoding"."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Wire types; groups, which are 3 and 4, are no longer written."""


class MalformedError(ValueError):
    """The bytes are not a message."""


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the unsigned 64-bit number at an offset, and the offset after it.

    Raises:
        MalformedError: if it has more than 10 bytes or goes beyond the end.
    """
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
        shift += 7
    raise MalformedError("a number is cut off or too long")


def fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield the number of each field of a message, its wire type, and the offsets of its value's start and end.

    Raises:
        MalformedError: if a field goes beyond the end, or has an unknown wire type.
    """
    while at < end:
        key, at = varint(data, at, end)
        kind = key & 7
        start = at
        if kind == BYTES:
            size, start = varint(data, at, end)
            at = start + size
        elif kind == VARINT:
            at = varint(data, at, end)[1]
        elif kind == FIXED32:
            at += 4
        elif kind == FIXED64:
            at += 8
        else:
            raise MalformedError("unknown wire type")
        if at > end or key < 8:
            raise MalformedError("a field is cut off")
        yield key >> 3, kind, start, at
