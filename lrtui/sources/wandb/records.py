"""The records of a `.wandb` file, read as far as it has been written.

The file is a log of LevelDB (doc/log_format.md there) after a header of 7 bytes, with other checksums: blocks of 32 KB
with chunks, each of which is a record or a part of one.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from dataclasses import dataclass
from pathlib import Path

from lrtui.sources.log_file import opened, read_bytes, signature
from lrtui.text.format import counted

_HEADER = b":W&B\xe1\xbe"
"""Followed by the version of the format, one byte, which has always been 0."""
_HEADER_BYTES = 7
_BLOCK_BYTES = 32_768
_READ_BYTES = 256 << 10
_CHUNK = struct.Struct("<IHB")
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_LARGEST_RECORD = 64 << 20
_SETTLED_SECONDS = 5.0
"""A record that is being written is complete sooner."""


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """New records of a file.

    Args:
        records: each in the protobuf wire format.
        from_start: whether the file is read from its start again, because it is another one or was rewritten.
        has_more: whether there is more to read now.
    """

    records: list[bytes]
    from_start: bool = False
    has_more: bool = False


class WandbRecords:
    """Reads the records of a file from its start, then those that are added.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, int, int, int] | None = None
        self._error = ""
        self._changed_at = 0.0
        self.read_again()

    def read_again(self) -> None:
        """Start at the beginning of the file at the next call of `read`."""
        self._position = 0
        self._head = b""
        self._partial: bytearray | None = None
        self._damaged = 0
        """Places with damage, and the first of them."""
        self._first_damage = 0
        self._suspect: int | None = None
        """A place in the last block that can't be read; it may not be written yet."""
        self._cut_at: int | None = None
        """The place of a chunk that is not complete."""
        self._is_cut_said = False
        self._too_large = 0

    @property
    def trouble(self) -> str:
        """What can't be read; empty if everything can."""
        found = [self._error] if self._error else []
        if self._damaged:
            places = f"from byte {self._first_damage:,} on, in {self._damaged:,} place{'s' * (self._damaged > 1)}"
            found.append(f"{self.path} is damaged {places}; the values there are left out.")
        if self._suspect is not None:
            found.append(f"{self.path} can't be read beyond byte {self._suspect:,}: it is damaged there.")
        if self._cut_at is not None and self._is_cut_said:
            found.append(f"{self.path} is cut off: it ends within the record at byte {self._cut_at:,}.")
        if self._too_large:
            found.append(
                f"{self.path}: {counted(self._too_large, 'record')} above {_LARGEST_RECORD >> 20} MB left out."
            )
        return " ".join(found)

    def has_news(self) -> bool:
        """Return whether `read` may return something new; costs one look at the file's size and time."""
        try:
            status = os.stat(self.path)
            if signature(status) != self._seen:
                return True
            return self._cut_at is not None and not self._is_cut_said and self._is_settled(status)
        except OSError:
            return self._seen is not None or not self._error

    def read(self) -> RecordBlock:
        """Return new records, at most those in the next 256 KB."""
        try:
            with opened(self.path) as (handle, status):
                return self._read(handle, status)
        except OSError as error:
            return self._fail(error.strerror or str(error))

    def _fail(self, reason: str) -> RecordBlock:
        self._error, self._seen = f"{self.path} can't be read: {reason}.", None
        return RecordBlock([])

    def _read(self, handle: int, status: os.stat_result) -> RecordBlock:
        now = signature(status)
        head = os.read(handle, max(len(self._head), 64))
        is_other = status.st_size < self._position or not head.startswith(self._head)
        if self._seen is not None and (is_other or now[:2] != self._seen[:2]):
            self.read_again()
            from_start = True
        else:
            from_start = False
        self._head = head
        if now != self._seen:
            self._changed_at = time.monotonic()
        self._seen, self._error = now, ""
        if self._position == 0:
            if head[:_HEADER_BYTES] != _HEADER + b"\0":
                if len(head) >= _HEADER_BYTES or not _HEADER.startswith(head[: len(_HEADER)]):
                    self._error = f"{self.path} can't be read: it is no .wandb file, or one of a newer format."
                return RecordBlock([], from_start)
            self._position = _HEADER_BYTES
        os.lseek(handle, self._position, os.SEEK_SET)
        data = read_bytes(handle, _READ_BYTES)
        before = self._position
        records = self._split(data)
        is_at_end = len(data) < _READ_BYTES
        rest = data[self._position - before :]
        # zeros up to the end of a block are no chunk
        self._cut_at = self._position if is_at_end and self._suspect is None and rest.strip(b"\0") else None
        self._is_cut_said = self._cut_at is not None and self._is_settled(status)
        return RecordBlock(records, from_start, has_more=not is_at_end and self._position > before)

    def _is_settled(self, status: os.stat_result) -> bool:
        # a file server's clock may be wrong
        now = time.time() - status.st_mtime, time.monotonic() - self._changed_at
        return max(now) > _SETTLED_SECONDS

    def _split(self, data: bytes) -> list[bytes]:
        """Return the records that end in these bytes, and move the position behind the last chunk."""
        records: list[bytes] = []
        start, at = self._position, 0
        self._suspect = None
        while True:
            left = _BLOCK_BYTES - (start + at) % _BLOCK_BYTES
            if left < _CHUNK.size:
                # too short for a chunk, and filled with zeros
                if at + left > len(data):
                    break
                at += left
                continue
            if at + _CHUNK.size > len(data):
                break
            size, kind = _CHUNK.unpack_from(data, at)[1:]
            is_possible = _WHOLE <= kind <= _LAST and size <= left - _CHUNK.size
            if is_possible and at + _CHUNK.size + size > len(data):
                break
            if is_possible and _is_intact(data, at):
                self._add_chunk(kind, data[at + _CHUNK.size : at + _CHUNK.size + size], records)
                at += _CHUNK.size + size
                continue
            following = at + _CHUNK.size + size
            if not (is_possible and size < left - 2 * _CHUNK.size and _is_intact(data, following)):
                # the next block can be read again
                following = at + left
                if following > len(data):
                    self._suspect = start + at
                    break
            self._first_damage = self._first_damage if self._damaged else start + at
            self._damaged += 1
            self._partial = None
            at = following
        self._position = start + at
        return records

    def _add_chunk(self, kind: int, chunk: bytes, records: list[bytes]) -> None:
        if kind == _WHOLE:
            records.append(chunk)
            self._partial = None
        elif kind == _FIRST:
            self._partial = bytearray(chunk)
        elif self._partial is not None:
            self._partial += chunk
            if len(self._partial) > _LARGEST_RECORD:
                self._partial = None
                self._too_large += 1
            elif kind == _LAST:
                records.append(bytes(self._partial))
                self._partial = None


def _is_intact(data: bytes, at: int) -> bool:
    """Return whether a chunk is there and its checksum is right."""
    if at + _CHUNK.size > len(data):
        return False
    checksum, size, kind = _CHUNK.unpack_from(data, at)
    end = at + _CHUNK.size + size
    if end > len(data) or not _WHOLE <= kind <= _LAST:
        return False
    return bool(zlib.crc32(data[at + 6 : end]) == checksum)
