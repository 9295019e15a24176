"""The one thread of a process that writes its store."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from lrtui.run.errors import StoreError
from lrtui.run.events import RunFinished, StepDone
from lrtui.store import run_rows
from lrtui.store.connection import describe, open_for_writing
from lrtui.store.liveness import HEARTBEAT_SECONDS
from lrtui.store.location import DATABASE
from lrtui.store.recorder import MOST_HELD, Recorder

T = TypeVar("T")

INTERVAL = 0.25
"""Seconds between two looks for rows to write and commands to take."""

RETRY_SECONDS = 2.0
"""After a failure to write."""

EVENTS_A_TRANSACTION = 50_000

Tell = Callable[[str], None]
"""Takes a sentence for the user; called by the writer's thread."""


class Writer:
    """Writes what all runs of this process say, and brings them the commands of others.

    A store that fails never stops a run: the user is told once, rows are held in memory up to a bound, and writing is
    tried again.

    Args:
        folder: of the store.
        tell: told what has gone wrong, in words.
    """

    def __init__(self, folder: Path, tell: Tell) -> None:
        self._folder, self._tell = folder, tell
        self._recorders: list[Recorder] = []
        self._calls: deque[tuple[Callable[[sqlite3.Connection], Any], Future[Any]]] = deque()
        self._wake = threading.Event()
        self._closing = False
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._trouble = ""
        self._retry_at = self._heartbeat_at = 0.0
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have a look at once."""
        self._wake.set()

    def call(self, function: Callable[[sqlite3.Connection], T], seconds: float = 60.0) -> T:
        """Return what the function returns; it is called in the writer's thread, in a transaction.

        Raises:
            StoreError: where the store can't be written.
        """
        future: Future[T] = Future()
        self._calls.append((function, future))
        self.wake()
        try:
            return future.result(seconds)
        except TimeoutError:
            raise StoreError(f"{self._folder / DATABASE}: another process keeps it locked") from None

    def add(self, recorder: Recorder) -> None:
        """Begin to write a run's events."""
        self._recorders.append(recorder)

    def close(self, seconds: float = 10.0) -> bool:
        """Write what there is and end; return whether all of it was written."""
        self._closing = True
        self.wake()
        self._thread.join(seconds)
        return not self._thread.is_alive() and not any(each.has_more or each.dropped for each in self._recorders)

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            self._wake.wait(INTERVAL)
            self._wake.clear()
            closing = self._closing
            if closing:
                self._retry_at = 0.0
            self._serve_calls()
            while self._turn():
                pass
            if closing:
                break
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()

    def _serve_calls(self) -> None:
        while self._calls:
            function, future = self._calls.popleft()
            try:
                future.set_result(self._transaction(function))
            except (sqlite3.Error, OSError, StoreError) as error:
                future.set_exception(StoreError(self._words(error)))
            except Exception as error:  # whatever it is, it belongs to who asked
                future.set_exception(error)

    def _turn(self) -> bool:
        """Write what has come; return whether there may be more to write at once."""
        try:
            return self._write_what_has_come()
        except Exception as error:  # a defect of ours ends no run, and does not go unseen
            self._fail(error)
            return False

    def _write_what_has_come(self) -> bool:
        for recorder in self._recorders:
            for event in recorder.take_in(EVENTS_A_TRANSACTION):
                # nearly all events are steps, and answer nothing
                if not isinstance(event, StepDone):
                    recorder.commands.hear(event)
                    recorder.finished = recorder.finished or isinstance(event, RunFinished)
        now = time.monotonic()
        live = [recorder for recorder in self._recorders if not recorder.finished or recorder.held]
        if not live or now < self._retry_at:
            return False
        beat = now >= self._heartbeat_at
        try:
            # a look for commands takes no lock; most find none
            waiting = self._receive(live)
            if beat or waiting or any(recorder.held or recorder.commands.has_news for recorder in live):
                self._transaction(lambda connection: self._write(connection, live, beat))
        except (sqlite3.Error, OSError, StoreError) as error:
            self._fail(error)
            return False
        if beat:
            self._heartbeat_at = now + HEARTBEAT_SECONDS
        for recorder in live:
            recorder.written()
            recorder.commands.written()
        self._trouble = ""
        return any(recorder.has_more for recorder in self._recorders)

    def _write(self, connection: sqlite3.Connection, live: list[Recorder], beat: bool) -> None:
        for recorder in live:
            run_rows.write(connection, recorder.run, recorder.held)
            recorder.commands.write(connection)
            if beat:
                run_rows.beat(connection, recorder.run)

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
        path = self._folder / DATABASE
        if self._connection is None:
            self._connection = open_for_writing(self._folder)
            self._file = _identity(path)
        elif _identity(path) != self._file:
            # SQLite would go on writing to a file that nobody can open any more
            raise StoreError(f"{path} was deleted or replaced")
        return self._connection

    # -- commands of others -------------------------------------------------------------------------------------------

    def _receive(self, live: list[Recorder]) -> bool:
        found = False
        for recorder in live:
            if not recorder.finished:
                for command in recorder.commands.take(self._open(), self._folder, recorder.run):
                    recorder.receive(command)
                found = found or recorder.commands.has_news
        return found

    # -- trouble ------------------------------------------------------------------------------------------------------

    def _words(self, error: Exception) -> str:
        if isinstance(error, sqlite3.Error):
            return f"{self._folder / DATABASE}: {describe(error)}"
        return str(error) if isinstance(error, (StoreError, OSError)) else f"{type(error).__name__}: {error}"

    def _fail(self, error: Exception) -> None:
        """Tell the user, once for each kind of trouble, and try again later."""
        self._retry_at = time.monotonic() + RETRY_SECONDS
        for recorder in self._recorders:
            recorder.failed()
        words = self._words(error)
        if words != self._trouble:
            self._trouble = words
            self._tell(
                f"the store can't be written: {words}. The run goes on; what it says is held in memory (up to "
                f"{MOST_HELD:,} events) until it can"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
