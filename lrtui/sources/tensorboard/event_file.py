"""One event file of TensorBoard, read block by block, and again from where it ended when it has grown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lrtui.sources.log_file import opened, signature
from lrtui.sources.tensorboard.event_records import (
    FRAME,
    HEADER,
    SMALL,
    Bytes,
    Integers,
    frame,
    is_intact,
    length_at,
    record_starts,
)
from lrtui.sources.tensorboard.event_table import EventTable, decode_events
from lrtui.text.format import counted, format_size, printable

BLOCK = 1 << 20
# a larger record is skipped without reading it: it has an image, a sound or a graph
LARGEST_READ = 1 << 22
# a record that is announced and not there yet is expected up to this size
LARGEST_EXPECTED = 1 << 26

WINDOW = 1 << 13
LAST_WINDOW = 1 << 16

FINGERPRINT = 64


class EventFile:
    """Reads the events of a file in the order in which they were written.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self.size = 0
        self._stamp: tuple[int, ...] = ()
        self._known: list[tuple[int, bytes]] = []
        self._damaged: list[tuple[int, int]] = []
        self._damaged_bytes = self._damaged_places = 0
        self._foreign = self._records = 0
        self._unread = ""
        self._failure = ""

    def has_news(self) -> bool:
        """Return whether its size or time is not what it was when it was last read to its end."""
        try:
            return signature(os.stat(self.path)) != self._stamp
        except OSError:
            return bool(self._stamp)

    def is_replaced(self) -> bool:
        """Return whether it is not the file any more that was read up to `offset`, or that part was rewritten."""
        try:
            stat = os.stat(self.path)
            if not self._stamp or signature(stat) == self._stamp:
                return False
            if stat.st_size < self.offset or (stat.st_dev, stat.st_ino) != self._stamp[:2]:
                return True
            with opened(self.path) as (file, _):
                return any(_read(file, start, len(known)).tobytes() != known for start, known in self._known)
        except OSError:
            return False

    def tables(self) -> Iterator[EventTable]:
        """Yield what has been added since the last call, block by block; where it is stopped, the next call goes on."""
        try:
            with opened(self.path) as (file, stat):
                self._failure = ""
                if self._stamp and self._stamp[:2] != (stat.st_dev, stat.st_ino):
                    # it has been replaced since `is_replaced` was called
                    return
                self.size, self._unread = stat.st_size, ""
                # a stamp that no file has, until all is read
                self._stamp = (stat.st_dev, stat.st_ino)
                while self.offset < self.size:
                    before = self.offset
                    table = self._next_table(file)
                    self._remember(file)
                    if table is not None:
                        yield table
                    if self.offset == before:
                        break
                self._stamp = signature(stat)
        except OSError as error:
            self._failure = f"can't be read: {error.strerror or error}"
            self._stamp = self._stamp[:2]

    def _next_table(self, file: int) -> EventTable | None:
        block = _read(file, self.offset, min(BLOCK, self.size - self.offset))
        at_end = self.offset + len(block) >= self.size
        framing = frame(block, at_end=at_end)
        if framing.stop == 0:
            return self._large_record(file, block)
        for start, stop in framing.damaged:
            self._add_damage(self.offset + start, self.offset + stop)
        table = self._decode(block, framing.starts, framing.lengths)
        self.offset += framing.stop
        return table

    def _large_record(self, file: int, block: Bytes) -> EventTable | None:
        """Read or skip a record that is not a small one; change nothing if there is no complete record."""
        length = length_at(block, 0)
        if length is None:
            if len(block) >= HEADER:
                self._unread = f"no record starts at byte {self.offset:,} or after it"
            return None
        if self.offset + length + FRAME > self.size:
            starts, _ = record_starts(block)
            inner = starts[starts > 0]
            if len(inner):
                # what follows is no part of it: it is not being written any more
                self._add_damage(self.offset, self.offset + int(inner[0]))
                self.offset += int(inner[0])
            elif length > LARGEST_EXPECTED:
                self._unread = f"the record at byte {self.offset:,} says that it has {format_size(length)}"
            return None
        table = None
        if length <= LARGEST_READ:
            table = self._decode(_read(file, self.offset, length + FRAME), np.array([0]), np.array([length]))
        self._records += 1
        self.offset += length + FRAME
        return table

    def _decode(self, block: Bytes, starts: Integers, lengths: Integers) -> EventTable:
        table = decode_events(block, starts + HEADER, lengths)
        self._records += len(starts) - len(table.malformed)
        damaged = []
        for event in sorted({*table.malformed, *table.doubtful()}):
            start, length = int(starts[event]), int(lengths[event])
            if is_intact(block, start, length):
                self._foreign += event in table.malformed
            elif length < SMALL or event in table.malformed:
                damaged.append(event)
                self._add_damage(self.offset + start, self.offset + start + length + FRAME)
        table.leave_out(damaged)
        return table

    def _add_damage(self, start: int, stop: int) -> None:
        self._damaged_bytes += stop - start
        if self._damaged and self._damaged[-1][1] == start:
            self._damaged[-1] = self._damaged[-1][0], stop
            return
        # the first place is told, the last one may go on
        self._damaged = [*self._damaged[:1], (start, stop)]
        self._damaged_places += 1

    def _remember(self, file: int) -> None:
        """Keep the first bytes and the last ones before the offset, by which a rewritten file is noticed."""
        last = max(0, self.offset - FINGERPRINT)
        self._known = [(start, _read(file, start, FINGERPRINT)[: self.offset - start].tobytes()) for start in {0, last}]

    @property
    def trouble(self) -> str:
        """What can't be read in it, as a sentence; empty if everything can."""
        name = printable(self.path.name)
        if self._failure:
            return f"{name} {self._failure}."
        if not self._records and (self._unread or self._damaged or self._foreign):
            return f"{name} is not an event file, or its start is damaged."
        parts = []
        if self._damaged:
            first, stop = self._damaged[0]
            if self._damaged_places == 1:
                parts.append(f"{counted(stop - first, 'byte')} from byte {first:,} on are damaged and left out")
            else:
                places = f"{self._damaged_places:,} places are damaged and left out, the first at byte {first:,}"
                parts.append(f"{counted(self._damaged_bytes, 'byte')} in {places}")
        if self._foreign:
            parts.append(f"{counted(self._foreign, 'record')} of another kind are left out")
        if self._unread:
            parts.append(self._unread)
        return f"{name}: {'; '.join(parts)}." if parts else ""

    def sample(self, windows: int) -> EventTable | None:
        """Return what is in evenly spread windows and at the end of the file; None if it can't be read."""
        try:
            with opened(self.path) as (file, stat):
                size = stat.st_size
                spread = np.linspace(0, max(0, size - LAST_WINDOW - WINDOW), max(1, windows)).astype(np.int64).tolist()
                blocks = [_read(file, start, WINDOW) for start in spread]
                blocks.append(_read(file, max(0, size - LAST_WINDOW), LAST_WINDOW))
        except OSError:
            return None
        data, edges = np.concatenate(blocks), np.cumsum([len(block) for block in blocks])
        starts, lengths = record_starts(data)
        # a record must not go beyond its window
        whole = starts + lengths + FRAME <= edges[np.searchsorted(edges, starts, side="right")]
        return decode_events(data, starts[whole] + HEADER, lengths[whole])


def _read(file: int, start: int, length: int) -> Bytes:
    return np.frombuffer(os.pread(file, length, start), np.uint8)
