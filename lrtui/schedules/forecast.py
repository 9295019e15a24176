"""The lr still to come in a run, or in one that may be started: exact, by stepping the real scheduler."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import LrtuiError
from lrtui.run.evaluations import epoch_results
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState

# the parser and the catalogue take 20 ms to import, which the cockpit's first frame does not wait for
if TYPE_CHECKING:
    from lrtui.schedules.horizon import Horizon
    from lrtui.schedules.schedule import Schedule

Floats = NDArray[np.float64]

Metrics = tuple[tuple[str, float], ...]
"""Metrics of one test as (name, value) pairs; empty if there was no test."""

RemainingLrs = Callable[[RunState], "Floats | None"]
"""Returns the lr of each step still to come in a run, the scale included, float64, shape (steps, parameter groups);
None if it isn't known (yet)."""

MAX_STEPS = 500_000
"""Maximum number of steps for which a per-batch schedule is simulated while a run trains in the same process; they
take 10 s."""


@dataclass(frozen=True, slots=True)
class ForecastRequest:
    """A schedule that starts at a step of a run, and everything that its future lr depends on.

    Args:
        schedule: notation.
        optimizer: notation; its lr is what the anchors `base` and `start` build on.
        epochs: epochs of the whole run.
        batches_per_epoch: optimizer steps per epoch.
        start_step: step from which the schedule is active.
        anchor: `base`, `current` or `start`.
        current_lrs: lr at the start step, one per parameter group; empty for the optimizer's.
        results: test metrics that the schedule is stepped with, one entry per epoch; the first entry is for the epoch
            of the start step, or for the run's first epoch if the anchor is `start`.
        max_steps: optimizer steps after which the run ends, as in `Horizon`.
    """

    schedule: str
    optimizer: str
    epochs: int
    batches_per_epoch: int
    start_step: int = 0
    anchor: str = "base"
    current_lrs: tuple[float, ...] = ()
    results: tuple[Metrics, ...] = ()
    max_steps: int | None = None

    @property
    def horizon(self) -> Horizon:
        """The steps that the forecast covers."""
        from lrtui.schedules.horizon import Horizon

        return Horizon(self.epochs, self.batches_per_epoch, self.start_step, self.max_steps)

    def extended(self, epochs: int) -> ForecastRequest:
        """Return the request for a run that is longer by this many epochs."""
        longer = self.horizon.extended(epochs)
        return replace(self, epochs=longer.epochs, max_steps=longer.max_steps)

    @property
    def schedule_horizon(self) -> Horizon:
        """The steps that the schedule covers: with the anchor `start` those of the whole run."""
        return self.horizon.whole if self.anchor == "start" else self.horizon


@dataclass(frozen=True, slots=True)
class Forecast:
    """The answer to a request.

    Args:
        request: what was asked for.
        schedule: the schedule with its lengths filled in.
        lrs: lr of each step from `start_step` to the end, without the scale, shape (steps, parameter groups).
    """

    request: ForecastRequest
    schedule: Schedule
    lrs: Floats

    def remaining(self, state: RunState) -> Floats:
        """Return the part that a run has not trained yet, with the scale that it has now."""
        return remaining_lrs(state, self.request.start_step, self.lrs)


def request_for_spec(spec: RunSpec, batches_per_epoch: int) -> ForecastRequest:
    """Return the request for the schedule of a run that has not started."""
    return ForecastRequest(spec.schedule, spec.optimizer, spec.epochs, batches_per_epoch, max_steps=spec.max_steps)


def request_for_run(state: RunState) -> ForecastRequest | None:
    """Return the request for the active schedule in a run, from its switch on.

    None before the run started, and for a log of unknown length or with an unknown schedule.
    """
    if state.started is None or not state.total_steps or not state.schedule:
        return None
    spec, batches_per_epoch = state.started.spec, state.started.batches_per_epoch
    switch = state.last_switch
    start_step, anchor = (switch.step, switch.anchor) if switch else (0, "base")
    return ForecastRequest(
        schedule=state.schedule,
        optimizer=spec.optimizer,
        epochs=spec.epochs,
        batches_per_epoch=batches_per_epoch,
        start_step=start_step,
        anchor=anchor,
        current_lrs=tuple(switch.lrs_before) if switch else (),
        results=_results_since(state, 0 if anchor == "start" else start_step) if follows_metric(state) else (),
        max_steps=None if spec.max_steps is None else state.total_steps,
    )


