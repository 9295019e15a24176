"""The lr still to come, from a run's state or its settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from recorded_runs import recorded_run
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lrtui.run.errors import LrtuiError
from lrtui.run.events import EvalDone, Event
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.forecast import (
    ForecastRequest,
    RunForecaster,
    follows_metric,
    forecast,
    request_for_run,
    request_for_spec,
)

PER_EPOCH = 50


def state_of(events: list[Event]) -> RunState:
    state = RunState()
    state.fold(events)
    return state


def with_f1(events: list[Event], f1: Callable[[EvalDone], float]) -> list[Event]:
    """Give each test an f1 beside its loss and accuracy."""
    return [replace(event, metrics={"f1": f1(event)}) if isinstance(event, EvalDone) else event for event in events]


def test_a_run_that_has_not_started_has_no_forecast() -> None:
    assert request_for_run(RunState()) is None
    assert RunForecaster()(RunState()) is None


def test_a_forecast_starts_with_the_run() -> None:
    request = request_for_run(state_of(recorded_run(230)))
    assert request == ForecastRequest("StepLR(step_size=1, gamma=0.5)", "Adam(lr=0.01)", 10, PER_EPOCH)
    assert request == request_for_spec(RunSpec(schedule=request.schedule, epochs=10), PER_EPOCH)


def test_a_forecast_after_a_switch_starts_at_the_switch() -> None:
    request = request_for_run(state_of(recorded_run(230, switch_at=130)))
    assert request is not None
    assert (request.schedule, request.start_step, request.anchor) == ("CosineAnnealingLR(T_max=6)", 130, "base")
    assert request.current_lrs == (0.0025,)
    found = forecast(request)
    assert found.lrs.shape == (500 - 130, 1)
    assert str(found.schedule) == "CosineAnnealingLR(T_max=6)"


def test_the_remaining_lrs_have_the_scale_of_the_run() -> None:
    state = state_of(recorded_run(230))
    request = request_for_run(state)
    assert request is not None
    whole = forecast(request)
    assert np.array_equal(RunForecaster()(state), whole.lrs[230:])  # type: ignore[arg-type]
    assert np.array_equal(whole.remaining(state), whole.lrs[230:])


def test_a_plateau_is_stepped_with_the_metric_that_it_follows() -> None:
    # f1 stops improving at the second test, while loss and accuracy keep improving
    schedule = "ReduceLROnPlateau(mode='max', factor=0.5, patience=0, metric='f1')"
    state = state_of(with_f1(recorded_run(230, schedule=schedule), lambda test: min(test.epoch, 2) / 10))
    assert follows_metric(state)
    request = request_for_run(state)
    assert request is not None
    lrs = forecast(request).lrs[::PER_EPOCH, 0]

    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler = ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=0)
    expected = []
    for epoch in range(10):
        expected.append(optimizer.param_groups[0]["lr"])
        if epoch < 4:
            scheduler.step([0.1, 0.2, 0.2, 0.2][epoch])
    assert lrs.tolist() == expected
    assert lrs[-1] == 0.0025


def test_an_epoch_without_a_test_leaves_a_plateau_unstepped() -> None:
    schedule = "ReduceLROnPlateau(factor=0.5, patience=0)"
    events = recorded_run(230, schedule=schedule)
    events = [replace(event, loss=float(event.epoch)) if isinstance(event, EvalDone) else event for event in events]
    without = [event for event in events if not (isinstance(event, EvalDone) and event.epoch == 2)]
    request = request_for_run(state_of(without))
    assert request is not None
    assert [len(metrics) for metrics in request.results] == [2, 0, 2, 2]
    lrs = forecast(request).lrs[::PER_EPOCH, 0]
    assert lrs[:5].tolist() == [0.01, 0.01, 0.01, 0.005, 0.0025]


def test_the_remaining_lrs_of_a_plateau_are_at_most_the_current_lr() -> None:
    state = state_of(recorded_run(230, schedule="ReduceLROnPlateau()"))
    remaining = RunForecaster()(state)
    assert remaining is not None
    assert remaining.shape == (270, 1)
    assert set(remaining[:, 0].tolist()) == set(state.current_lrs)


@pytest.mark.parametrize("schedule", ["Warmup(300, ReduceLROnPlateau())", "Warmup(0.6, ReduceLROnPlateau())"])
def test_the_remaining_lrs_of_a_warmup_around_a_plateau_rise(schedule: str) -> None:
    state = state_of(recorded_run(230, schedule=schedule))
    remaining = RunForecaster()(state)
    assert remaining is not None
    assert follows_metric(state)
    assert remaining[:, 0].tolist() == pytest.approx([*(0.01 * step / 300 for step in range(230, 300)), *[0.01] * 200])


def test_a_schedule_is_simulated_once_until_it_is_switched(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[ForecastRequest] = []

    def counted(request: ForecastRequest) -> object:
        calls.append(request)
        return forecast(request)

    monkeypatch.setattr("lrtui.schedules.forecast.forecast", counted)
    forecaster, events = RunForecaster(), recorded_run(230, switch_at=130)
    state = RunState()
    for event in events:
        state.fold([event])
        forecaster(state)
    assert [request.start_step for request in calls] == [0, 130]


@pytest.mark.parametrize("schedule", ["Nonsense(1)", "OneCycleLR(max_lr=0.1)"])
def test_a_schedule_that_cant_be_forecast_has_an_error(schedule: str) -> None:
    with pytest.raises(LrtuiError):
        forecast(ForecastRequest(schedule, "Adagrad()", 3, 2))
