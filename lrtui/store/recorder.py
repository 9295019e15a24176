"""What one run says, on its way to the store."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from lrtui.run.commands import Command
from lrtui.run.events import Event, RunFinished, StepDone
from lrtui.store.inbox import InboxReader
from lrtui.store.rows import RowMaker, Rows

if TYPE_CHECKING:
    from lrtui.store.writer import Writer

MOST_HELD = 200_000
"""Events of a run that are held in memory while the store can't be written; what comes after them is not kept."""


class Recorder:
    """The training thread's end of the store: takes events and never waits, unless it is asked to.

    Args:
        run: the run's id.
        writer: whose thread writes.
        maker: makes rows of the events.
        receive: takes a command that another process sent; called by the writer's thread.
    """

    def __init__(self, run: int, writer: Writer, maker: RowMaker, receive: Callable[[Command], object]) -> None:
        self.run, self.receive = run, receive
        self.finished = False
        """Whether the run's last event has come."""
        self.held: list[Rows] = []
        """Rows that are not written yet, the oldest first; the writer's."""
        self.commands = InboxReader()
        """What other processes sent; the writer's."""
        self.dropped = 0
        """Events that found no room."""
        self._writer, self._maker = writer, maker
        self._events: deque[Event] = deque()
        self._published = self._written = 0
        self._failing = False
        self._progress = threading.Condition()

    def publish(self, event: Event) -> None:
        """Take an event; neither blocks nor raises."""
        self._published += 1
        self._events.append(event)
        if not isinstance(event, StepDone):
            # whoever reads along in another process is told at once; steps wait for company
            self._writer.wake()

    def commit(self, seconds: float) -> bool:
        """Wait until all that was published is on disk, `seconds` at most; return whether it is.

        While the store fails nobody waits.
        """
        wanted = self._published
        self._writer.wake()
        with self._progress:
            self._progress.wait_for(lambda: self._written >= wanted or self._failing, seconds)
            return self._written >= wanted and not self.dropped

    # -- the writer's thread ------------------------------------------------------------------------------------------

    def take_in(self, most: int) -> list[Event]:
        """Make rows of what has come, `most` events at once; return the events."""
        events = [self._events.popleft() for _ in range(min(most, len(self._events)))]
        if not events:
            return events
        room = MOST_HELD - sum(rows.events_held for rows in self.held)
        kept = events[: max(0, room)]
        if self.dropped or len(kept) < len(events):
            # nothing after a gap is a step of the story; how the run ended is worth knowing all the same
            kept = [] if self.dropped else kept
            kept += [event for event in events[len(kept) :] if isinstance(event, RunFinished)]
            self.dropped += len(events) - len(kept)
        if kept:
            self.held.append(self._maker.make(kept))
        return events

    def written(self) -> None:
        """Note that everything held is on disk."""
        count = sum(rows.events_held for rows in self.held)
        self.held.clear()
        with self._progress:
            self._written += count
            self._failing = False
            self._progress.notify_all()

    def failed(self) -> None:
        """Note that writing has failed and is tried again later."""
        with self._progress:
            self._failing = True
            self._progress.notify_all()

    @property
    def has_more(self) -> bool:
        """Whether there is something to write."""
        return bool(self._events or self.held)
