"""A stored run as CSV and JSON lines, in pieces: a run of a million steps never fits in memory as a whole."""

from __future__ import annotations

import csv
import io
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from lrtui.run.event_json import event_to_json
from lrtui.run.events import Event, RunStarted
from lrtui.run.feed import FeedItem, OutputLines, Rewritten, StepBlock, SummaryBlock
from lrtui.run.minmax_pyramid import Floats
from lrtui.store.migrations import has_step_metrics
from lrtui.store.store_feed import StoreFeed

STEPS_AT_ONCE = 10_000


def stored_events(connection: sqlite3.Connection, run: int) -> Iterator[FeedItem]:
    """Yield all events of a run so far, in order, every step by itself."""
    feed = StoreFeed(connection, run, in_full=None)
    while True:
        part = feed.take(STEPS_AT_ONCE)
        yield from part
        # fewer than requested means the end; a live run is not followed
        if sum(len(block) for block in part if isinstance(block, StepBlock)) < STEPS_AT_ONCE:
            return


def metric_columns(connection: sqlite3.Connection, run: int) -> list[str]:
    """Return the names of the metrics that the run's steps have, in order."""
    if not has_step_metrics(connection):
        return []
    rows = connection.execute(
        "SELECT DISTINCT name FROM step_metrics JOIN batches USING (run, seq) WHERE run = ? AND NOT superseded",
        (run,),
    ).fetchall()
    return sorted(name for (name,) in rows)


def group_count(connection: sqlite3.Connection, run: int) -> int:
    """Return the number of the run's parameter groups, those that were added during the run included."""
    (last,) = connection.execute("SELECT max(parameter_group) FROM group_lrs WHERE run = ?", (run,)).fetchone()
    return 1 + (last or 0)


def csv_lines(
    items: Iterable[FeedItem], metrics: Sequence[str] = (), groups: int = 1, *, has_times: bool = True
) -> Iterator[str]:
    """Yield the lines of a table with one row per step.

    What a run's log does not have is empty; a loss in it that is not finite is nan.

    Args:
        metrics: names of the metrics that have a column; empty at steps without a value.
        groups: number of parameter groups, if some were added during the run; empty at the steps before.
        has_times: whether the run has times; a log may have none.
    """
    has_header, started = False, None
    for part in items:
        if isinstance(part, RunStarted):
            groups, started = max(groups, len(part.group_lrs)), part
        elif isinstance(part, StepBlock):
            if not has_header:
                yield _header(groups, metrics)
                has_header = True
            yield from _rows(part, metrics, groups, started, has_times=has_times)
    if not has_header:
        yield _header(groups, metrics)


def _header(groups: int, metrics: Sequence[str]) -> str:
    lrs = [f"lr_{group}" for group in range(groups)] if groups > 1 else ["lr"]
    columns = ["step", "epoch", "batch", "seconds", "loss", *lrs]
    # a script may log its own lr or epoch
    return _csv_line([*columns, *(f"logged {name}" if name in columns else name for name in metrics)])


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _rows(
    block: StepBlock, metrics: Sequence[str], groups: int, started: RunStarted | None, *, has_times: bool
) -> Iterator[str]:
    no_values = [""] * len(block)
    is_log, names_epochs = (started.spec.is_log, started.names_epochs) if started else (False, True)
    # of a loss in a log that is not finite no more is known
    loss = np.where(np.isinf(block.loss), np.nan, block.loss) if is_log else block.loss
    has_loss = ~np.isnan(block.loss) if started and not started.has_every_loss else np.full(len(block), True)
    # repr has every digit of a number, and nan and inf in the form that all programs read
    columns = (
        range(block.first_step, block.first_step + len(block)),
        block.epochs.tolist() if names_epochs else no_values,
        block.batches.tolist() if names_epochs else no_values,
        _numbers(block.seconds) if has_times else no_values,
        [number if known else "" for number, known in zip(_numbers(loss), has_loss.tolist(), strict=True)],
        _cells(block.lrs[0]) if is_log else _numbers(block.lrs[0]),
        *(_cells(block.lrs[group]) if group < len(block.lrs) else no_values for group in range(1, groups)),
        *(_cells(block.metrics[name]) if name in block.metrics else no_values for name in metrics),
    )
    for row in zip(*columns, strict=True):
        yield ",".join(map(str, row)) + "\n"


def _numbers(values: Floats) -> list[str]:
    return [repr(value) for value in values.tolist()]


def _cells(values: Floats) -> list[str]:
    return ["" if math.isnan(value) else repr(value) for value in values.tolist()]


def json_lines(items: Iterable[FeedItem]) -> Iterator[str]:
    """Yield the events as lines of JSON, as `train --json` prints them."""
    for part in items:
        for event in _events(part):
            yield json.dumps(event_to_json(event), allow_nan=False) + "\n"


def _events(part: FeedItem) -> Iterator[Event]:
    if isinstance(part, StepBlock):
        yield from (part.step(index) for index in range(len(part)))
    elif not isinstance(part, SummaryBlock | OutputLines | Rewritten):
        yield part
