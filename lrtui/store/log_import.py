"""Stores what is known of a run from its log, as a run of the store that nothing can continue."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtui.run.errors import LrtuiError
from lrtui.run.event_json import plain
from lrtui.run.events import Event, Outcome, RunFinished, RunStarted
from lrtui.run.feed import FeedItem, StepBlock
from lrtui.run.source import LogDescription
from lrtui.run.spec import RunSpec
from lrtui.run.step_blocks import in_blocks
from lrtui.store.connection import transaction
from lrtui.store.rows import COLUMNS, STEPS_AT_ONCE, RowMaker
from lrtui.store.run_rows import update, write
from lrtui.store.step_rows import BlockSummaries

if TYPE_CHECKING:
    from lrtui.run.recorded_curve import RecordedCurve


@dataclass(frozen=True, slots=True)
class RunOfLog:
    """A run as its log has it.

    Args:
        log: where it was read from.
        key: what the log's source calls it, the name of a new run.
        created: when its first value was logged, in seconds since 1970.
        finished: when its last value was logged; None if that is not known.
        outcome: how it ended, if its own events do not say it.
        curve: returns the lrs at the steps that they were logged at, once all events were taken: those of the events
            hold up to the next one. None if it is not known.
    """

    log: LogDescription
    key: str
    created: float
    finished: float | None = None
    outcome: Outcome = "done"
    curve: Callable[[], RecordedCurve] | None = None

    @property
    def uid(self) -> str:
        """Identifies the run among all stores; the same whenever the log is imported."""
        text = f"{self.log.format}\n{Path(self.log.path).resolve()}"
        return f"log-{hashlib.sha256(text.encode(errors='surrogateescape')).hexdigest()[:32]}"


def import_run(folder: Path, found: RunOfLog, items: Iterable[FeedItem], name: str | None = None) -> int:
    """Store a run of a log, or replace what was stored of it before; return its id.

    All rows are written in one transaction: an error leaves the store as it was.

    Args:
        folder: folder of the store.
        items: all events of the run; steps one by one or in blocks, none of them summarized.
        name: a name for the run; None for the one that it has, or else the log's key.

    Raises:
        StoreError: if the store can't be written.
        LrtuiError: if there are no events.
    """
    with transaction(folder) as connection:
        return _Import(connection, found, name).store(items)


class _Import:
    def __init__(self, connection: sqlite3.Connection, found: RunOfLog, name: str | None) -> None:
        self._connection, self._found, self._name = connection, found, name
        self._run = -1
        self._maker = RowMaker(-1, BlockSummaries())
        self._started: RunStarted | None = None
        self._last: Event | None = None
        self._summary: dict[str, Any] = {}

    def store(self, items: Iterable[FeedItem]) -> int:
        before_start: list[Event] = []
        for item in in_blocks(items, STEPS_AT_ONCE):
            if self._started is None:
                # a run says what it waits for before it starts
                if isinstance(item, Event) and not isinstance(item, RunStarted):
                    before_start.append(item)
                    continue
                if not isinstance(item, RunStarted):
                    raise LrtuiError(f"{self._found.log.path} starts with steps")
                self._start(item)
                for event in before_start:
                    self._add(event)
            if isinstance(item, StepBlock):
                for start in range(0, len(item), STEPS_AT_ONCE):
                    self._add(item.part(start, min(start + STEPS_AT_ONCE, len(item))))
            elif isinstance(item, Event):
                self._add(item)
        if self._started is None or self._last is None:
            raise LrtuiError(f"{self._found.log.path} has no values")
        if not isinstance(self._last, RunFinished):
            self._add(
                RunFinished(
                    seq=self._last.seq + 1,
                    step=self._summary.get("step", self._last.step),
                    seconds=self._last.seconds,
                    outcome=self._found.outcome,
                    error=None,
                )
            )
        data = {**self._started.data, "log": plain(self._found.log)}
        if self._found.curve is not None and self._started.spec.is_log:
            data["logged_lrs"] = self._found.curve().logged()
        if not self._started.names_epochs:
            # each test ends one, which only advice and comparisons need
            self._summary["epoch"] = 0
        self._summary |= {"finished": self._found.finished, "data": json.dumps(data, default=str)}
        update(self._connection, self._run, **self._summary)
        return self._run

    def _start(self, event: RunStarted) -> None:
        """Add the run's row, or empty the one that there is."""
        self._started, found = event, self._found
        known = self._connection.execute("SELECT id, name FROM runs WHERE uid = ?", (found.uid,)).fetchone()
        name = self._name or (known[1] if known else found.key)
        spec = replace(event.spec, name=name)
        if known is None:
            self._run = _insert(self._connection, spec, found)
        else:
            self._run = int(known[0])
            for table in COLUMNS:
                self._connection.execute(f"DELETE FROM {table} WHERE run = ?", (self._run,))
            update(
                self._connection,
                self._run,
                name=name,
                created=found.created,
                spec=json.dumps(plain(spec)),
                first_step=event.step,
                step=event.step,
                loss=None,
                test_loss=None,
                accuracy=None,
                best_accuracy=None,
                best_epoch=None,
                epoch=0,
            )
        self._maker = RowMaker(self._run, BlockSummaries())

    def _add(self, item: Event | StepBlock) -> None:
        rows = self._maker.make([item])
        self._summary |= rows.summary
        rows.summary = {"settings": rows.summary["settings"]} if "settings" in rows.summary else {}
        self._summary.pop("settings", None)
        write(self._connection, [rows])
        self._last = item.step(len(item) - 1) if isinstance(item, StepBlock) else item


def _insert(connection: sqlite3.Connection, spec: RunSpec, found: RunOfLog) -> int:
    """Add the row of a run that no process of lrtui has trained."""
    cursor = connection.execute(
        """
        INSERT INTO runs (name, created, spec, versions, command_line, directory, machine, pid, pid_started, heartbeat,
            uid)
        VALUES (?, ?, ?, '{}', '[]', '', '', 0, '', 0, ?)
        """,
        (spec.name, found.created, json.dumps(plain(spec)), found.uid),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid
