"""What the runs of a race have come to, read off the store."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lrtui.analysis.race.plan import Cell, RacePlan
from lrtui.run.errors import StoreError
from lrtui.run.evaluations import ACCURACY, LOSS, epoch_results, metric_of
from lrtui.run.events import EvalDone, RunStarted
from lrtui.run.state import RunState
from lrtui.run.status import Status
from lrtui.store.connection import open_for_reading, told
from lrtui.store.location import DATABASE
from lrtui.store.reader import StoredRun, reload
from lrtui.store.store_feed import StoreFeed

CellState = Status | Literal["missing"]


@dataclass(slots=True)
class CellResult:
    """What one run of a race has come to.

    Args:
        state: of the run; `missing` where it was never begun, or is not in the store any more.
        tests: by epoch, of the model itself at the epoch's end.
        first_loss: of the first batch, before anything was learnt; None where there is none.
        error: why it failed.
        story: what the run said, its steps summed up.
    """

    cell: Cell
    run: int | None = None
    state: CellState = "missing"
    step: int = 0
    total_steps: int = 0
    tests: Mapping[int, EvalDone] = field(default_factory=dict)
    first_loss: float | None = None
    error: str | None = None
    story: RunState | None = None

    @property
    def last_test(self) -> EvalDone | None:
        """The newest result."""
        return self.tests[max(self.tests)] if self.tests else None

    @property
    def is_done(self) -> bool:
        """Whether it has run to its end, and its last result is a number."""
        return self.state == "done" and self.last_test is not None and math.isfinite(self.last_test.loss)

    def value(self, metric: str, epoch: int | None = None) -> float | None:
        """Return a figure at the end of an epoch, or the newest one; None where there is none."""
        return metric_of(self.last_test if epoch is None else self.tests.get(epoch), metric)

    @classmethod
    def of_state(cls, cell: Cell, run: int | None, state: RunState) -> CellResult:
        """Return what a run's state comes to."""
        return cls(
            cell,
            run,
            state.status,
            state.step,
            state.total_steps,
            epoch_results(state),
            error=state.outcome.error if state.outcome else None,
            story=state,
        )


def metric_of_race(results: Sequence[CellResult]) -> str:
    """Return what the race is decided by: the test accuracy, or the test loss where the task has no accuracy."""
    tests = [test for result in results for test in result.tests.values()]
    return ACCURACY if tests and all(test.accuracy is not None for test in tests) else LOSS


def open_cells(plan: RacePlan, results: Sequence[CellResult]) -> list[Cell]:
    """Return the runs that have still something to run: those that are not through, of entrants in the race."""
    out = {*plan.rulings}
    if plan.stops:
        out |= {result.cell.entrant for result in results if result.state == "diverged"}
    return [
        result.cell for result in results if result.state not in ("done", "diverged") and result.cell.entrant not in out
    ]


def read_results(folder: Path, plan: RacePlan) -> list[CellResult]:
    """Return what every run of the race has come to, in the order of `plan.cells`.

    Raises:
        StoreError: where the store can't be read.
    """
    if not (folder / DATABASE).exists():
        return [CellResult(cell) for cell in plan.cells]
    with closing(open_for_reading(folder)) as connection, told(folder / DATABASE):
        return [_read_one(connection, plan, cell) for cell in plan.cells]


def find_run_of(connection: sqlite3.Connection, plan: RacePlan, cell: Cell) -> StoredRun | None:
    """Return the stored run of a cell; one that was begun just before the race was killed is found by its name."""
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
    state = RunState()
    state.fold(StoreFeed(connection, run.id, in_full=0).take())
    result = CellResult.of_state(cell, run.id, state)
    # a process that has died says nothing of it
    result.state, result.step = run.state, run.step
    row = connection.execute(
        "SELECT loss FROM batches WHERE run = ? AND step = 0 AND NOT superseded", (run.id,)
    ).fetchone()
    result.first_loss = row[0] if row else None
    return result


def check_kept(folder: Path | None) -> Path:
    """Return the folder of the store that a race is kept in.

    Raises:
        StoreError: where nothing is kept.
    """
    if folder is None:
        raise StoreError("a race is made of kept runs, and --store none keeps nothing: --store DIR names a folder")
    return folder


def test_samples(started: RunStarted) -> int:
    """Return how many samples a run's tests are of."""
    return max(1, int(started.data.get("test", 1)))
