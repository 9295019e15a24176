"""The test that ends an epoch, and the metrics of a test result."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest
from recorded_runs import PER_EPOCH, recorded_run

from lrtui.analysis.advice.epoch_records import epoch_records
from lrtui.run.evaluations import epoch_means, epoch_results, metric_names, metric_of
from lrtui.run.events import EpochDone, EvalDone, Event, StepDone
from lrtui.run.state import RunState
from lrtui.schedules.forecast import request_for_run


def state_of(events: Iterable[Event]) -> RunState:
    state = RunState()
    state.fold(replace(event, seq=seq) for seq, event in enumerate(events))
    return state


def results_of(events: list[Event]) -> list[EvalDone]:
    return [event for event in events if isinstance(event, EvalDone)]


def insert_before(events: list[Event], place: Event, *added: Event) -> list[Event]:
    index = events.index(place)
    return [*events[:index], *added, *events[index:]]


def insert_after(events: list[Event], place: Event, *added: Event) -> list[Event]:
    index = events.index(place) + 1
    return [*events[:index], *added, *events[index:]]


def test_the_result_of_an_epoch_is_its_last_test_of_the_model_itself() -> None:
    events = recorded_run(100)
    test = results_of(events)[0]
    on_demand = replace(test, loss=9.0, accuracy=0.1)
    averaged = replace(test, loss=0.01, accuracy=0.99, averaged=True)
    events = insert_after(insert_before(events, test, on_demand), test, averaged)
    state = state_of(events)
    assert epoch_results(state)[1].accuracy == test.accuracy
    # a test in an unfinished epoch does not end one
    state.fold([replace(on_demand, seq=len(events), epoch=3, step=100)])
    assert list(epoch_results(state)) == [1, 2]


def test_a_test_on_demand_before_the_next_epoch_does_not_end_an_epoch() -> None:
    events = recorded_run(100)
    done = next(event for event in events if isinstance(event, EpochDone))
    late = replace(results_of(events)[0], epoch=2, accuracy=0.1)
    assert epoch_results(state_of(insert_after(events, done, late)))[1].accuracy != 0.1


def test_a_test_on_demand_within_an_epoch_does_not_end_it() -> None:
    events = recorded_run(100)
    test = results_of(events)[1]
    early = replace(test, step=PER_EPOCH + 7)
    events[events.index(test)] = early
    assert list(epoch_results(state_of(events))) == [1]


def test_the_results_of_the_latest_epochs_are_the_same() -> None:
    state = state_of(recorded_run(230))
    results = epoch_results(state)
    assert list(results) == [1, 2, 3, 4]
    assert epoch_results(state, latest=2) == {epoch: results[epoch] for epoch in (3, 4)}


@pytest.mark.parametrize("where", ["before", "after"])
def test_advice_and_forecast_use_the_same_test_as_the_comparison(where: str) -> None:
    events = recorded_run(100, schedule="ReduceLROnPlateau()")
    test = results_of(events)[0]
    done = next(event for event in events if isinstance(event, EpochDone))
    if where == "before":
        events = insert_before(events, test, replace(test, loss=9.0, accuracy=0.1))
    else:
        events = insert_after(events, done, replace(test, loss=9.0, accuracy=0.1, epoch=2))
    state = state_of(events)
    results = list(epoch_results(state).values())
    assert [result.accuracy for result in results] == [item.accuracy for item in results_of(recorded_run(100))]
    assert [item.result for item in epoch_records(state)] == results
    question = request_for_run(state)
    assert question is not None
    assert [dict(figures) for figures in question.results] == [result.all_metrics for result in results]


def test_the_forecast_of_a_plateau_has_the_metrics_of_the_task() -> None:
    events = [
        replace(event, metrics={"f1": 0.5}) if isinstance(event, EvalDone) else event
        for event in recorded_run(100, schedule="ReduceLROnPlateau(metric='f1')")
    ]
    question = request_for_run(state_of(events))
    assert question is not None
    assert [dict(figures)["f1"] for figures in question.results] == [0.5, 0.5]


def test_the_mean_of_a_step_metric_ignores_steps_without_it() -> None:
    events = [
        replace(event, metrics={"grad_norm": float(event.step)} if event.step % 2 and event.step >= PER_EPOCH else {})
        if isinstance(event, StepDone)
        else event
        for event in recorded_run(130)
    ]
    state = state_of(events)
    assert epoch_means(state, "grad_norm") == {2: 75.0}
    assert epoch_means(state, "unknown") == {}
    assert epoch_means(RunState(), "grad_norm") == {}


def test_accuracy_and_loss_come_before_the_metrics_of_the_task() -> None:
    test = results_of(recorded_run(50))[0]
    assert metric_names([replace(test, accuracy=None, metrics={"f1": 0.5}), test]) == ("accuracy", "loss", "f1")
    assert metric_of(replace(test, metrics={"f1": 0.5}), "f1") == 0.5
    assert metric_of(test, "f1") is None
    assert metric_of(None, "loss") is None
