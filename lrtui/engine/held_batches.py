"""How much this process holds of what a worker has sent: batches that its store has not written, or nobody has read."""

from __future__ import annotations

from collections import deque

MAX_UNWRITTEN_BYTES = 8 << 20
"""Bytes of a worker's events that wait for the store; fewer events than `MAX_HELD_EVENTS`, so that none is dropped."""

MAX_UNWRITTEN_OF_ALL = 200 << 20
"""Likewise of all workers of a process together; each may have an equal part of them."""

UNREAD_FACTOR = 8
"""How many times as many bytes of a worker may wait for whoever watches the run, which need not be often."""


class HeldBatches:
    """The batches of one worker that this process holds, oldest first; used under a lock."""

    def __init__(self) -> None:
        self._unwritten: deque[tuple[int, int]] = deque()
        self._unread: deque[tuple[int, int]] = deque()
        self.bytes_unwritten = 0
        """Bytes of the batches that the store has not written."""
        self.bytes_unread = 0
        """Bytes of those that whoever watches the run has not read."""

    def add(self, size: int, published: int, last_seq: int) -> None:
        """Add a batch.

        Args:
            size: its bytes.
            published: number of events that the recording was given up to its last one.
            last_seq: `seq` of its last event.
        """
        self._unwritten.append((published, size))
        self._unread.append((last_seq, size))
        self.bytes_unwritten += size
        self.bytes_unread += size

    def note_settled(self, settled: int) -> None:
        """Note that the recording has dealt with as many of the events that it was given."""
        while self._unwritten and self._unwritten[0][0] <= settled:
            self.bytes_unwritten -= self._unwritten.popleft()[1]

    def note_unread(self, first_seq: int | None) -> None:
        """Note `seq` of the oldest event that is not read; None if all are."""
        while self._unread and (first_seq is None or self._unread[0][0] < first_seq):
            self.bytes_unread -= self._unread.popleft()[1]

    def room(self, workers: int, *, waits_for_reader: bool) -> int:
        """Return how many bytes the next batch may have; 0 until half of the bound is free.

        Args:
            workers: number of workers of this process.
            waits_for_reader: whether what is not read counts.
        """
        most = min(MAX_UNWRITTEN_BYTES, MAX_UNWRITTEN_OF_ALL // max(1, workers))
        room = most - self.bytes_unwritten
        if waits_for_reader:
            room = min(room, UNREAD_FACTOR * MAX_UNWRITTEN_BYTES - self.bytes_unread)
        return room if room >= most // 2 else 0
