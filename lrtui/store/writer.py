"""The one thread of a process that writes its store."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import StoreError
from lrtui.store import run_rows
from lrtui.store.connection import LOCKED, describe, file_id, open_for_writing
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
        self._calls: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._trouble = ""
        self._retry_at = self._heartbeat_at = 0.0
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
        self._recorders.append(recorder)

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
        while True:
            self._wake.wait(INTERVAL)
            self._wake.clear()
            closing = self._closing
            if closing:  # the last attempt does not wait
                self._retry_at = 0.0
            self._serve_calls()
            while self._write_turn():
                pass
            if closing:
                break
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()

    def _serve_calls(self) -> None:
        while self._calls:
            function, future = self._calls.popleft()
            # cancelled meanwhile: a call that timed out has no effect
            with suppress(InvalidStateError, CancelledError):
                try:
                    future.set_result(self._transaction(_unless_cancelled(function, future)))
                except (sqlite3.Error, OSError, StoreError) as error:
                    future.set_exception(StoreError(self._message(error)))
                except CancelledError:
                    raise
                except Exception as error:  # raised in the caller's thread
                    future.set_exception(error)

    def _write_turn(self) -> bool:
        """Write new rows; return whether there may be more to write immediately."""
        try:
            return self._write_and_receive()
        except Exception as error:  # no failure, not even a bug, ends a run; it is reported
            self._fail(error)
            return False

    def _write_and_receive(self) -> bool:
        for recorder in self._recorders:
            recorder.take_in(EVENTS_A_TRANSACTION)
        now = time.monotonic()
        if now < self._retry_at:
            return False
        for recorder in self._recorders:
            if recorder.is_refused:
                self._transaction(lambda connection, each=recorder: self._release(connection, each))  # type: ignore[misc]
                recorder.released()
            elif (
                recorder.is_to_be_reopened
                and not recorder.lost
                and (note_committed := self._transaction(recorder.reopen)) is not None
            ):
                note_committed()
                recorder.take_in(EVENTS_A_TRANSACTION)
        active = [each for each in self._recorders if not each.lost and (each.held or not each.finished)]
        live = [each for each in active if each.is_open]
        beat = now >= self._heartbeat_at
        if not live and not (beat and active):
            return False
        # the query for commands takes no lock, and mostly finds none
        self._receive_commands(live)
        if beat or any(recorder.held or recorder.commands.has_news for recorder in live):
            # a claimed run that has not started yet only gets a heartbeat
            self._transaction(lambda connection: self._write(connection, active if beat else live, beat))
        if beat:
            self._heartbeat_at = now + HEARTBEAT_SECONDS
        for recorder in live:
            recorder.written()
            recorder.commands.written()
        self._trouble = ""
        return any(recorder.is_open and recorder.has_more for recorder in self._recorders)

    def _write(self, connection: sqlite3.Connection, live: list[Recorder], beat: bool) -> None:
        for recorder in live:
            if not recorder.check_owner(connection):
                continue
            if recorder.is_open:
                run_rows.write(connection, recorder.run, recorder.held)
                recorder.commands.write(connection)
            if beat:
                run_rows.write_heartbeat(connection, recorder.run)

    def _release(self, connection: sqlite3.Connection, recorder: Recorder) -> None:
        if recorder.release is not None and recorder.check_owner(connection):
            recorder.release(connection)

    def _receive_commands(self, live: list[Recorder]) -> None:
        for recorder in live:
            if not recorder.finished:
                for command in recorder.commands.take(self._open(), self.folder, recorder.run):
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


def _unless_cancelled(
    function: Callable[[sqlite3.Connection], T], future: Future[T]
) -> Callable[[sqlite3.Connection], T]:
    """Return the function, not to be called once its caller has given up waiting for the lock."""

    def call(connection: sqlite3.Connection) -> T:
        if not future.set_running_or_notify_cancel():
            raise CancelledError
        return function(connection)

    return call
