"""A run's line in a list: the store's own row of it, or what this process knows of one of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from lrtui.tui.run_list.shown_run import ShownRun

# the first frame waits for nothing of the store's
if TYPE_CHECKING:
    from lrtui.store.columns import ListedRun

Order = Literal["newest", "best", "name"]

ORDERS: tuple[Order, ...] = get_args(Order)
"""In which a key goes through them."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run in a list.

    Args:
        listed: what columns, filters and lines are made of.
        best_loss: the lowest of its tests, where the task has no accuracy.
    """

    listed: ListedRun
    best_loss: float | None = None

    @property
    def number(self) -> int:
        """The run's number."""
        return self.listed.run.id

    @property
    def best(self) -> float | None:
        """The best accuracy, or the lowest loss where there is none; None before the first test."""
        accuracy = self.listed.run.best_accuracy
        return self.best_loss if accuracy is None else accuracy


def row_of(run: ShownRun, before: RunRow | None) -> RunRow:
    """Return the row of a run of this process.

    Args:
        before: the store's, where it has one: with what only the store knows, such as its name.
    """
    from lrtui.store.columns import ListedRun
    from lrtui.store.liveness import this_process
    from lrtui.store.reader import StoredRun

    state = run.state
    best, last, started = state.best, state.last_test, state.started
    told: dict[str, Any] = {
        "spec": started.spec if started else run.spec,
        "state": state.status,
        "schedule": state.schedule or run.spec.schedule,
        "epoch": state.epoch,
        "step": state.step,
        "total_steps": started.total_steps if started else None,
        "seconds": state.elapsed,
        "loss": state.loss.last if len(state.loss) else None,
        "test_loss": last.loss if last else None,
        "accuracy": last.accuracy if last else None,
        "best_accuracy": best.accuracy if best else None,
        "best_epoch": best.epoch if best else None,
        "error": state.outcome.error if state.outcome else None,
    }
    lr = state.current_lrs[0] if state.current_lrs else None
    best_loss = best.loss if best and best.accuracy is None else None
    if before is not None:
        return RunRow(ListedRun(replace(before.listed.run, **told), lr), best_loss)
    now = time.time()
    unrecorded = StoredRun(
        id=run.number,
        name=run.spec.name,
        note="",
        created=now,
        parent=None,
        first_step=state.first_step,
        device=started.device if started else None,
        data=started.data if started else {},
        versions={},
        git_commit=None,
        command_line=(),
        directory="",
        finished=None,
        process=this_process(),
        heartbeat=now,
        **told,
    )
    return RunRow(ListedRun(unrecorded, lr), best_loss)


def in_order(rows: Sequence[RunRow], order: Order) -> list[RunRow]:
    """Return the rows in that order; of equals the newer first."""
    rows = sorted(rows, key=lambda row: -row.number)
    match order:
        case "best":
            return sorted(rows, key=_merit)
        case "name":
            return sorted(rows, key=lambda row: (row.listed.run.name or row.listed.run.schedule).lower())
    return rows


def _merit(row: RunRow) -> tuple[int, float]:
    """Return what sorts the best to the front: accuracies first, then losses, then what has neither."""
    accuracy, loss = row.listed.run.best_accuracy, row.best_loss
    if accuracy is not None and accuracy == accuracy:
        return (0, -accuracy)
    return (1, loss) if loss is not None and loss == loss else (2, 0.0)
