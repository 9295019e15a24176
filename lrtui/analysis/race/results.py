"""Results of a race's runs, read from the store, and when they reached a target."""

from __future__ import annotations

import math
import sqlite3
import statistics
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lrtui.analysis.race.plan import Cell, RacePlan
from lrtui.run.evaluations import ACCURACY, LOSS, Objective, epoch_results, is_finite, metric_of, objective_of
from lrtui.run.events import EvalDone, RunStarted, Status
from lrtui.run.state import RunState
from lrtui.store.connection import open_for_reading, readable_errors
from lrtui.store.location import DATABASE
from lrtui.store.reader import StoredRun, reload
from lrtui.store.store_feed import summarized_state

CellState = Status | Literal["missing"]


@dataclass(slots=True)
class CellResult:
    """The results of one run of a race so far.

    Args:
        state: state of the run; `missing` if it was never started or is no longer in the store.
        tests: the test at the end of each epoch, by epoch.
        first_loss: loss of the first batch, before any step.
        run_state: the run's state, with summarized steps.
    """

    cell: Cell
    run: int | None = None
    state: CellState = "missing"
    step: int = 0
    tests: Mapping[int, EvalDone] = field(default_factory=dict)
    first_loss: float | None = None
    run_state: RunState = field(default_factory=RunState)

    @property
    def started(self) -> RunStarted | None:
        """Its first event; None before it started."""
        return self.run_state.started

    @property
    def test_samples(self) -> int:
        """Number of test samples of its task; 1 if it is unknown."""
        return max(1, int(self.started.data.get("test", 1))) if self.started else 1

    @property
    def last_test(self) -> EvalDone | None:
        """The newest test."""
        return self.tests[max(self.tests)] if self.tests else None

    @property
    def epochs_done(self) -> int:
        """Number of the last epoch that has a test; 0 before the first."""
        return max(self.tests, default=0)

    @property
    def is_done(self) -> bool:
        """Whether it ran to the end, and its last test has finite results."""
        return self.state == "done" and self.last_test is not None and not self.not_finite

    @property
    def not_finite(self) -> list[str]:
        """Names of the results of the last test that decide a race and are not finite."""
        results = {} if self.last_test is None else self.last_test.all_metrics
        if self.started is not None and self.started.best is not None:
            results.setdefault(self.started.best, math.nan)
            decisive = {LOSS, self.started.best}
        else:
            decisive = {LOSS, ACCURACY}
        return [name for name, value in results.items() if name in decisive and not is_finite(value)]

    def value(self, metric: str, epoch: int | None = None) -> float | None:
        """Return a metric at the end of an epoch, or the newest value; None if there is none."""
        return metric_of(self.last_test if epoch is None else self.tests.get(epoch), metric)

    @classmethod
    def of_state(cls, cell: Cell, run: int | None, state: RunState) -> CellResult:
        """Return the results of a run from its state."""
        return cls(cell, run, state.status, state.step, epoch_results(state), run_state=state)


def epochs_of_race(plan: RacePlan, results: Sequence[CellResult]) -> int:
    """Return the epochs of each run, which may be known only once one has started; 1 before it."""
    if not plan.common.epochs_follow:
        return plan.common.epochs
    return max((result.started.spec.epochs for result in results if result.started is not None), default=1)


def objective_of_race(results: Sequence[CellResult]) -> Objective:
    """Return what decides the race: the `best` of its task, or test accuracy, or test loss without an accuracy."""
    tests = [test for result in results for test in result.tests.values()]
    has_accuracy = bool(tests) and all(test.accuracy is not None for test in tests)
    return objective_of([result.started for result in results], has_accuracy=has_accuracy)


def open_cells(plan: RacePlan, results: Sequence[CellResult]) -> list[Cell]:
    """Return the runs that are not done, of entrants that are still in the race."""
    excluded = {*plan.rulings}
    if plan.stops:
        excluded |= {result.cell.entrant for result in results if result.state == "diverged"}
    return [
        result.cell
        for result in results
        if result.state not in ("done", "diverged") and result.cell.entrant not in excluded
    ]


def read_results(folder: Path, plan: RacePlan) -> list[CellResult]:
    """Return the results of every run of the race, in the order of `plan.cells`.

    Raises:
        StoreError: if the store can't be read.
    """
    if not (folder / DATABASE).exists():
        return [CellResult(cell) for cell in plan.cells]
    with closing(open_for_reading(folder)) as connection, readable_errors(folder / DATABASE):
        return [_read_one(connection, plan, cell) for cell in plan.cells]


def find_run_of(connection: sqlite3.Connection, plan: RacePlan, cell: Cell) -> StoredRun | None:
    """Return the stored run of a cell. A run started just before the race was killed is found by its name."""
    run = plan.runs.get(cell)
    if run is None:
        row = connection.execute(
            "SELECT id FROM runs WHERE name = ? AND created >= ? ORDER BY id DESC LIMIT 1",
            (plan.run_name(cell), plan.created),
        ).fetchone()
        run = None if row is None else row[0]
    return None if run is None else reload(connection, run)


def _read_one(connection: sqlite3.Connection, plan: RacePlan, cell: Cell) -> CellResult:
    run = find_run_of(connection, plan, cell)
    if run is None:
        return CellResult(cell)
    result = CellResult.of_state(cell, run.id, summarized_state(connection, run.id))
    # the events don't show that the process died
    result.state, result.step = run.state, run.step
    row = connection.execute(
        "SELECT loss FROM batches WHERE run = ? AND step = 0 AND NOT superseded", (run.id,)
    ).fetchone()
    result.first_loss = row[0] if row else None
    return result


@dataclass(frozen=True, slots=True)
class Reached:
    """When a target was reached: at the first test that reached it, so with a precision of one epoch.

    Args:
        steps: mean over the seeds, optimizer steps.
        seconds: mean over the seeds, training time including tests.
    """

    steps: float
    seconds: float


def default_target(ranked: Sequence[Sequence[CellResult]], objective: Objective) -> float:
    """Return the hardest target that every run reaches.

    Args:
        ranked: the runs of each entrant, at least one.
    """
    better = max if objective.higher else min
    bests = [better(_finite_values(result, objective.metric)) for runs in ranked for result in runs]
    return min(bests) if objective.higher else max(bests)


def mean_reached(runs: Sequence[CellResult], objective: Objective, target: float) -> tuple[Reached | None, int]:
    """Return when an entrant reached the target, and how many of its seeds did.

    There is no mean if any seed missed it, since a mean over the other seeds would be too low.
    """
    firsts = [first for result in runs if (first := _first(result, objective, target)) is not None]
    if len(firsts) < len(runs):
        return None, len(firsts)
    steps, seconds = (statistics.fmean(values) for values in zip(*((t.step, t.seconds) for t in firsts), strict=True))
    return Reached(steps, seconds), len(firsts)


def _first(result: CellResult, objective: Objective, target: float) -> EvalDone | None:
    for _, test in sorted(result.tests.items()):
        value = metric_of(test, objective.metric)
        if is_finite(value) and (value >= target if objective.higher else value <= target):
            return test
    return None


def _finite_values(result: CellResult, metric: str) -> list[float]:
    # a loss can become infinite and recover
    return [value for test in result.tests.values() if is_finite(value := metric_of(test, metric))]
