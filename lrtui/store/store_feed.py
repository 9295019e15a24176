"""The feed of a stored run: everything that is stored, then what is added later."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrtui.run.event_json import event_from_json
from lrtui.run.events import Event
from lrtui.run.feed import FeedItem, StepBlock, SummaryBlock
from lrtui.run.minmax_pyramid import BLOCK, Blocks
from lrtui.run.state import RunState
from lrtui.store.connection import open_for_reading
from lrtui.store.migrations import has_step_metrics
from lrtui.store.step_rows import LR_SERIES, METRIC_SERIES

STEPS_IN_FULL = 50_000
"""Newest steps that are returned one by one; older ones are summarized: reading a million would take a second, and no
chart has as many columns."""

_Rows = NDArray[np.float64]


MAX_ANCESTORS = 100
"""Maximum number of ancestors of a branch that are read; far more than any branch has."""


class StoreFeed:
    """The events of one stored run; used by one thread.

    Args:
        connection: open for reading.
        run: the run's id.
        in_full: how many of the newest steps are returned one by one, older ones being summarized; None for all.
        until: seq of the last event wanted; None for all, including those still to come.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        run: int,
        in_full: int | None = STEPS_IN_FULL,
        until: int | None = None,
    ) -> None:
        self._connection, self._run, self._in_full = connection, run, in_full
        self._last = 2**62 if until is None else until
        self._seq = -1
        self._groups = 1

    def take(self, limit: int | None = None) -> list[FeedItem]:
        """Return what has not been taken yet, oldest first; at most `limit` steps, or all of them.

        Raises:
            sqlite3.Error: if the store can't be read.
        """
        connection = self._connection
        # in one transaction: rows that are added meanwhile belong to the next call
        connection.execute("BEGIN")
        try:
            summarized = self._summarized() if self._seq < 0 else []
            return [*summarized, *self._rest(limit)]
        finally:
            connection.execute("COMMIT")

    def _summarized(self) -> list[FeedItem]:
        """Return the events and the summary of the first steps of a long run."""
        if self._in_full is None:
            return []
        newest, first_step = self._connection.execute(
            "SELECT (SELECT step FROM batches WHERE run = :run AND seq <= :last AND NOT superseded "
            "ORDER BY seq DESC LIMIT 1), first_step FROM runs WHERE id = :run",
            {"run": self._run, "last": self._last},
        ).fetchone() or (None, 0)
        if newest is None or newest + 1 - first_step <= self._in_full:
            return []
        # the newest step is returned by itself: it has the current lr
        blocks = (newest + 1 - first_step - max(1, self._in_full)) // BLOCK
        if not blocks:
            return []
        steps = blocks * BLOCK
        # seq counts steps, too, so that a step's seq is at least the number of steps before it
        last = self._connection.execute(
            "SELECT seq, epoch, batch, seconds FROM batches WHERE run = ? AND step = ? AND NOT superseded "
            "AND seq >= ? ORDER BY seq LIMIT 1",
            (self._run, first_step + steps - 1, steps - 1),
        ).fetchone()
        events = self._events(until=last[0])
        self._seq = last[0]
        summary = SummaryBlock(
            steps=steps,
            seq=last[0],
            epoch=last[1],
            batch=last[2],
            elapsed=last[3],
            loss=self._blocks("loss", blocks),
            seconds=self._blocks("seconds", blocks),
            lrs=tuple(self._blocks(LR_SERIES + str(group), blocks) for group in range(self._groups_in_blocks(blocks))),
            metrics={name: self._blocks(METRIC_SERIES + name, blocks) for name in self._metrics_in_blocks(blocks)},
        )
        # the events end at the summary's last step: a resume among them has nothing to cut off
        return [*events, summary]

    def _blocks(self, series: str, count: int) -> Blocks:
        rows = self._connection.execute(
            "SELECT block, low, high, sum, count FROM blocks WHERE run = ? AND series = ? AND block < ? AND count",
            (self._run, series, count),
        ).fetchall()
        table = _table(rows, 5)
        # a block without finite values has no row, or one with a count of 0
        blocks = Blocks.without_values(count)
        places = table[:, 0].astype(np.int64)
        columns = (blocks.low, blocks.high, blocks.sum, blocks.count)
        for column, values in zip(columns, table[:, 1:].T, strict=True):
            column[places] = values
        return blocks

    def _groups_in_blocks(self, count: int) -> int:
        """Return how many parameter groups the summarized steps have, with those that were added during the run."""
        group = self._groups
        query = "SELECT 1 FROM blocks WHERE run = ? AND series = ? AND block < ? AND count LIMIT 1"
        while self._connection.execute(query, (self._run, LR_SERIES + str(group), count)).fetchone():
            group += 1
        self._groups = group
        return group

    def _metrics_in_blocks(self, count: int) -> list[str]:
        rows = self._connection.execute(
            "SELECT DISTINCT substr(series, ?) FROM blocks WHERE run = ? AND substr(series, 1, ?) = ? AND block < ? "
            "AND count",
            (len(METRIC_SERIES) + 1, self._run, len(METRIC_SERIES), METRIC_SERIES, count),
        ).fetchall()
        return [name for (name,) in rows]

    def _rest(self, limit: int | None) -> list[FeedItem]:
        """Return the events and steps after those that were taken, in order."""
        rows = self._connection.execute(
            "SELECT seq, step, epoch, batch, seconds, loss, lr FROM batches "
            "WHERE run = ? AND seq > ? AND seq <= ? AND NOT superseded ORDER BY seq LIMIT ?",
            (self._run, self._seq, self._last, -1 if limit is None else limit),
        ).fetchall()
        until = rows[-1][0] if limit is not None and len(rows) == limit else None
        events = self._events(until)
        if not rows:
            self._seq = max([self._seq, *(event.seq for event in events)])
            return list(events)
        table = _table(rows, 7)
        groups = self._groups
        lrs, metrics = self._values_of(table)
        # a script may have added groups
        added = {group: int(np.isfinite(lrs[group]).argmax()) for group in range(groups, len(lrs))}
        items: list[FeedItem] = []
        start = 0
        for event in events:
            end = int(np.searchsorted(table[:, 0], event.seq))
            items += _steps(table, lrs, metrics, added, start, end)
            items.append(event)
            start = end
        items += _steps(table, lrs, metrics, added, start, len(table))
        self._seq = max([int(table[-1, 0]), *(event.seq for event in events)])
        return items

    def _events(self, until: int | None) -> list[Event]:
        rows = self._connection.execute(
            "SELECT seq, step, seconds, kind, body FROM events "
            "WHERE run = ? AND seq > ? AND seq <= ? AND NOT superseded ORDER BY seq",
            (self._run, self._seq, self._last if until is None else until),
        ).fetchall()
        events = [
            event_from_json({"event": kind, "seq": seq, "step": step, "seconds": seconds, **json.loads(body)})
            for seq, step, seconds, kind, body in rows
        ]
        for event in events:
            self._groups = len(getattr(event, "group_lrs", ())) or self._groups
        return events

    def _values_of(self, table: _Rows) -> tuple[list[_Rows], dict[str, _Rows]]:
        """Return the lr of each parameter group, and each metric by name, at these steps; NaN if there is none."""
        seqs = table[:, 0]
        points: dict[int | str, list[tuple[int, float | None]]] = {group: [] for group in range(1, self._groups)}
        for seq, name, value in step_values(self._connection, self._run, int(seqs[0]), int(seqs[-1])):
            points.setdefault(name, []).append((seq, value))
        columns: dict[int | str, _Rows] = {0: table[:, 6]}
        for name, pairs in points.items():
            found = _table(pairs, 2)
            # `step_values` also returns superseded steps
            found = found[np.isin(found[:, 0], seqs)]
            columns[name] = np.full(len(seqs), np.nan)
            columns[name][np.searchsorted(seqs, found[:, 0])] = found[:, 1]
        metrics = {name: columns[name] for name in sorted(name for name in columns if isinstance(name, str))}
        self._groups = 1 + max(name for name in columns if isinstance(name, int))
        return [columns[group] for group in range(self._groups)], metrics


