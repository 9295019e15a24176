"""The store as a run source."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from lrtui.run.commands import Command
from lrtui.run.errors import LrtuiError
from lrtui.run.events import RunStarted
from lrtui.run.feed import FeedItem, OutputLines
from lrtui.run.source import RunId, RunSource, RunSummary
from lrtui.run.spec import RunSpec
from lrtui.store.columns import epochs_done, epochs_of, values_of
from lrtui.store.command_output import OutputReader
from lrtui.store.connection import describe, file_id, open_for_reading
from lrtui.store.inbox import send, why_no_commands
from lrtui.store.liveness import ProcessIdentity, is_alive
from lrtui.store.location import store_folder
from lrtui.store.reader import StoredRun, reload
from lrtui.store.store_feed import StoreFeed

LR_SAMPLES = 32
"""Maximum number of lrs that are read for the curve of a run in a list; each takes a few microseconds."""

ANSWER_SECONDS = 10.0
"""Seconds to wait for the answer to a command."""

BUSY_SECONDS = 2.0
"""How long a read waits for a database locked by another process, in seconds."""

NEW_RUNS_A_READING = 100
"""Maximum number of runs that are read for the first time at once, newest first; whoever watches gets the rest soon.
One takes some 0.8 ms."""

CURVES_A_READING = 50
"""Maximum number of live runs whose curve is brought up to date at once; they take turns. One takes some 0.3 ms."""

_FINGERPRINT = "SELECT id, state, step, seconds, name, note, best_accuracy, test_loss, finished FROM runs ORDER BY id"

_PROGRESS = """
SELECT id, heartbeat, (SELECT seq FROM events WHERE run = runs.id ORDER BY seq DESC LIMIT 1),
    step, epoch, seconds, loss,
    (SELECT lr FROM batches WHERE run = runs.id AND NOT superseded ORDER BY seq DESC LIMIT 1)
