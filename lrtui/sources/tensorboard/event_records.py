"""The framing of records in event files: an 8-byte length, its checksum, the data, and the checksum of the data.

It is TensorFlow's TFRecord format; the checksums are CRC-32C with a rotation ("masked").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

HEADER = 12
FRAME = 16
"""Bytes of a record besides its data."""

# larger arrays are given back to the system each time, and cleared when they are allocated, which takes three times
# as long as the work
CHUNK = 1 << 16

SMALL = 1 << 16
"""Records below this many bytes are found many at once; those with scalars are some 40 bytes."""


@cache
def _crc_table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(0x82F63B78), table >> 1)
    return table


@cache
def _crc_list() -> list[int]:
    return [int(entry) for entry in _crc_table()]


def masked_crc(data: bytes) -> int:
    """Return the checksum of some bytes; takes 0.1 s per MB."""
    table, crc = _crc_list(), 0xFFFF_FFFF
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFF_FFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282_EAD8) & 0xFFFF_FFFF


@cache
def _crc_of_lengths() -> NDArray[np.uint32]:
    """Return the checksum of each length below `SMALL`, as an array that is indexed by the length."""
    table, lengths = _crc_table(), np.arange(SMALL, dtype=np.uint32)
    crc = np.full(SMALL, 0xFFFF_FFFF, np.uint32)
    for byte in range(8):
        bits = (lengths >> (8 * byte)) & 0xFF if byte < 2 else np.uint32(0)
        crc = table[(crc ^ bits) & 0xFF] ^ (crc >> 8)
    crc ^= np.uint32(0xFFFF_FFFF)
    return (((crc >> 15) | (crc << 17)) + np.uint32(0xA282_EAD8)).astype(np.uint32)


def length_at(data: Bytes, at: int) -> int | None:
    """Return the length of the record at an offset; None if its checksum is wrong, or the header is cut off."""
    header = data[at : at + HEADER].tobytes()
    if len(header) < HEADER or masked_crc(header[:8]) != int.from_bytes(header[8:], "little"):
        return None
    return int.from_bytes(header[:8], "little")


def record_starts(data: Bytes) -> tuple[Integers, Integers]:
    """Return the offsets at which small records start, and the lengths of their data.

    They are the offsets of all lengths below `SMALL` with the right checksum, so a record that is inside the data of
    another one is among them, and the last one may be cut off.
    """
    found = _after_zeros(data)
    checksums = np.ndarray((max(0, len(data) - 3),), "<u4", data, strides=(1,))
    parts = []
    # the last offset of several in a row is that of the length, unless the checksum after it starts with zeros
    for back in range(3):
        starts = found - back
        lengths = data[starts].astype(np.int64) | (data[starts + 1].astype(np.int64) << 8)
        right = _crc_of_lengths()[lengths] == checksums[starts + 8]
        parts.append((starts[right], lengths[right]))
        found = found[~right & (found > back)]
        if not len(found):
            break
    starts, lengths = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(starts, kind="stable")
    return starts[order], lengths[order]


def _after_zeros(data: Bytes) -> Integers:
    """Return offsets at which the upper six of eight bytes are 0, as those of a length below `SMALL`.

    Of several in a row it is the last one, and none at which the header of a record would be cut off.
    """
    found = [np.zeros(0, np.int64)]
    end = len(data) - HEADER + 1
    for start in range(0, end, CHUNK):
        stop = min(start + CHUNK, end) + 1
        zero = data[start + 2 : stop + 7] == 0
        two = zero[:-1] & zero[1:]
        four = two[:-2] & two[2:]
        six = four[:-2] & two[4:]
        found.append(np.flatnonzero(six[:-1] & ~six[1:]) + start)
    return np.concatenate(found)


@dataclass(slots=True)
class Framing:
    """The records in a block of a file.

    Args:
        starts: offsets of complete records in the block.
        lengths: lengths of their data.
        stop: the offset to go on from: a record that is not complete in the block, or damage up to its end.
        damaged: spans that are no records.
    """

    starts: Integers
    lengths: Integers
    stop: int
    damaged: list[tuple[int, int]] = field(default_factory=list)


def frame(data: Bytes, *, at_end: bool) -> Framing:
    """Return the records in a block that starts with one.

    After damage it goes on at the next length with the right checksum.

    Args:
        data: the block.
        at_end: whether the file ends with it. A last record that is not complete is then either still being written,
            or damaged if another record starts within it.
    """
    starts, lengths = record_starts(data)
    ends = starts + lengths + FRAME
    breaks = np.flatnonzero(starts[1:] != ends[:-1])
    if len(starts) and starts[0] == 0 and not len(breaks):
        whole = len(starts) - int(ends[-1] > len(data))
        if whole < len(starts) or len(data) - ends[-1] < HEADER:
            return Framing(starts[:whole], lengths[:whole], int(ends[whole - 1]) if whole else 0)
    return _follow(data, starts, lengths, ends, np.append(breaks, len(starts) - 1), at_end=at_end)


def _follow(
    data: Bytes, starts: Integers, lengths: Integers, ends: Integers, breaks: Integers, *, at_end: bool
) -> Framing:
    """Return the records that follow one another from the start of a block on, around damage.

    Args:
        breaks: indices of the records that are not followed by the next one in `starts`.
    """
    position = 0
    large: list[tuple[int, int]] = []
    runs: list[tuple[int, int]] = []
    damaged: list[tuple[int, int]] = []
    while True:
        index = int(np.searchsorted(starts, position))
        if index < len(starts) and starts[index] == position:
            last = int(breaks[np.searchsorted(breaks, index)])
            if ends[last] <= len(data):
                runs.append((index, last + 1))
                position = int(ends[last])
                continue
            if last > index:
                runs.append((index, last))
            position, index = int(starts[last]), last + 1
            if not (at_end and index < len(starts)):
                break
        elif len(data) - position < HEADER:
            break
        elif (length := length_at(data, position)) is not None:
            if position + length + FRAME > len(data):
                break
            large.append((position, length))
            position += length + FRAME
            continue
        elif (
            runs
            and ends[before := runs[-1][1] - 1] == position
            and not is_intact(data, int(starts[before]), int(lengths[before]))
        ):
            # part of the record before is missing, so that its end is not where it says
            runs[-1] = runs[-1][0], before
            position, index = int(starts[before]), before + 1
        if index < len(starts):
            damage = int(starts[index])
        elif at_end:
            break
        else:
            damage = max(position + 1, len(data) - HEADER + 1)
        damaged.append((position, damage))
        position = damage
    chosen = np.concatenate([np.arange(first, stop) for first, stop in runs]) if runs else np.zeros(0, np.int64)
    starts = np.append(starts[chosen], np.array([start for start, _ in large], np.int64))
    lengths = np.append(lengths[chosen], np.array([length for _, length in large], np.int64))
    order = np.argsort(starts, kind="stable")
    return Framing(starts[order], lengths[order], position, damaged)


def is_intact(data: Bytes, start: int, length: int) -> bool:
    """Return whether the checksum of a record's data is right; those of more than 64 kB are not looked at."""
    if length >= SMALL:
        return False
    data_start = start + HEADER
    stored = data[data_start + length : data_start + length + 4].tobytes()
    return masked_crc(data[data_start : data_start + length].tobytes()) == int.from_bytes(stored, "little")
