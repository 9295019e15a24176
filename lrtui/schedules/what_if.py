"""What a schedule would have been at the steps of a run that is recorded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import UsageError
from lrtui.run.evaluations import epoch_results, metric_names, metric_of
from lrtui.run.state import RunState
from lrtui.schedules.filling import fill_in
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.optimizer_notation import OptimizerSpec
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.simulate import Results, simulate


@dataclass(frozen=True, slots=True)
class WhatIf:
    """A schedule over a recorded run.

    Args:
        schedule: filled in.
        filled_in: what was, by name.
        lrs: float64, shape (steps of the whole run, parameter groups).
        cuts: epochs, from 1, after whose test a ReduceLROnPlateau would have cut the lr.
    """

    schedule: Schedule
    filled_in: dict[str, int]
    lrs: NDArray[np.float64]
    cuts: tuple[int, ...]


def what_if(schedule: Schedule, optimizer: OptimizerSpec, horizon: Horizon, results: Results) -> WhatIf:
    """Return what the schedule would have been over a whole run, had its tests said what they did.

    PyTorch's own class is stepped with the recorded figures. They are those of the lr that the run had: with another lr
    the tests would have said something else, which nobody knows.

    Args:
        schedule: lengths left out are filled in.
        optimizer: its class, lr and groups.
        horizon: the run's length.
        results: of the tests at the epochs' ends; where they end, a schedule that follows one is held.

    Raises:
        NotationError: for a schedule that can't be built on this optimizer.
        UsageError: for one that follows a figure which no test has.
    """
    if schedule.metric is not None and results and not any(schedule.metric in result for result in results):
        known = ", ".join(dict.fromkeys(name for result in results for name in result))
        raise UsageError(
            f"{schedule} follows the test's {schedule.metric}; the tests of that run have {known or 'none'}"
        )
    filled, values = fill_in(schedule, horizon)
    lrs = simulate(schedule, optimizer, horizon, metrics=results)
    cuts = cuts_of(lrs, horizon) if schedule.metric is not None else ()
    return WhatIf(filled, values, lrs, cuts)


def cuts_of(lrs: NDArray[np.float64], horizon: Horizon) -> tuple[int, ...]:
    """Return the epochs, from 1, after which the lr of any group is lower than before.

    Args:
        lrs: of the steps from the horizon's start on, shape (steps, parameter groups).
        horizon: says which steps these are.
    """
    per_epoch = horizon.batches_per_epoch
    ends = [step for step in range(horizon.start_step + 1, horizon.start_step + len(lrs)) if step % per_epoch == 0]
    places = [(step // per_epoch, step - horizon.start_step) for step in ends]
    return tuple(epoch for epoch, place in places if bool((lrs[place] < lrs[place - 1]).any()))


def cuts_words(cuts: Iterable[int]) -> str:
    """Return in words when the lr would have been cut."""
    epochs = list(map(str, cuts))
    if not epochs:
        return "would not have cut the lr"
    return f"would have cut after epoch{'s' * (len(epochs) > 1)} {', '.join(epochs)}"


def recorded_results(states: Iterable[RunState]) -> list[Mapping[str, float]]:
    """Return what the tests at the epochs' ends said, the first epoch's first; an empty one where that is not known.

    Args:
        states: of a run and those that it goes back to, the oldest first; what a later one says counts.
    """
    results = {epoch: result for state in states for epoch, result in epoch_results(state).items()}
    found: list[Mapping[str, float]] = []
    for epoch in range(1, max(results, default=0) + 1):
        test = results.get(epoch)
        figures = {name: metric_of(test, name) for name in metric_names([test])} if test is not None else {}
        found.append({name: value for name, value in figures.items() if value is not None})
    return found
