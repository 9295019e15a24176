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


@dataclass(slots=True)
class Rows:
    """Rows to be written in one transaction.

    Args:
        summary: new values of columns of the run's row; `epochs` is one of its settings.
        events_held: how many events they were made from.
    """

    batches: list[tuple[Any, ...]] = field(default_factory=list)
    group_lrs: list[tuple[Any, ...]] = field(default_factory=list)
    step_metrics: list[tuple[Any, ...]] = field(default_factory=list)
    blocks: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    events_held: int = 0


METRIC_SERIES = "metric "
"""Prefix of a metric's name in the column `series` of the table `blocks`."""


class BlockBuilder:
    """Summarises the steps of one run, BLOCK at a time.

    Args:
        done: steps summarised before, a multiple of BLOCK.
    """

    def __init__(self, done: int = 0) -> None:
        self._next = done // BLOCK
        self._open: list[tuple[float, float, tuple[float, ...], Mapping[str, float]]] = []

    def add(
        self, seconds: float, loss: float, lrs: tuple[float, ...], metrics: Mapping[str, float]
    ) -> list[tuple[Any, ...]]:
        """Add a step; return the rows (series, block, low, high, sum, count) of the block that it completes."""
        self._open.append((seconds, loss, lrs, metrics))
        if len(self._open) < BLOCK:
            return []
        seconds_, losses, groups, metrics_ = zip(*self._open, strict=True)
        columns = {"seconds": seconds_, "loss": losses}
        columns |= {f"lr {group}": values for group, values in enumerate(zip(*groups, strict=True))}
        rows = [(series, self._next, *_summed_up(values)) for series, values in columns.items()]
        for name in sorted({name for of_step in metrics_ for name in of_step}):
            summary = _summed_up(tuple(of_step.get(name, math.nan) for of_step in metrics_))
            if summary[-1]:
                rows.append((METRIC_SERIES + name, self._next, *summary))
        self._open.clear()
        self._next += 1
        return rows


def _summed_up(values: tuple[float, ...]) -> tuple[float | None, float | None, float, int]:
    array = np.asarray(values)
    finite = array[np.isfinite(array)]
    if not len(finite):
        return None, None, 0.0, 0
    with np.errstate(over="ignore"):
        return float(finite.min()), float(finite.max()), float(finite.sum()), len(finite)


def nan_as_null(value: float) -> float | None:
    """Return the number as SQLite stores it: infinity as it is, NaN as NULL."""
    return None if math.isnan(value) else value


class RowMaker:
    """Makes rows of one run's events, in their order; used by the writer's thread.

    Args:
        run: its id.
        builder: continues the run's blocks.
        best_accuracy: so far, of a resumed run.
    """

    def __init__(self, run: int, builder: BlockBuilder, best_accuracy: float | None = None) -> None:
        self._run, self._builder, self._best = run, builder, best_accuracy

    def make(self, events: Iterable[Event]) -> Rows:
        """Return the rows of these events."""
        rows = Rows()
        last: StepDone | None = None
        for event in events:
            rows.events_held += 1
            if isinstance(event, StepDone):
                last = event
                self._add_step(event, rows)
                continue
            body = event_to_json(event, exact=True)
            for column in ("event", "seq", "step", "seconds"):
                del body[column]
            rows.events.append(
                (self._run, event.seq, event.step, event.seconds, kind_of(event), json.dumps(body, allow_nan=False))
            )
            self._summarize(event, rows.summary)
        if last is not None:
            rows.summary |= {
                "step": last.step + 1,
                "epoch": last.epoch,
                "loss": nan_as_null(last.loss),
                "seconds": max(last.seconds, rows.summary.get("seconds", 0.0)),
            }
        return rows

    def _add_step(self, event: StepDone, rows: Rows) -> None:
        first, *others = event.lrs
        rows.batches.append(
            (
                self._run,
                event.seq,
                event.step,
                event.epoch,
                event.batch,
                event.seconds,
                nan_as_null(event.loss),
                int(math.isfinite(event.loss)),
                nan_as_null(first),
            )
        )
        for group, lr in enumerate(others, start=1):
            rows.group_lrs.append((self._run, event.seq, group, nan_as_null(lr)))
        for name, value in event.metrics.items():
            if not math.isnan(value):
                rows.step_metrics.append((self._run, event.seq, name, value))
        completed = self._builder.add(event.seconds, event.loss, event.lrs, event.metrics)
        rows.blocks += ((self._run, *row) for row in completed)

    def _summarize(self, event: Event, summary: dict[str, Any]) -> None:
        summary["seconds"] = event.seconds
        match event:
            case RunStarted():
                summary |= {
                    "state": "running",
                    "schedule": event.spec.schedule,
                    "device": event.device,
                    "data": json.dumps(dict(event.data)),
                    "total_steps": event.total_steps,
                    "step": event.step,
                    "epochs": event.spec.epochs,
                    "finished": None,
                    "error": None,
                }
            case EvalDone() if not event.averaged:
                summary |= {"test_loss": nan_as_null(event.loss), "accuracy": event.accuracy}
                if event.accuracy is not None and (self._best is None or event.accuracy > self._best):
                    self._best = event.accuracy
                    summary |= {"best_accuracy": event.accuracy, "best_epoch": event.epoch}
            case EpochDone():
                summary["epoch"] = event.epoch
            case Extended():
                summary |= {"total_steps": event.total_steps, "epochs": event.epochs}
            case ScheduleSwitched():
                summary["schedule"] = event.schedule
            case Paused():
                summary["state"] = "paused"
            case Resumed():
                summary["state"] = "running"
            case RunFinished():
                summary |= {"state": event.outcome, "error": event.error}