def step_values(
    connection: sqlite3.Connection, run: int, first: int, last: int
) -> Iterable[tuple[int, int | str, float | None]]:
    """Return the values of steps that the table of batches has no column for, superseded steps included.

    Args:
        first: seq of the first step.
        last: seq of the last step.

    Returns:
        The step's seq, the parameter group of an lr (from 1) or the name of a metric, and the value.
    """
    query = "SELECT seq, parameter_group, lr FROM group_lrs WHERE run = ?1 AND seq BETWEEN ?2 AND ?3"
    # a store of schema 1 in a folder that can't be written stays as it is
    if has_step_metrics(connection):
        query += " UNION ALL SELECT seq, name, value FROM step_metrics WHERE run = ?1 AND seq BETWEEN ?2 AND ?3"
    return connection.execute(query, (run, first, last))


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A run that another one branched from, directly or through other branches.

    Args:
        number: the run's id.
        state: the run's state as it was when the branch started; steps are summarized.
    """

    number: int
    state: RunState


def ancestors(connection: sqlite3.Connection, run: int) -> list[Ancestor]:
    """Return the ancestors of a branch, oldest first; those before a deleted one are not found.

    Raises:
        sqlite3.Error: if the store can't be read.
    """
    found: list[Ancestor] = []
    while len(found) < MAX_ANCESTORS:
        row = connection.execute("SELECT parent, branched_from FROM runs WHERE id = ?", (run,)).fetchone()
        # the name of a checkpoint starts with the seq of the last event before it
        seq = str(row[1] or "").split("/")[-1].split("-")[0] if row else ""
        if not row or row[0] is None or not seq.isdigit():
            break
        run = int(row[0])
        found.append(Ancestor(run, summarized_state(connection, run, int(seq))))
    return found[::-1]


def summarized_state(connection: sqlite3.Connection, run: int, until: int | None = None) -> RunState:
    """Return the state of a stored run; its steps are summarized.

    Args:
        until: seq of the last event; None for all.

    Raises:
        sqlite3.Error: if the store can't be read.
    """
    state = RunState()
    state.fold(StoreFeed(connection, run, in_full=0, until=until).take())
    return state


def state_at(folder: Path, run: int, seq: int) -> RunState:
    """Return the state of a stored run after the event with this seq.

    Raises:
        StoreError: if the store can't be read.
    """
    state = RunState()
    with closing(open_for_reading(folder)) as connection:
        state.fold(StoreFeed(connection, run, until=seq).take())
    return state


def _table(rows: Sequence[Sequence[Any]], columns: int) -> _Rows:
    """Return rows as one array; NULL is NaN."""
    return np.array(rows, dtype=np.float64).reshape(len(rows), columns)


def _steps(
    table: _Rows,
    lrs: Sequence[_Rows],
    metrics: Mapping[str, _Rows],
    added: Mapping[int, int],
    start: int,
    end: int,
) -> list[StepBlock]:
    """Return these rows as a block of consecutive steps; none if there are no rows."""
    if start >= end:
        return []
    part = table[start:end]
    return [
        StepBlock(
            first_step=int(part[0, 1]),
            seqs=part[:, 0].astype(np.int64),
            epochs=part[:, 2].astype(np.int64),
            batches=part[:, 3].astype(np.int64),
            seconds=np.ascontiguousarray(part[:, 4]),
            loss=np.ascontiguousarray(part[:, 5]),
            lrs=tuple(np.ascontiguousarray(group[start:end]) for group in lrs),
            metrics={name: values[start:end] for name, values in metrics.items()},
            added={group: index - start for group, index in added.items() if index > start},
        )
    ]
