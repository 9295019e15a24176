"""The one thread of a process that writes its store."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import StoreError
from lrtui.store import run_rows
from lrtui.store.connection import LOCKED, describe, file_id, open_for_writing
from lrtui.store.inbox import sent_commands
from lrtui.store.liveness import HEARTBEAT_SECONDS
from lrtui.store.location import DATABASE
from lrtui.store.recorder import MAX_HELD_EVENTS, Recorder

T = TypeVar("T")

INTERVAL = 0.25
"""Seconds between two checks for rows to write and commands to take."""

RETRY_SECONDS = 2.0
"""Seconds before writing is tried again after a failure."""

SILENT_SECONDS = 5.0
"""Seconds after which the user is told that a call waits."""

EVENTS_A_TRANSACTION = 50_000
"""Number of events from which on a transaction takes in no more, of all runs together."""

LONGEST_REST = 1.0
"""Maximum number of seconds between two transactions that follow each other."""

FILE_SECONDS_A_RUN = 0.001
"""Seconds for each live run between two searches for commands in files: a search takes some 20 µs for each run."""

Report = Callable[[str], None]
"""Takes a message for the user; called by the writer's thread."""


class Writer:
    """Writes the events of all runs of this process, and brings them the commands of other processes.

    A store that fails never stops a run: the user is warned once, rows are held in memory up to a bound, and writing is
    tried again.

    Args:
        folder: folder of the store.
        report: receives failures; more can be added to `listeners`.
    """

    def __init__(self, folder: Path, report: Report | None = None) -> None:
        self.folder = folder
        self.listeners: list[Report] = [] if report is None else [report]
        self._recorders: list[Recorder] = []
        """Replaced, never changed, since the thread goes through it."""
        self._adding = threading.Lock()
        self._calls: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._trouble = ""
        self._retry_at = self._heartbeat_at = self._files_at = 0.0
        self.seconds_taken = 0.0
        """Seconds that the newest rows took to be written."""
        self._rests_until = 0.0
        self._first = 0
        """Index of the recorder whose events are taken in first."""
        self._thread = DaemonThread(self._work, "store")
        self._thread.start()

    def wake(self) -> None:
        """Look for rows and commands now."""
        self._wake.set()

    def submit(self, function: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Call the function in the writer's thread, in a transaction; returns immediately."""
        future: Future[T] = Future()
        self._calls.append((function, future))
        self.wake()
        return future

    def call(
        self, function: Callable[[sqlite3.Connection], T], seconds: float = 60.0, report: Report | None = None
    ) -> T:
        """Call the function in the writer's thread, in a transaction, and return its result.

        Args:
            seconds: how long to wait.
            report: receives a message if that takes longer than `SILENT_SECONDS`; called by this thread.

        Raises:
            StoreError: if the store can't be written within `seconds`; the function has then not been called, and
                will not be.
        """
        future = self.submit(function)
        if report is not None and seconds > SILENT_SECONDS:
            done, _ = wait([future], SILENT_SECONDS)
            if not done:
                seconds -= SILENT_SECONDS
                report(f"waiting up to {seconds:.0f} s for {self.folder / DATABASE}: it is locked by another process")
        try:
            return future.result(seconds)
        except TimeoutError:
            if future.cancel():
                raise StoreError(f"{self.folder / DATABASE}: another process keeps it locked") from None
        # the function has the lock and is running, which takes milliseconds
        return future.result()

    def retry_now(self) -> None:
        """Try to write now, even if a failure was less than RETRY_SECONDS ago."""
        self._retry_at = 0.0
        self.wake()

    @property
    def is_locked_out(self) -> bool:
        """Whether the last attempt failed because another process keeps the store locked."""
        return LOCKED in self._trouble

    def add(self, recorder: Recorder) -> None:
        """Write a run's events from now on."""
        with self._adding:
            self._recorders = [*self._recorders, recorder]

    def remove(self, recorder: Recorder) -> None:
        """Forget a run that is over, unless some of its events are not written."""
        with self._adding:
            if not (recorder.has_more or recorder.dropped):
                self._recorders = [each for each in self._recorders if each is not recorder]

    @property
    def run_count(self) -> int:
        """Number of runs whose events are written."""
        return len(self._recorders)

    @property
    def is_idle(self) -> bool:
        """Whether all runs have ended and everything is written."""
        return not self._calls and all(each.finished and not (each.has_more or each.held) for each in self._recorders)

    def close(self, seconds: float = 10.0) -> bool:
        """Write everything and end the thread; return whether everything was written."""
        self._closing = True
        self.wake()
        return self._thread.join(seconds) and not any(each.has_more or each.dropped for each in self._recorders)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        timeout = INTERVAL
        while True:
            self._wake.wait(timeout)
            self._wake.clear()
            closing = self._closing
            if closing:  # the last attempt does not wait
                self._retry_at = 0.0
            self._serve_calls()
            started = time.monotonic()
            if started < self._rests_until and not closing:
                timeout = self._rests_until - started
                continue
            while self._write_turn(drain=closing):
                pass
            if closing:
                break
            # many runs wake this thread all the time: the busier the store, the fewer and larger its transactions
            ended, timeout = time.monotonic(), INTERVAL
            self.seconds_taken = ended - started
            self._rests_until = ended + min(self.seconds_taken, LONGEST_REST)
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()

    def _serve_calls(self) -> None:
        """Carry out the calls that wait; those that came together share a transaction, and one wait for the disk."""
        while self._calls:
            calls = [self._calls.popleft() for _ in range(len(self._calls))]
            answers: list[tuple[Future[Any], Any, Exception | None]] = []
            try:
                self._transaction(partial(self._call_all, calls, answers))
            except Exception as error:
                failure = error if not isinstance(error, sqlite3.Error | OSError) else StoreError(self._message(error))
                answers = [(future, None, failure) for _, future in calls]
            for future, result, raised in answers:
                # cancelled meanwhile: a call that timed out has no effect
                with suppress(InvalidStateError):
                    if raised is None:
                        future.set_result(result)
                    else:
                        future.set_exception(raised)

    def _call_all(
        self,
        calls: Sequence[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]],
        answers: list[tuple[Future[Any], Any, Exception | None]],
        connection: sqlite3.Connection,
    ) -> None:
        for function, future in calls:
            if not future.set_running_or_notify_cancel():
                continue
            connection.execute("SAVEPOINT call")
            try:
                answers.append((future, function(connection), None))
            except Exception as error:
                # some failures of the disk have ended the transaction, and with it all calls
                if not connection.in_transaction:
                    raise
                connection.execute("ROLLBACK TO call")
                known = StoreError(self._message(error)) if isinstance(error, sqlite3.Error | OSError) else error
                answers.append((future, None, known))
            connection.execute("RELEASE call")

    def _write_turn(self, *, drain: bool) -> bool:
        """Write new rows; return whether there may be more to write immediately.

        Args:
            drain: whether that is all there is, and not only what one transaction could not take in.
        """
        try:
            return self._write_and_receive(drain)
        except Exception as error:  # no failure, not even a bug, ends a run; it is reported
            self._fail(error)
            return False

    def _write_and_receive(self, drain: bool) -> bool:
        is_full = self._take_in()
        now = time.monotonic()
        if now < self._retry_at:
            return False
        for recorder in self._recorders:
            if recorder.is_refused:
                self._transaction(partial(self._release, recorder))
                recorder.released()
            elif (
                recorder.is_to_be_reopened
                and not recorder.lost
                and (note_committed := self._transaction(partial(self._reopen, recorder))) is not None
            ):
                note_committed()
                recorder.take_in(EVENTS_A_TRANSACTION)
        active = [each for each in self._recorders if not each.lost and (each.held or not each.finished)]
        live = [each for each in active if each.is_open]
        beat = now >= self._heartbeat_at
        if not live and not (beat and active):
            return False
        # the query for commands takes no lock, and mostly finds none
        self._receive_commands(live, now)
        if beat or any(recorder.held or recorder.commands.has_news for recorder in live):
            # a claimed run that has not started yet only gets a heartbeat
            self._transaction(lambda connection: self._write(connection, active if beat else live, beat))
        if beat:
            self._heartbeat_at = now + HEARTBEAT_SECONDS
        for recorder in live:
            recorder.written()
            recorder.commands.written()
        self._trouble = ""
        return is_full or (drain and any(recorder.is_open and recorder.has_more for recorder in self._recorders))

    def _take_in(self) -> bool:
        """Take in the events of one transaction; return whether there may be more.

        The runs take turns to be the first, so that none is left out while others publish more than can be written.
        """
        recorders = self._recorders
        left, count = EVENTS_A_TRANSACTION, len(recorders)
        for index in range(self._first, self._first + count):
            left -= recorders[index % count].take_in(left)
            if left <= 0:
                self._first = (index + 1) % count
                return True
        return False

    def _write(self, connection: sqlite3.Connection, live: list[Recorder], beat: bool) -> None:
        if not beat:
            live = [each for each in live if each.held or each.commands.has_news]
        owners = run_rows.owners_of(connection, [each.run for each in live])
        owned = [each for each in live if each.check_owner(owners.get(each.run))]
        opened = [each for each in owned if each.is_open]
        run_rows.write(connection, [rows for each in opened for rows in each.held])
        for recorder in opened:
            if recorder.commands.has_news:
                recorder.commands.write(connection)
        if beat:
            run_rows.write_heartbeats(connection, [each.run for each in owned])

    def _release(self, recorder: Recorder, connection: sqlite3.Connection) -> None:
        if recorder.release is not None and self._check_owner(connection, recorder):
            recorder.release(connection)

    def _reopen(self, recorder: Recorder, connection: sqlite3.Connection) -> Callable[[], None] | None:
        """Prepare the row of a resumed run; return a function to call after the commit, or None if the run is lost."""
        return recorder.reopen(connection) if self._check_owner(connection, recorder) else None

    def _check_owner(self, connection: sqlite3.Connection, recorder: Recorder) -> bool:
        return recorder.check_owner(run_rows.owners_of(connection, [recorder.run]).get(recorder.run))

    def _receive_commands(self, live: list[Recorder], now: float) -> None:
        with_files = now >= self._files_at
        if with_files:
            self._files_at = now + FILE_SECONDS_A_RUN * len(live)
        sent = sent_commands(self._open())
        for recorder in live:
            if not recorder.finished and (with_files or recorder.run in sent):
                waiting = sent.get(recorder.run, ())
                for command in recorder.commands.take(self.folder, recorder.run, waiting, with_files=with_files):
                    recorder.receive(command)

    def _transaction(self, function: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._open()
        connection.execute("BEGIN IMMEDIATE")
        try:
            result = function(connection)
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            raise
        return result

    def _open(self) -> sqlite3.Connection:
        path = self.folder / DATABASE
        if self._connection is None:
            self._connection = open_for_writing(self.folder)
            self._file = file_id(self.folder)
        elif file_id(self.folder) != self._file:
            # SQLite would continue to write to a file that no process can open any more
            raise StoreError(f"{path} was deleted or replaced")
        return self._connection

    # -- failures -----------------------------------------------------------------------------------------------------

    def _message(self, error: Exception) -> str:
        if isinstance(error, sqlite3.Error):
            return f"{self.folder / DATABASE}: {describe(error)}"
        return str(error) if isinstance(error, (StoreError, OSError)) else f"{type(error).__name__}: {error}"

    def _fail(self, error: Exception) -> None:
        """Warn the user, once for each kind of failure, and try again later."""
        self._retry_at = time.monotonic() + RETRY_SECONDS
        for recorder in self._recorders:
            recorder.failed()
        message = self._message(error)
        if message == self._trouble:
            return
        self._trouble = message
        for report in list(self.listeners):
            report(
                f"the store can't be written: {message}. Training continues; its events are held in memory (up to "
                f"{MAX_HELD_EVENTS:,}) until the store can be written again"
            )