def before_switch(state: RunState) -> RunState | None:
    """Return the run as it would be without its last switch and all that came after.

    It shares the series with the given state. None if the run was never switched.
    """
    switch = state.last_switch
    if switch is None:
        return None
    changes = state.changes[: state.changes.index(switch)]
    return replace(state, changes=changes, evaluations=[test for test in state.evaluations if test.seq < switch.seq])


def _results_since(state: RunState, step: int) -> tuple[Metrics, ...]:
    """Return the metrics of the tests that ended the epochs after a step; an epoch without a test has none.

    A schedule that starts during the test at an epoch's end is not stepped at that end.
    """
    tests = {epoch: test for epoch, test in epoch_results(state).items() if test.step > step}
    first = step // state.started.batches_per_epoch + 1 if state.started else 1
    epochs = range(first, max(tests, default=0) + 1)
    return tuple(tuple(tests[epoch].all_metrics.items()) if epoch in tests else () for epoch in epochs)


def forecast(request: ForecastRequest) -> Forecast:
    """Return the lr to come by stepping the real scheduler; imports torch.

    Raises:
        LrtuiError: for a schedule that can't be read, built or stepped to the end.
    """
    from lrtui.schedules.lengths import fill_in
    from lrtui.schedules.notation import parse_optimizer, parse_schedule
    from lrtui.schedules.simulate import simulate_anchor

    schedule, optimizer = parse_schedule(request.schedule), parse_optimizer(request.optimizer)
    current_lrs = request.current_lrs or optimizer.lrs
    results = [dict(metrics) for metrics in request.results]
    lrs = simulate_anchor(schedule, optimizer, request.horizon, request.anchor, current_lrs, metrics=results)
    return Forecast(request, fill_in(schedule, request.schedule_horizon)[0], lrs)


def remaining_lrs(state: RunState, start_step: int, lrs: Floats) -> Floats:
    """Return the part of a forecast that a run has not trained yet, with the scale that it has now.

    Args:
        start_step: step of the first row.
        lrs: lr without the scale, shape (steps, parameter groups).
    """
    left = lrs[max(0, state.step - start_step) :]
    scale = np.asarray(state.scale)
    return left * scale if len(scale) == left.shape[1] else left


@functools.lru_cache(maxsize=64)
def _follows_metric(notation: str) -> bool:
    from lrtui.schedules.notation import parse_schedule

    try:
        return any(part.metric is not None for part in parse_schedule(notation).walk())
    except LrtuiError:
        return False


def follows_metric(state: RunState) -> bool:
    """Return whether the active schedule, or one inside it, follows the results of tests."""
    return _follows_metric(state.schedule)


@functools.lru_cache(maxsize=64)
def _is_plateau(notation: str) -> bool:
    from lrtui.schedules.notation import parse_schedule

    try:
        return all(part.metric is not None and not part.children for part in parse_schedule(notation).walk())
    except LrtuiError:
        return False


def never_rises(state: RunState) -> bool:
    """Return whether the active schedule does nothing but lower the lr after the results of tests.

    A warmup around such a schedule raises the lr.
    """
    return _is_plateau(state.schedule)


def highest_remaining_lrs(state: RunState) -> Floats | None:
    """Return the current lr for every step to come, an upper bound for a schedule that never raises it."""
    steps = state.total_steps - state.step
    lrs = np.asarray(state.current_lrs, dtype=np.float64)
    return np.broadcast_to(lrs, (steps, len(lrs))) if steps > 0 and len(lrs) else None


class RunForecaster:
    """Simulates the lr still to come in a run, once per schedule of the run; used by one thread."""

    def __init__(self) -> None:
        self._request: ForecastRequest | None = None
        self._forecast: Forecast | None = None

    def __call__(self, state: RunState) -> Floats | None:
        """Return the lr still to come; imports torch at the first call."""
        if state.started is not None and never_rises(state):
            return highest_remaining_lrs(state)
        request = request_for_run(state)
        if request != self._request:
            self._request, self._forecast = request, None if request is None else _quick_forecast(request)
        return self._forecast.remaining(state) if self._forecast else None


def _quick_forecast(request: ForecastRequest) -> Forecast | None:
    """Return the forecast, or None if it would take too long or fails, which must not stop the run."""
    from lrtui.schedules.notation import parse_schedule

    try:
        is_long = request.horizon.total_steps > MAX_STEPS
        return None if is_long and parse_schedule(request.schedule).per == "batch" else forecast(request)
    except LrtuiError:
        return None
