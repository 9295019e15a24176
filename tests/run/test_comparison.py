"""Differences between runs, and the best run at equal epochs, at equal times and at the end."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from recorded_runs import recorded_run

from lrtui.run.comparison import Figures, compare, comparison_lines, round_moments
from lrtui.run.events import EvalDone, Event, RunStarted, StepDone
from lrtui.run.source import run_started
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.text.format import MISSING


def state_of(events: list[Event]) -> RunState:
    state = RunState()
    state.fold(events)
    return state


def with_results(events: list[Event], change: float, **spec: object) -> list[Event]:
    """Return the events with every accuracy and loss better by `change`."""
    changed: list[Event] = []
    for event in events:
        if isinstance(event, EvalDone) and event.accuracy is not None:
            event = replace(event, accuracy=event.accuracy + change, loss=event.loss - change)
        if isinstance(event, RunStarted):
            event = replace(event, spec=replace(event.spec, **spec))  # type: ignore[arg-type]
        changed.append(event)
    return changed


def test_differing_settings_are_in_the_order_of_declaration() -> None:
    first = state_of(recorded_run(100))
    second = state_of(with_results(recorded_run(100), 0.0, seed=1, optimizer="SGD(lr=0.1)", name="other"))
    third = state_of(with_results(recorded_run(100), 0.0, seed=2))
    comparison = compare([first, second, third, RunState()])
    assert comparison.settings == {
        "optimizer": ("Adam(lr=0.01)", "SGD(lr=0.1)", "Adam(lr=0.01)", None),
        "seed": (0, 1, 2, None),
    }
    assert list(comparison.settings) == ["optimizer", "seed"]
    assert comparison.circumstances == {}


def test_differing_data_and_devices_are_reported_beside_the_settings() -> None:
    def elsewhere(event: Event) -> Event:
        if isinstance(event, RunStarted):
            return replace(event, device="cuda", data={**event.data, "source": "cache", "train": 60000})
        return event

    events = recorded_run(100)
    comparison = compare([state_of(events), state_of(list(map(elsewhere, events)))])
    assert comparison.settings == {}
    assert comparison.circumstances == {
        "computed on": ("cpu", "cuda"),
        "data": ("Tiny from bundled sample", "Tiny from cache"),
        "samples": ("3,200 + 1,000", "60,000 + 1,000"),
    }


def test_what_is_unknown_of_a_log_is_shown_as_missing() -> None:
    trained = state_of(recorded_run(100))
    steps = [StepDone(seq=1, step=0, seconds=0.1, epoch=1, batch=0, loss=2.0, lrs=(0.01,))]
    log = state_of([run_started(total_steps=1), *steps])
    # differs from the first in everything that the log does not know
    other = state_of(
        [
            replace(
                event, device="cuda", torch_threads=7, data={**event.data, "train": 1, "source": "x"}, parameter_count=3
            )
            if isinstance(event, RunStarted)
            else event
            for event in recorded_run(100)
        ]
    )
    states = [trained, log, other]
    comparison = compare(states)
    assert set(comparison.circumstances) == {"computed on", "torch threads", "data", "samples", "parameters"}
    assert [values[1] for values in comparison.circumstances.values()] == [None] * 5
    assert compare([trained, log]).circumstances == {}
    lines = "\n".join(comparison_lines(["#1", "log", "#2"], states, comparison))
    assert lines.count(f"log  {MISSING}") >= 5
    assert "None" not in lines


def test_settings_that_a_log_does_not_have_are_no_differences() -> None:
    trained = state_of(with_results(recorded_run(100), 0.0, optimizer="SGD(lr=0.1)", seed=3))
    steps = [StepDone(seq=1, step=0, seconds=0.1, epoch=1, batch=0, loss=2.0, lrs=(0.01,))]
    log = state_of([run_started(), *steps])
    assert compare([trained, log]).settings == {}
    # what the source does know is compared
    assert compare([trained, state_of([run_started(spec=RunSpec(seed=4)), *steps])]).settings["seed"] == (3, 4)
    scheduled = state_of([replace(run_started(), spec=RunSpec(schedule="StepLR(2)")), *steps])
    assert compare([trained, scheduled]).settings == {"schedule": (trained.schedule, "StepLR(2)")}
    assert compare([trained, state_of(recorded_run(100)), log]).settings == {
        "optimizer": ("SGD(lr=0.1)", "Adam(lr=0.01)", None),
        "seed": (3, 0, None),
    }


def test_at_equal_epochs_the_best_is_the_highest_accuracy_and_the_lowest_loss() -> None:
    shorter, better = state_of(recorded_run(120)), state_of(with_results(recorded_run(500), 0.01))
    comparison = compare([shorter, better])
    assert comparison.metrics == ("accuracy", "loss")
    accuracy = comparison.by_epoch["accuracy"]
    assert list(accuracy) == list(range(1, 11))
    assert accuracy[2].values == (0.838, pytest.approx(0.848))
    assert accuracy[2].best == (1,)
    assert comparison.by_epoch["loss"][2].best == (1,)
    # one alone is not the best of anything
    assert accuracy[3].values[0] is None
    assert accuracy[3].best == ()


def test_none_is_best_if_all_are_equal_and_both_if_two_are() -> None:
    events = recorded_run(100)
    same, worse = state_of(events), state_of(with_results(events, -0.1))
    assert compare([same, same]).by_epoch["accuracy"][1].best == ()
    assert compare([same, worse, same]).by_epoch["accuracy"][1].best == (0, 2)


def test_at_equal_seconds_the_latest_result_counts_and_a_finished_run_has_none() -> None:
    # an epoch takes 2 s
    comparison = compare([state_of(recorded_run(500)), state_of(recorded_run(230))])
    rows = comparison.by_seconds["accuracy"]
    # the last event of 500 steps comes after 20 s, of 230 after 9.2
    assert list(rows) == [5.0, 10.0, 15.0, 20.0]
    assert rows[5.0].values == (0.838, 0.838)
    assert rows[10.0].values[1] is None


def test_there_is_no_result_before_the_first_test() -> None:
    comparison = compare([state_of(recorded_run(60)), state_of(recorded_run(40))])
    assert comparison.by_seconds["accuracy"][1.0].values == (None, None)


def test_final_and_best_results_have_their_epochs() -> None:
    comparison = compare([state_of(recorded_run(450)), state_of(recorded_run(300))])
    assert comparison.final["accuracy"].values == (0.9232, 0.9176)
    # epoch 9 was worse than epoch 8
    assert comparison.best["accuracy"].values == (0.9254, 0.9176)
    assert comparison.best_epochs["accuracy"] == (8, 6)
    assert comparison.best["accuracy"].best == (0,)


def test_a_nan_loss_is_never_the_best() -> None:
    def broken(event: Event) -> Event:
        if isinstance(event, EvalDone):
            return replace(event, loss=math.nan if event.epoch > 1 else -math.inf, accuracy=None)
        return event

    events = recorded_run(100)
    plain, odd = state_of(events), state_of(list(map(broken, events)))
    comparison = compare([odd, plain])
    assert comparison.by_epoch["loss"][1].best == (1,)
    assert comparison.by_epoch["loss"][2].best == (1,)
    assert comparison.best["loss"].values[0] is None
    assert comparison.best_epochs["loss"][0] is None
    assert compare([odd, odd]).final["loss"].best == ()


def test_a_metric_of_the_task_is_compared_but_has_no_best() -> None:
    def with_metric(event: Event) -> Event:
        return (
            replace(event, accuracy=None, metrics={"mae": 0.1 * event.epoch}) if isinstance(event, EvalDone) else event
        )

    events = recorded_run(150)
    one, other = state_of(list(map(with_metric, events))), state_of(list(map(with_metric, events[:-60])))
    comparison = compare([one, other])
    assert comparison.metrics == ("loss", "mae")
    assert comparison.by_epoch["mae"][1].values == (0.1, 0.1)
    assert comparison.final["mae"].values[0] != comparison.final["mae"].values[1]
    assert comparison.final["mae"].best == ()
    assert "mae" not in comparison.best


def test_step_metrics_are_compared_by_their_mean_over_each_epoch() -> None:
    def with_norm(factor: float) -> list[Event]:
        return [
            replace(event, metrics={"grad_norm": factor * event.epoch}) if isinstance(event, StepDone) else event
            for event in recorded_run(120)
        ]

    comparison = compare([state_of(with_norm(1.0)), state_of(with_norm(0.5)), state_of(recorded_run(120))])
    assert list(comparison.step_metrics) == ["grad_norm"]
    assert comparison.step_metrics["grad_norm"] == {1: Figures((1.0, 0.5, None), ()), 2: Figures((2.0, 1.0, None), ())}


def test_runs_that_have_not_started_have_nothing_to_compare() -> None:
    comparison = compare([RunState(), RunState()])
    assert comparison.metrics == ()
    assert comparison.settings == {}
    assert comparison.final == {}


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, ()),
        (math.nan, ()),
        (0.35, (0.1, 0.2, 0.3)),
        (0.95, (0.2, 0.4, 0.6, 0.8)),
        (1.0, (1,)),
        (7.9, (1, 2, 3, 4, 5, 6, 7)),
        (9.0, (2, 4, 6, 8)),
        (447.0, (60, 120, 180, 240, 300, 360, 420)),
        (3600.0, (600, 1200, 1800, 2400, 3000, 3600)),
        (86400.0 * 30, tuple(86400.0 * 4 * count for count in range(1, 8))),
    ],
)
def test_moments_are_round_lengths_of_time(seconds: float, expected: tuple[float, ...]) -> None:
    assert round_moments(seconds) == pytest.approx(expected)
    assert len(expected) <= 8
