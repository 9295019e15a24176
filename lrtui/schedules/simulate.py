"""The lr of each step, by stepping the real scheduler: exact, since training runs the same code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrtui.run.arguments import check_argument
from lrtui.run.errors import LrtuiError, NotationError, UsageError
from lrtui.run.evaluations import epoch_results, metric_names, metric_of
from lrtui.run.state import RunState
from lrtui.schedules.anchor import ANCHORS
from lrtui.schedules.build import build, step_scheduler
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.optimizer_build import build_tiny_optimizer, parts_of
from lrtui.schedules.schedule import Schedule

Results = Sequence[Mapping[str, float]]
"""Metrics of each epoch's test by name, the first epoch first."""


def simulate(
    schedule: Schedule,
    optimizer: OptimizerSpec,
    horizon: Horizon,
    *,
    base_lrs: Sequence[float] | None = None,
    metrics: Results | None = None,
) -> NDArray[np.float64]:
    """Return the lr of each step from the horizon's start to the end; imports torch.

    Args:
        schedule: what to follow; lengths left out are filled in.
        optimizer: its class, lr and groups.
        horizon: the run's length and where the schedule starts.
        base_lrs: lr to build on, one per parameter group, in place of the optimizer's.
        metrics: test results of the epochs from the horizon's start on, for schedules that follow one; after the
            last of them the schedule is not stepped.

    Returns:
        float64, shape (steps from the start to the end, parameter groups).

    Raises:
        NotationError: for a schedule that can't be built on this optimizer or stepped to the end.
        TaskError: if a user's class fails.
    """
    check_argument("simulate", "schedule", schedule, Schedule, 'a Schedule, such as parse_schedule("StepLR(3)")')
    check_argument("simulate", "optimizer", optimizer, OptimizerSpec, 'such as parse_optimizer("SGD(lr=0.1)")')
    check_argument("simulate", "horizon", horizon, Horizon, "a Horizon")
    tiny = build_tiny_optimizer(optimizer)
    if base_lrs is not None:
        for group, lr in zip(tiny.param_groups, base_lrs, strict=True):
            group["lr"] = lr
    filled, _ = fill_in(schedule, horizon)
    scheduler = build(filled, tiny, horizon)
    # PyTorch warns of a scheduler that steps before its optimizer
    for each in parts_of(tiny):
        each._opt_called = True  # type: ignore[attr-defined]
    lrs = np.empty((horizon.steps, len(tiny.param_groups)))
    try:
        row, results = 0, iter(metrics or ())
        for done, unit in horizon.moments(filled.units):
            end = done - horizon.start_step
            if row < end:
                lrs[row:end] = _current_lrs(tiny)
                row = end
            step_scheduler(scheduler, filled, next(results, None) if unit == "epoch" else None, unit)
    except LrtuiError:
        raise
    except Exception as error:  # a user's class can put any object where an lr belongs
        raise NotationError(f"{type(error).__name__}: {error}", str(schedule)) from error
    return lrs


def _current_lrs(optimizer: Any) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def simulate_anchor(
    schedule: Schedule,
    optimizer: OptimizerSpec,
    horizon: Horizon,
    anchor: str,
    current_lrs: Sequence[float],
    *,
    metrics: Results | None = None,
) -> NDArray[np.float64]:
    """Return the lr of each remaining step, as a switch with this anchor would make it.

    Args:
        anchor: `base`, `current` or `start`.
        current_lrs: the lr that `current` builds on, one per parameter group.
        metrics: as in `simulate`; for `start` from the run's first epoch on.

    Returns:
        float64, shape (steps from the horizon's start to the end, parameter groups).

    Raises:
        NotationError: as `simulate` does.
        UsageError: for an unknown anchor.
    """
    if anchor not in ANCHORS:
        raise UsageError(f"unknown anchor {anchor[:40]!r}; available: {', '.join(ANCHORS)}")
    if anchor == "start":
        return simulate(schedule, optimizer, horizon.whole, metrics=metrics)[horizon.start_step :]
    base_lrs = current_lrs if anchor == "current" else None
    return simulate(schedule, optimizer, horizon, base_lrs=base_lrs, metrics=metrics)


# -- over the test results of a recorded run --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A schedule over a recorded run.

    Args:
        schedule: filled in.
        filled_in: the lengths filled in, by name.
        lrs: float64, shape (steps of the whole run, parameter groups).
        cuts: epochs, from 1, after whose test the schedule would have cut the lr because of a metric.
    """

    schedule: Schedule
    filled_in: dict[str, int]
    lrs: NDArray[np.float64]
    cuts: tuple[int, ...]


def what_if(schedule: Schedule, optimizer: OptimizerSpec, horizon: Horizon, results: Results) -> WhatIf:
    """Return what the schedule would have been over a whole run with these test results.

    PyTorch's class is stepped with the recorded results. They belong to the lr that the run had: under another lr they
    would have been different ones, which are unknown.

    Args:
        schedule: lengths left out are filled in.
        optimizer: its class, lr and groups.
        horizon: the run's length.
        results: results of the tests at the epochs' ends; after the last one, a schedule that follows a metric is held.

    Raises:
        NotationError: for a schedule that can't be built on this optimizer.
        UsageError: for one that follows a metric that no test has.
    """
    if schedule.metric is not None and results and not any(schedule.metric in result for result in results):
        known = ", ".join(dict.fromkeys(name for result in results for name in result))
        raise UsageError(
            f"{schedule} follows the test's {schedule.metric}; the tests of that run return {known or 'none'}"
        )
    filled, values = fill_in(schedule, horizon)
    lrs = simulate(schedule, optimizer, horizon, metrics=results)
    cuts = lr_cuts(lrs, horizon) if schedule.metric is not None else ()
    return WhatIf(filled, values, lrs, cuts)


def lr_cuts(lrs: NDArray[np.float64], horizon: Horizon) -> tuple[int, ...]:
    """Return the epochs, from 1, after which the lr of any group is lower than before.

    Args:
        lrs: lrs of the steps from the horizon's start on, shape (steps, parameter groups).
        horizon: says which steps these are.
    """
    per_epoch = horizon.batches_per_epoch
    ends = [step for step in range(horizon.start_step + 1, horizon.start_step + len(lrs)) if step % per_epoch == 0]
    places = [(step // per_epoch, step - horizon.start_step) for step in ends]
    return tuple(epoch for epoch, place in places if bool((lrs[place] < lrs[place - 1]).any()))


def cuts_text(cuts: Iterable[int]) -> str:
    """Return the end of a sentence: the epochs after which the lr would have been cut."""
    epochs = list(map(str, cuts))
    if not epochs:
        return "would not have cut the lr"
    return f"would have cut after epoch{'s' * (len(epochs) > 1)} {', '.join(epochs)}"


def recorded_results(states: Iterable[RunState]) -> list[Mapping[str, float]]:
    """Return the metrics of the tests at the epochs' ends, the first epoch first; empty if there was no test.

    Args:
        states: states of a run and of those that it branched from, the oldest first; a later one takes precedence.
    """
    results = {epoch: result for state in states for epoch, result in epoch_results(state).items()}
    found: list[Mapping[str, float]] = []
    for epoch in range(1, max(results, default=0) + 1):
        test = results.get(epoch)
        values = {name: metric_of(test, name) for name in metric_names([test])} if test is not None else {}
        found.append({name: value for name, value in values.items() if value is not None})
    return found
