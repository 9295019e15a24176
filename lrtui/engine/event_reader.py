"""The events of a run in the thread that watches it: folded into the state, then handed out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence

from lrtui.engine.training_thread import TrainingThread
from lrtui.run.events import Event, RunStarted
from lrtui.run.feed import StepBlock
from lrtui.run.interrupts import interrupts_deferred
from lrtui.run.state import RunState

POLL_SECONDS = 0.01
"""Seconds between two polls of an iterator over events."""

EVENTS_A_POLL = 20_000
"""Maximum number of events per poll, so that a burst of tiny steps never blocks the screen."""


class EventReader:
    """Takes the events of a run; used by one thread at a time.

    Ctrl-C loses no event: one that was folded and not handed out comes first the next time.

    Args:
        thread: publishes the events.
        state: they are folded into it.
    """

    def __init__(self, thread: TrainingThread, state: RunState) -> None:
        self._thread, self._state = thread, state
        self._folded: list[Event] = []
        self.has_begun = False
        """Whether a RunStarted has been taken."""

    @property
    def has_more(self) -> bool:
        """Whether there are events to take, or some may come."""
        return self._thread.is_alive or len(self._thread.feed) > 0 or len(self._folded) > 0

    def poll(self, limit: int = EVENTS_A_POLL) -> list[Event]:
        """Fold at most `limit` new events into the state, and return them; never waits."""
        thread = self._thread
        if not (len(thread.feed) or thread.history or self._folded):
            return []
        # a KeyboardInterrupt in between would leave a state that has lost events
        with interrupts_deferred():
            events = thread.feed.take(limit)
            self._fold(events)
            self._folded += events
        taken, self._folded = self._folded, []
        return taken

    def fold(self) -> None:
        """Fold all new events into the state, and hand none of them out; never waits.

        Steps that come in blocks, from another process, are folded so.
        """
        with interrupts_deferred():
            self._fold(self._thread.feed.take_items())
            self._folded = []

    def _fold(self, items: Sequence[Event | StepBlock]) -> None:
        """Fold what was taken from the feed, after the history of a resumed run."""
        if self._thread.history:
            self._state.fold(self._thread.history)
            self._state.wait_to_continue()
            self._thread.history = ()
        self.has_begun = self.has_begun or any(isinstance(item, RunStarted) for item in items)
        self._state.fold(items)

    def take_all(self) -> None:
        """Fold all events until the run has ended."""
        while self.has_more:
            if not self.poll():
                self._thread.check_not_held()
                self._thread.join(POLL_SECONDS)

    def __iter__(self) -> Iterator[Event]:
        while self.has_more:
            yield from self.poll(1)
            if not len(self._thread.feed):
                self._thread.check_not_held()
                self._thread.join(POLL_SECONDS)

    async def __aiter__(self) -> AsyncIterator[Event]:
        # takes 25 ms to import, which the command line does not need
        import asyncio

        while self.has_more:
            for event in self.poll(1):
                yield event
                # without it, a run with short steps would keep the event loop from everything else
                await asyncio.sleep(0)
            if not len(self._thread.feed):
                await asyncio.sleep(POLL_SECONDS)
