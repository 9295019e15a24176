"""The events of a run as rows of the store's tables."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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
    StepDone,
)
from lrtui.run.minmax_pyramid import BLOCK
from lrtui.run.spec import RunSpec

COLUMNS = {
    "batches": "run, seq, step, epoch, batch, seconds, loss, finite, lr",
    "group_lrs": "run, seq, parameter_group, lr",
    "step_metrics": "run, seq, name, value",
    "blocks": "run, series, block, low, high, sum, count",
    "events": "run, seq, step, seconds, kind, body",
}
"""The tables of a run, each with the columns that its rows have."""


@dataclass(slots=True)
class Rows:
    """Rows to be written in one transaction.

    Args:
        tables: rows by table.
        summary: new column values for the run's row (`epochs` goes into its column `spec`).
        event_count: number of events they were made from.
    """

    tables: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {table: [] for table in COLUMNS})
    summary: dict[str, Any] = field(default_factory=dict)
    event_count: int = 0


LR_SERIES = "lr "
"""Prefix of a parameter group's number in the column `series` of the table `blocks`."""

METRIC_SERIES = "metric "
"""Prefix of a metric's name in the column `series` of the table `blocks`."""

StepValues = Mapping[int | str, float]
"""Values of a step: the lrs by parameter group, the metrics by name."""


def series_of_step(seconds: float, loss: float, values: StepValues) -> dict[str, float]:
    """Return all values of a step by their series in the table of blocks."""
    series = {"seconds": seconds, "loss": loss}
    for name, value in values.items():
        series[LR_SERIES + str(name) if isinstance(name, int) else METRIC_SERIES + name] = value
    return series


class BlockBuilder:
    """Summarizes the steps of one run, BLOCK at a time.

    Args:
        done: steps summarized before, a multiple of BLOCK.
    """

    def __init__(self, done: int = 0) -> None:
        self._next = done // BLOCK
        self._open: list[dict[str, float]] = []

    def add(self, step: dict[str, float]) -> list[tuple[Any, ...]]:
        """Add a step's values by series; return the rows (series, block, low, high, sum, count) of a full block."""
        self._open.append(step)
        if len(self._open) < BLOCK:
            return []
        names = sorted({name for each in self._open for name in each})
        rows = [
            (name, self._next, *_block_summary([each.get(name, math.nan) for each in self._open])) for name in names
        ]
        self._open.clear()
        self._next += 1
        return rows


def _block_summary(values: list[float]) -> tuple[float | None, float | None, float, int]:
    array = np.asarray(values)
    finite = array[np.isfinite(array)]
    if not len(finite):
        return None, None, 0.0, 0
    with np.errstate(over="ignore"):
        return float(finite.min()), float(finite.max()), float(finite.sum()), len(finite)


def _length_settings(spec: RunSpec) -> dict[str, int | None]:
    """Return the settings that a run changes in its row: its length, which its data decides and `extend` changes."""
    return {"epochs": spec.epochs, "max_steps": spec.max_steps, "train_samples": spec.train_samples}


def nan_as_null(value: float) -> float | None:
    """Return the number as SQLite stores it: infinity as it is, NaN as NULL."""
    return None if math.isnan(value) else value


class RowMaker:
    """Makes rows from one run's events, in their order; used by the writer's thread.

    Args:
        run: its id.
        builder: continues the run's blocks.
        best_accuracy: best accuracy of a resumed run so far.
    """

    def __init__(self, run: int, builder: BlockBuilder, best_accuracy: float | None = None) -> None:
        self._run, self._builder, self._best = run, builder, best_accuracy
        self._spec: RunSpec | None = None
        self._has_every_loss = True
        self._last_loss = math.nan

    def make(self, events: Iterable[Event]) -> Rows:
        """Return the rows of these events."""
        rows = Rows()
        last: StepDone | None = None
        for event in events:
            rows.event_count += 1
            if isinstance(event, StepDone):
                last = event
                if self._has_every_loss or not math.isnan(event.loss):
                    self._last_loss = event.loss
                self._add_step(event, rows)
                continue
            body = event_to_json(event, exact=True)
            for column in ("event", "seq", "step", "seconds"):
                del body[column]
            rows.tables["events"].append(
                (self._run, event.seq, event.step, event.seconds, kind_of(event), json.dumps(body, allow_nan=False))
            )
            self._summarize(event, rows.summary)
        if last is not None:
            rows.summary |= {
                "step": last.step + 1,
                "epoch": last.epoch,
                "seconds": max(last.seconds, rows.summary.get("seconds", 0.0)),
            }
            if self._has_every_loss or not math.isnan(self._last_loss):
                rows.summary["loss"] = nan_as_null(self._last_loss)
        return rows

    def _add_step(self, event: StepDone, rows: Rows) -> None:
        rows.tables["batches"].append(
            (
                self._run,
                event.seq,
                event.step,
                event.epoch,
                event.batch,
                event.seconds,
                nan_as_null(event.loss),
                int(math.isfinite(event.loss)),
                nan_as_null(event.lrs[0]),
            )
        )
        values: dict[int | str, float] = dict(enumerate(event.lrs))
        values.update((name, value) for name, value in event.metrics.items())
        for name, value in values.items():
            if name != 0 and (isinstance(name, int) or not math.isnan(value)):
                table = "group_lrs" if isinstance(name, int) else "step_metrics"
                rows.tables[table].append((self._run, event.seq, name, nan_as_null(value)))
        completed = self._builder.add(series_of_step(event.seconds, event.loss, values))
        rows.tables["blocks"] += ((self._run, *row) for row in completed)

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
                loss = None if event.loss is None else nan_as_null(event.loss)
                summary |= {"test_loss": loss, "accuracy": event.accuracy}
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