FROM runs WHERE state IN ('waiting', 'running', 'paused')
"""


@dataclass(slots=True)
class _LiveRun:
    """A live run as it was read last.

    Args:
        stored: its row.
        newest: seq of its newest event that is no step; None if it has none.
    """

    stored: StoredRun
    newest: int | None


def open_source(spec: RunSpec) -> StoreSource | None:
    """Return the store that runs with these settings are recorded in; None if nothing is recorded."""
    folder = store_folder(spec.store)
    return None if folder is None else StoreSource(folder)


class StoreSource(RunSource):
    """The runs of one store; it can be created, deleted or replaced at any time.

    Args:
        folder: folder of the store.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, str(folder)
        self.trouble = ""
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._fingerprints: dict[int, tuple[object, ...]] = {}
        self._summaries: dict[int, RunSummary] = {}
        self._unreadable: dict[int, str] = {}
        self._live: dict[int, _LiveRun] = {}
        self._notify: Callable[[], None] | None = None
        self._last_curve = -1
        """The live run whose curve was read last."""
        self._runs: list[RunSummary] = []

    def runs(self) -> Sequence[RunSummary]:
        """Return all runs, newest first; reads only the rows that have changed."""
        try:
            return self._read()
        except sqlite3.Error as error:
            self.close()
            raise LrtuiError(f"the store can't be read: {describe(error)}") from error

    def _read(self) -> Sequence[RunSummary]:
        if self._connection is not None and file_id(self.folder) != self._file:
            self.close()
        if self._connection is None:
            if (file := file_id(self.folder)) is None:
                return self._changed_to([])
            self._connection, self._file = open_for_reading(self.folder, BUSY_SECONDS), file
        fingerprints = {row[0]: tuple(row) for row in self._connection.execute(_FINGERPRINT)}
        progress = {row[0]: row[1:] for row in self._connection.execute(_PROGRESS)} if self._live else {}
        processes: dict[ProcessIdentity, bool] = {}
        with_curve = self._next_curves()
        newest_first, unread, count = sorted(fingerprints, reverse=True), set(), 0
        for run in newest_first:
            fingerprint = fingerprints[run]
            before = self._fingerprints.get(run)
            live = self._live.get(run)
            is_same = live is not None and before is not None and _is_same(before, fingerprint)
            # a run that was claimed, but has not been resumed yet, is shown with another state
            if live is not None and is_same and live.stored.state == fingerprint[1] and run in progress:
                heartbeat, newest, *values = progress[run]
                # a process that dies changes no row
                if newest == live.newest and is_alive(live.stored.process, heartbeat, found=processes):
                    self._update_run(self._connection, run, live, values, with_curve=run in with_curve)
                    continue
            if live is not None or before != fingerprint:
                count += before is None
                if before is None and count > NEW_RUNS_A_READING and self._notify is not None:
                    unread.add(run)
                    continue
                self._read_run(self._connection, run, processes)
        self._fingerprints = {run: values for run, values in fingerprints.items() if run not in unread}
        if unread and self._notify is not None:
            self._notify()
        self._summaries = {run: self._summaries[run] for run in newest_first if run in self._summaries}
        self._live = {run: live for run, live in self._live.items() if run in fingerprints}
        self._unreadable = {run: text for run, text in self._unreadable.items() if run in fingerprints}
        self.trouble = next(iter(self._unreadable.values()), "")
        return self._changed_to(list(self._summaries.values()))

    def _next_curves(self) -> Collection[int]:
        """Return the live runs whose curves are read now."""
        if len(self._live) <= CURVES_A_READING:
            return self._live.keys()
        waiting = [run for run in self._live if run > self._last_curve][:CURVES_A_READING]
        waiting = waiting or list(self._live)[:CURVES_A_READING]
        self._last_curve = waiting[-1]
        return set(waiting)

    def _update_run(
        self, connection: sqlite3.Connection, key: int, live: _LiveRun, values: Sequence[Any], *, with_curve: bool
    ) -> None:
        """Take the progress of a live run of which nothing else has changed."""
        known, stored = self._summaries[key], live.stored
        if [stored.step, stored.epoch, stored.seconds, stored.loss, stored.lr] == values:
            return
        step, epoch, seconds, loss, lr = values
        live.stored = stored = replace(stored, step=step, epoch=epoch, seconds=seconds, loss=loss, lr=lr)
        done = epochs_done(stored)
        columns = {"step": step, "seconds": seconds, "loss": loss, "lr": lr, "epochs_done": done}
        self._summaries[key] = replace(
            known,
            step=step,
            seconds=seconds,
            epochs_done=done,
            lrs=_sampled_lrs(connection, key) if with_curve else known.lrs,
            columns={**known.columns, **columns},
        )

    def _changed_to(self, runs: list[RunSummary]) -> list[RunSummary]:
        """Return the runs; the same list object as before if nothing changed."""
        if runs != self._runs:
            self._runs = runs
        return self._runs

    def _read_run(self, connection: sqlite3.Connection, key: int, processes: dict[ProcessIdentity, bool]) -> None:
        self._unreadable.pop(key, None)
        self._live.pop(key, None)
        try:
            # an event that comes between the two reads is found by the next reading
            newest = connection.execute("SELECT max(seq) FROM events WHERE run = ?", (key,)).fetchone()[0]
            run = reload(connection, key, processes)
            if run is None:
                return
            self._summaries[key] = RunSummary(
                id=RunId(self.name, key),
                state=run.state,
                name=run.name,
                created=run.created,
                spec=run.spec,
                schedule=run.schedule,
                epochs_done=epochs_done(run),
                epochs=epochs_of(run) or 0,
                step=run.step,
                seconds=run.seconds,
                best_accuracy=run.best_accuracy,
                best_loss=run.best_loss,
                best_metric=run.best_metric,
                best_mode=run.best_mode,
                best_value=run.best_value if run.best_metric is not None else None,
                lrs=_sampled_lrs(connection, key),
                read_only=why_no_commands(self.folder, run, key) or "",
                columns=values_of(run),
                log=run.log,
            )
            if run.is_live:
                self._live[key] = _LiveRun(run, newest)
        except (LrtuiError, ValueError) as error:  # one run with unreadable settings must not hide the others
            self._unreadable[key] = f"run #{key} can't be read: {error}"

    def feed(self, key: int | str) -> FeedWithOutput:
        """Return a run's events.

        Raises:
            LrtuiError: before `runs` has found the store.
        """
        if self._connection is None:
            raise LrtuiError(f"there is no store in {self.folder}")
        return FeedWithOutput(StoreFeed(self._connection, int(key)), self.folder)

    def send(self, key: int | str, command: Command) -> str:
        """Leave a command in the store and wait for the answer of the run's process."""
        answer = send(self.folder, int(key), command, ANSWER_SECONDS)
        if not answer.obeyed:
            raise LrtuiError(answer.text)
        return answer.text

    def watch(self, notify: Callable[[], None]) -> None:
        """Call `notify` if not all runs could be read at once."""
        self._notify = notify

    def close(self) -> None:
        """Close the connection; `runs` opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._fingerprints, self._summaries, self._unreadable, self._live = {}, {}, {}, {}


class FeedWithOutput:
    """The feed of a stored run, with the output of the command that it is part of, if it is.

    Args:
        feed: its events.
        folder: folder of the store.
    """

    def __init__(self, feed: StoreFeed, folder: Path) -> None:
        self._feed, self._folder = feed, folder
        self._output: OutputReader | None = None
        self._open_rows: list[str] = []

    def take(self, limit: int | None = None) -> list[FeedItem]:
        """Return what has not been taken yet, oldest first; new output comes before new events."""
        events = self._feed.take(limit)
        if self._output is None:
            names = [event.output for event in events if isinstance(event, RunStarted) and event.output]
            self._output = OutputReader(self._folder / names[-1]) if names else None
            if self._output is None:
                return events
        lines, rows = self._output.take(), self._output.open_rows()
        if not lines and rows == self._open_rows:
            return events
        self._open_rows = rows
        return [OutputLines(tuple(lines), tuple(rows)), *events]


def _is_same(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    """Return whether two fingerprints differ in nothing but the step and the time."""
    return before[:2] == now[:2] and before[4:] == now[4:]


def _sampled_lrs(connection: sqlite3.Connection, run: int) -> tuple[float, ...]:
    """Return the lr at LR_SAMPLES evenly spaced steps, of the first parameter group that is not frozen at lr 0.

    Empty before the first step.
    """
    newest = connection.execute(
        "SELECT seq FROM batches WHERE run = ? AND NOT superseded ORDER BY seq DESC LIMIT 1", (run,)
    ).fetchone()
    if newest is None:
        return ()
    query = "SELECT step, lr, seq FROM batches WHERE run = ? AND seq >= ? AND NOT superseded ORDER BY seq LIMIT 1"
    # the rows are in the order of seq, which also counts other events and superseded steps
    seqs = np.linspace(0, newest[0], LR_SAMPLES).astype(int).tolist()
    rows = [connection.execute(query, (run, seq)).fetchone() for seq in seqs]
    steps = [row[0] for row in rows]
    places = np.searchsorted(steps, np.linspace(steps[0], steps[-1], LR_SAMPLES), side="right") - 1
    lrs = [math.nan if row[1] is None else float(row[1]) for row in rows]
    if not any(lrs):
        lrs = _trained_lrs(connection, run, [row[2] for row in rows]) or lrs
    return tuple(lrs[place] for place in places.tolist())


def _trained_lrs(connection: sqlite3.Connection, run: int, seqs: Sequence[int]) -> list[float]:
    """Return the lrs at these steps of the first parameter group that has one above 0; empty if none has."""
    marks = ", ".join("?" * len(seqs))
    query = (
        f"SELECT parameter_group, seq, lr FROM group_lrs WHERE run = ? AND seq IN ({marks}) ORDER BY parameter_group"
    )
    groups: dict[int, dict[int, float]] = {}
    for group, seq, lr in connection.execute(query, (run, *seqs)):
        groups.setdefault(group, {})[seq] = math.nan if lr is None else float(lr)
    found = next((lrs for lrs in groups.values() if any(lr > 0 for lr in lrs.values())), None)
    return [found.get(seq, math.nan) for seq in seqs] if found else []
