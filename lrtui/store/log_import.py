"""Stores what is known of a run from its log, as a run of the store that nothing can continue."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import LrtuiError
from lrtui.run.event_json import plain
from lrtui.run.events import Event, Outcome, RunFinished, RunStarted, StepDone
from lrtui.run.feed import FeedItem, StepBlock
from lrtui.run.minmax_pyramid import BLOCK, Floats
from lrtui.run.source import LogDescription
from lrtui.run.spec import RunSpec
from lrtui.store.connection import transaction
from lrtui.store.rows import COLUMNS, LR_SERIES, METRIC_SERIES, BlockBuilder, RowMaker, Rows
from lrtui.store.run_rows import update, write

if TYPE_CHECKING:
    from lrtui.run.recorded_curve import RecordedCurve

STEPS_AT_ONCE = 20_000
"""Steps that are held in memory as rows."""


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
        self._maker = RowMaker(-1, BlockBuilder())
        self._blocks = _BlockColumns()
        self._started: RunStarted | None = None
        self._last: Event | None = None
        self._summary: dict[str, Any] = {}

    def store(self, items: Iterable[FeedItem]) -> int:
        before_start: list[Event] = []
        for item in _in_blocks(items):
            if self._started is None:
                # a run says what it waits for before it starts
                if isinstance(item, Event) and not isinstance(item, RunStarted):
                    before_start.append(item)
                    continue
                if not isinstance(item, RunStarted):
                    raise LrtuiError(f"{self._found.log.path} starts with steps")
                self._start(item)
                for event in before_start:
                    self._add_event(event)
            if isinstance(item, StepBlock):
                for start in range(0, len(item), STEPS_AT_ONCE):
                    self._add_steps(item, start, min(start + STEPS_AT_ONCE, len(item)))
            elif isinstance(item, Event):
                self._add_event(item)
        if self._started is None or self._last is None:
            raise LrtuiError(f"{self._found.log.path} has no values")
        if not isinstance(self._last, RunFinished):
            self._add_event(
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
        self._maker = RowMaker(self._run, BlockBuilder())

    def _add_event(self, event: Event) -> None:
        rows = self._maker.make([event])
        self._summary |= rows.summary
        rows.summary = {"settings": rows.summary["settings"]} if "settings" in rows.summary else {}
        self._summary.pop("settings", None)
        write(self._connection, self._run, [rows])
        self._last = event

    def _add_steps(self, block: StepBlock, start: int, end: int) -> None:
        """Add some of the steps of a block."""
        assert self._started is not None
        rows = Rows(event_count=end - start)
        rows.tables["batches"] = list(_batch_rows(self._run, block, start, end))
        columns: dict[str, Floats] = {"seconds": block.seconds[start:end], "loss": block.loss[start:end]}
        seqs = block.seqs[start:end]
        for group, lrs in enumerate(block.lrs):
            columns[LR_SERIES + str(group)] = lrs[start:end]
            if group:
                first = max(0, block.added.get(group, 0) - start)
                pairs = zip(seqs[first:].tolist(), _nulls(lrs[start + first : end]), strict=True)
                rows.tables["group_lrs"] += [(self._run, seq, group, value) for seq, value in pairs]
        for name, values in block.metrics.items():
            part = values[start:end]
            columns[METRIC_SERIES + name] = part
            known = ~np.isnan(part)
            pairs = zip(seqs[known].tolist(), part[known].tolist(), strict=True)
            rows.tables["step_metrics"] += [(self._run, seq, name, value) for seq, value in pairs]
        rows.tables["blocks"] = [(self._run, *row) for row in self._blocks.add(columns, end - start)]
        write(self._connection, self._run, [rows])
        self._last = last = block.step(end - 1)
        self._summary |= {"step": last.step + 1, "epoch": last.epoch, "seconds": last.seconds}
        losses = block.loss[start:end]
        if not self._started.has_every_loss:
            losses = losses[~np.isnan(losses)]
        if len(losses):
            self._summary["loss"] = _null(float(losses[-1]))


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


def _in_blocks(items: Iterable[FeedItem]) -> Iterator[FeedItem]:
    """Yield the items, consecutive single steps as blocks."""
    steps: list[StepDone] = []
    for item in items:
        if steps and not (isinstance(item, StepDone) and _continues(item, steps)):
            yield _block_of(steps)
            steps = []
        if isinstance(item, StepDone):
            steps.append(item)
        else:
            yield item
    if steps:
        yield _block_of(steps)


def _continues(step: StepDone, steps: list[StepDone]) -> bool:
    return len(steps) < STEPS_AT_ONCE and len(step.lrs) == len(steps[-1].lrs)


def _block_of(steps: list[StepDone]) -> StepBlock:
    names = dict.fromkeys(name for step in steps for name in step.metrics)
    return StepBlock(
        first_step=steps[0].step,
        seqs=np.array([step.seq for step in steps], dtype=np.int64),
        epochs=np.array([step.epoch for step in steps], dtype=np.int64),
        batches=np.array([step.batch for step in steps], dtype=np.int64),
        seconds=np.array([step.seconds for step in steps]),
        loss=np.array([step.loss for step in steps]),
        lrs=tuple(np.array(lrs) for lrs in zip(*(step.lrs for step in steps), strict=True)),
        metrics={name: np.array([step.metrics.get(name, math.nan) for step in steps]) for name in names},
    )


def _batch_rows(run: int, block: StepBlock, start: int, end: int) -> Iterable[tuple[Any, ...]]:
    count, loss = end - start, block.loss[start:end]
    return zip(
        [run] * count,
        block.seqs[start:end].tolist(),
        range(block.first_step + start, block.first_step + end),
        block.epochs[start:end].tolist(),
        block.batches[start:end].tolist(),
        block.seconds[start:end].tolist(),
        _nulls(loss),
        np.isfinite(loss).astype(int).tolist(),
        _nulls(block.lrs[0][start:end]),
        strict=True,
    )


def _null(value: float) -> float | None:
    return None if math.isnan(value) else value


def _nulls(values: Floats) -> list[float | None]:
    """Return the numbers as SQLite stores them, NaN as NULL."""
    missing = np.isnan(values)
    if not missing.any():
        found: list[float | None] = values.tolist()
        return found
    boxed: NDArray[np.object_] = values.astype(object)
    boxed[missing] = None
    return list(boxed)


class _BlockColumns:
    """Summarizes columns of values, BLOCK steps at a time."""

    def __init__(self) -> None:
        self._parts: list[tuple[Mapping[str, Floats], int]] = []
        self._waiting = self._done = 0

    def add(self, columns: Mapping[str, Floats], count: int) -> list[tuple[Any, ...]]:
        """Add some steps; return the rows (series, block, low, high, sum, count) of all full blocks."""
        self._parts.append((columns, count))
        self._waiting += count
        blocks = self._waiting // BLOCK
        if not blocks:
            return []
        names = sorted({name for part, _ in self._parts for name in part})
        values = {
            name: np.concatenate([part.get(name, np.full(length, np.nan)) for part, length in self._parts])
            for name in names
        }
        rows: list[tuple[Any, ...]] = []
        for name, column in values.items():
            rows += _block_rows(name, self._done, column[: blocks * BLOCK].reshape(blocks, BLOCK))
        self._waiting -= blocks * BLOCK
        self._done += blocks
        rest = {name: column[blocks * BLOCK :] for name, column in values.items()}
        self._parts = [(rest, self._waiting)] if self._waiting else []
        return rows


def _block_rows(name: str, first: int, table: Floats) -> list[tuple[Any, ...]]:
    finite = np.isfinite(table)
    count = finite.sum(axis=1)
    low = np.where(finite, table, np.inf).min(axis=1).tolist()
    high = np.where(finite, table, -np.inf).max(axis=1).tolist()
    with np.errstate(over="ignore"):
        total = np.where(finite, table, 0.0).sum(axis=1).tolist()
    return [
        (name, first + place, low[place] if number else None, high[place] if number else None, total[place], number)
        for place, number in enumerate(count.tolist())
    ]
