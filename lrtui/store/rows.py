"""The events of a run as rows of the store's tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np

from lrtui.run.event_json import event_to_json, kind_of
from lrtui.run.events import (
    EpochDone,
    EvalDone,
    Event,
    Extended,
    Paused,
    Resumed,
    RunFinished,
    RunStarted,
    ScheduleSwitched,
)
from lrtui.run.feed import FeedItem, StepBlock
from lrtui.run.spec import RunSpec
from lrtui.run.step_blocks import in_blocks
from lrtui.store.step_rows import BlockSummaries, batch_rows, columns_of, group_lr_rows, metric_rows

COLUMNS = {
    "batches": "run, seq, step, epoch, batch, seconds, loss, finite, lr",
    "group_lrs": "run, seq, parameter_group, lr",
    "step_metrics": "run, seq, name, value",
    "blocks": "run, series, block, low, high, sum, count",
    "events": "run, seq, step, seconds, kind, body",
}
"""The tables of a run, each with the columns that its rows have. SQLite stores a NaN in a row as NULL."""

STEPS_AT_ONCE = 20_000
"""Maximum number of steps of a block that is made from single ones."""

Row = tuple[Any, ...]


@dataclass(slots=True)
class Rows:
    """Rows of one run, to be written in one transaction.

    Args:
        run: its id.
        steps: steps in columns, which take a tenth of the memory that their rows would.
        blocks: rows of the table `blocks`, without the run.
        events: rows of the table `events`, without the run.
        summary: new column values for the run's row (`settings` go into its column `spec`).
        event_count: number of events they were made from.
    """

    run: int
    steps: list[StepBlock] = field(default_factory=list)
    blocks: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    event_count: int = 0

    def of_table(self, table: str) -> Iterable[Row]:
        """Return the rows of one of the tables."""
        match table:
            case "batches":
                return chain.from_iterable(batch_rows(self.run, block) for block in self.steps)
            case "group_lrs":
                return chain.from_iterable(group_lr_rows(self.run, block) for block in self.steps if len(block.lrs) > 1)
            case "step_metrics":
                return chain.from_iterable(metric_rows(self.run, block) for block in self.steps if block.metrics)
        return ((self.run, *row) for row in (self.blocks if table == "blocks" else self.events))


def _length_settings(spec: RunSpec) -> dict[str, int | None]:
    """Return the settings that a run changes in its row: its length, which its data decides and `extend` changes."""
    return {"epochs": spec.epochs, "max_steps": spec.max_steps, "train_samples": spec.train_samples}


class RowMaker:
    """Makes rows from one run's events, in their order; used by the writer's thread.

    Args:
        run: its id.
        summaries: continues the run's blocks.
        best_accuracy: best accuracy of a resumed run so far.
    """

    def __init__(self, run: int, summaries: BlockSummaries, best_accuracy: float | None = None) -> None:
        self._run, self._summaries, self._best = run, summaries, best_accuracy
        self._spec: RunSpec | None = None
        self._has_every_loss = True

    def make(self, items: Iterable[FeedItem]) -> Rows:
        """Return the rows of these events, of which steps may be single or in blocks."""
        rows = Rows(self._run)
        for item in in_blocks(items, STEPS_AT_ONCE):
            if isinstance(item, StepBlock):
                rows.event_count += len(item)
                rows.steps.append(item)
                rows.blocks += self._summaries.add(columns_of(item), len(item))
            elif isinstance(item, Event):
                rows.event_count += 1
                body = event_to_json(item, exact=True)
                for column in ("event", "seq", "step", "seconds"):
                    del body[column]
                rows.events.append(
                    (item.seq, item.step, item.seconds, kind_of(item), json.dumps(body, allow_nan=False))
                )
                self._summarize(item, rows.summary)
        if rows.steps:
            self._summarize_steps(rows.steps, rows.summary)
        return rows

    def _summarize_steps(self, blocks: Sequence[StepBlock], summary: dict[str, Any]) -> None:
        last = blocks[-1]
        summary |= {
            "step": last.first_step + len(last),
            "epoch": int(last.epochs[-1]),
            "seconds": max(float(last.seconds[-1]), summary.get("seconds", 0.0)),
        }
        if self._has_every_loss:
            summary["loss"] = float(last.loss[-1])
            return
        for block in reversed(blocks):
            known = np.flatnonzero(~np.isnan(block.loss))
            if len(known):
                summary["loss"] = float(block.loss[known[-1]])
                return

    def _summarize(self, event: Event, summary: dict[str, Any]) -> None:
        summary["seconds"] = event.seconds
        match event:
            case RunStarted():
                self._spec, self._has_every_loss = event.spec, event.has_every_loss
                summary |= {
                    "state": "running",
                    "device": event.device,
                    # in the same column, as data of no run has this name
                    "data": json.dumps({**event.data, **({"output": event.output} if event.output else {})}),
                    "total_steps": event.total_steps,
                    "step": event.step,
                    # a resumed run may have another number of processes
                    "settings": {**_length_settings(event.spec), "nproc": event.spec.nproc},
                    "finished": None,
                    "error": None,
                }
                # a resumed run continues with the schedule that was in force at its checkpoint: `reopen_run` sets it
                if event.resumed_from is None:
                    summary["schedule"] = event.spec.schedule
            case EvalDone() if not event.averaged:
                summary |= {"test_loss": event.loss, "accuracy": event.accuracy}
                accuracy = -math.inf if event.accuracy is None else event.accuracy
                if math.isfinite(accuracy) and (self._best is None or accuracy > self._best):
                    self._best = accuracy
                    summary |= {"best_accuracy": accuracy, "best_epoch": event.epoch}
            case EpochDone():
                summary["epoch"] = event.epoch
            case Extended():
                summary |= {"total_steps": event.total_steps}
                if self._spec is not None:
                    self._spec = self._spec.extended_to(event.epochs, event.total_steps)
                    summary["settings"] = _length_settings(self._spec)
            case ScheduleSwitched():
                summary["schedule"] = event.schedule
            case Paused():
                summary["state"] = "paused"
            case Resumed():
                summary["state"] = "running"
            case RunFinished():
                summary |= {"state": event.outcome, "error": event.error}
