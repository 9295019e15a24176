"""The recorder of one run: queues its events for the store's writer thread."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from lrtui.run.commands import Command
from lrtui.run.events import Event, RunFinished, RunStarted, StepDone
from lrtui.run.feed import StepBlock
from lrtui.store.inbox import InboxReader
from lrtui.store.rows import RowMaker, Rows

if TYPE_CHECKING:
    from lrtui.store.writer import Writer

MAX_HELD_EVENTS = 200_000
"""Events of a run that are held in memory while the store can't be written; later ones are dropped."""

MAX_HELD_OF_ALL = 5_000_000
"""Likewise of all runs of a process together, some 400 MB; each may hold an equal part of them."""


def taken_text(run: int) -> str:
    """Return the message for a run that another process has resumed."""
    return f"run #{run} was resumed by another process, so this process must stop: its steps since then are not stored"


def deleted_text(run: int) -> str:
    """Return the message for a run that was deleted while it was training."""
    return f"run #{run} was deleted by another process, so its training must stop: nothing of it is stored"


class Recorder:
    """Takes the events of one run from the training thread; only `commit` waits.

    Args:
        run: the run's id.
        writer: its thread writes the events.
        maker: makes rows of the events.
        receive: takes a command that another process sent; called by the writer's thread.
        reopen: prepares the row of a resumed run, in a transaction, and returns the row maker that replaces
            `maker`. It is called when the run has started: a resume that is refused leaves the stored run as it is.
        owner: token of this recording; nothing is written once the run has another owner. Empty: not checked.
        release: gives a claimed run back, in a transaction, if its resume is refused.
        lose: receives the reason when the run has another owner; called by the writer's thread.
    """

    def __init__(
        self,
        run: int,
        writer: Writer,
        maker: RowMaker | None,
        receive: Callable[[Command], object],
        reopen: Callable[[sqlite3.Connection], RowMaker] | None = None,
        *,
        owner: str = "",
        release: Callable[[sqlite3.Connection], None] | None = None,
        lose: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.run, self.receive, self.owner, self.release = run, receive, owner, release
        self.lost = ""
        """Why this recording may not write the run any more; empty while it may."""
        self.stored_seq = -1
        """`seq` of this recording's newest event on disk."""
        self.is_refused = False
        """Whether the resume was refused and the run is to be given back."""
        self._lose, self._held_seq = lose, -1
        self.finished = False
        """Whether the run's last event has been taken in."""
        self.held: list[Rows] = []
        """Rows that are not written yet, oldest first; used by the writer's thread."""
        self.commands = InboxReader()
        """Commands of other processes; used by the writer's thread."""
        self.dropped = 0
        """Events that were dropped because the memory bound was reached."""
        self.listener: Callable[[], object] = lambda: None
        """Called by the writer's thread when rows were written, dropped or not written; must not block."""
        self._writer, self._maker, self._reopen = writer, maker, reopen
        self._events: deque[Event | StepBlock] = deque()
        self._published = self._written = self._taken_in = 0
        self._has_started = self._has_ended = self._failing = False
        self._progress = threading.Condition()

    def publish(self, event: Event | StepBlock) -> None:
        """Take an event, or a block of steps, which counts as that many events; neither blocks nor raises."""
        self._published += len(event) if isinstance(event, StepBlock) else 1
        self._events.append(event)
        if not isinstance(event, StepDone | StepBlock):
            self._has_started = self._has_started or isinstance(event, RunStarted)
            self._has_ended = self._has_ended or isinstance(event, RunFinished)
            # readers in other processes see these immediately; steps are written a few times a second
            self._writer.wake()

    def commit(self, seconds: float) -> bool:
        """Wait until all published events are on disk, at most `seconds`; return whether they are.

        Returns immediately while the store fails.
        """
        wanted = self._published
        self._writer.wake()
        with self._progress:
            self._progress.wait_for(lambda: self._written >= wanted or self._failing, seconds)
            return self._written >= wanted and not self.dropped

    @property
    def published(self) -> int:
        """Number of events that were published."""
        return self._published

    @property
    def settled(self) -> int:
        """Number of events that are on disk, or will never be."""
        return self._written + self.dropped

    # -- the writer's thread ------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether the run's row belongs to this process."""
        return self._maker is not None

    @property
    def is_to_be_reopened(self) -> bool:
        """Whether a resumed run has started whose row is not prepared yet."""
        return self._maker is None and self._has_started

    def reopen(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """Prepare the row of a resumed run; return a function to call after the commit."""
        assert self._reopen is not None
        maker = self._reopen(connection)

        def note_committed() -> None:
            self._maker = maker

        return note_committed

    def take_in(self, most: int) -> int:
        """Make rows of published events until they are at least `most`, or all; return how many they are."""
        if self.lost:
            self._forget()
            return 0
        if self._maker is None:
            self._hold_back()
            return 0
        taken: list[Event | StepBlock] = []
        count = 0
        while self._events and count < most:
            item = self._events.popleft()
            taken.append(item)
            if isinstance(item, StepBlock):
                count += len(item)
                continue
            count += 1
            # nearly all events are steps, and answer nothing
            if not isinstance(item, StepDone):
                self.commands.note_answer(item)
                self.finished = self.finished or isinstance(item, RunFinished)
        if not taken:
            return 0
        self._taken_in += count
        fitting, fit = self._fitting(taken)
        self.dropped += count - fit
        if fitting:
            if not self.dropped:
                self._held_seq = _last_seq(fitting[-1])
            self.held.append(self._maker.make(fitting))
        return count

    def _hold_back(self) -> None:
        """Deal with the events of a resumed run whose row is not prepared."""
        if self._has_ended and not self._has_started:
            self.is_refused = self.release is not None
            if not self.is_refused:
                self._forget()
        elif (count := self._published - self._taken_in) > MAX_HELD_EVENTS:
            self.dropped += count
            self._taken_in += count
            self._events.clear()

    def _fitting(self, taken: list[Event | StepBlock]) -> tuple[list[Event | StepBlock], int]:
        """Return those that may be held in memory, and how many events they are."""
        most = min(MAX_HELD_EVENTS, MAX_HELD_OF_ALL // max(1, self._writer.run_count))
        room = most - sum(rows.event_count for rows in self.held)
        fitting: list[Event | StepBlock] = []
        fit = 0
        for item in taken:
            size = len(item) if isinstance(item, StepBlock) else 1
            # steps after a gap are useless, but the run's outcome is not
            if isinstance(item, RunFinished) or (not self.dropped and size <= room):
                fitting.append(item)
                fit += size
                room -= size
            else:
                room = 0
        return fitting, fit

    def released(self) -> None:
        """Note that the run of a refused resume was given back."""
        self.is_refused, self.release = False, None
        self._forget()

    def note_lost(self, reason: str) -> None:
        """Write nothing any more: the run has another owner."""
        self.lost = reason
        self._forget()
        self._lose(reason)

    def check_owner(self, owner: str | None) -> bool:
        """Return whether this recording may write the run.

        Args:
            owner: token of its owner in the store; None if the run was deleted.
        """
        if self.owner and not self.lost and owner != self.owner:
            self.note_lost(deleted_text(self.run) if owner is None else taken_text(self.run))
        return not self.lost

    def _forget(self) -> None:
        self._events.clear()
        self.held.clear()
        self._taken_in = self._published
        self.finished = self.finished or self._has_ended
        with self._progress:
            self._written = self._published
            self._progress.notify_all()
        self.listener()

    def written(self) -> None:
        """Mark all held rows as written."""
        if self.lost:
            return
        count = sum(rows.event_count for rows in self.held)
        self.held.clear()
        self.stored_seq = self._held_seq
        with self._progress:
            self._written += count
            self._failing = False
            self._progress.notify_all()
        self.listener()

    def expect_attempt(self) -> None:
        """Forget an earlier failure, so that `commit` waits for the next attempt."""
        with self._progress:
            self._failing = False

    def failed(self) -> None:
        """Note that writing has failed and will be tried again later."""
        with self._progress:
            self._failing = True
            self._progress.notify_all()
        self.listener()

    @property
    def is_failing(self) -> bool:
        """Whether the last attempt to write failed."""
        return self._failing

    @property
    def has_more(self) -> bool:
        """Whether there is something to write."""
        return bool(self._events or self.held)


def _last_seq(item: Event | StepBlock) -> int:
    return int(item.seqs[-1]) if isinstance(item, StepBlock) else item.seq
