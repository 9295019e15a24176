"""The lr that a run has recorded."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
from attached_runs import UNKNOWN_LENGTH, attached_run
from recorded_runs import recorded_run

from lrtui.run.events import EpochDone, Event, RunStarted, StepDone
from lrtui.run.recorded_curve import MAX_SPANS, RecordedCurve, curve_of_items, curve_of_points
from lrtui.run.state import RunState


def curve_of(events: list[Event], *, is_over: bool = True) -> RecordedCurve:
    state = RunState()
    state.fold(events)
    return curve_of_items(state, events, is_over=is_over)


def test_the_curve_has_the_lr_of_every_step_and_the_length_of_the_run() -> None:
    curve = curve_of(recorded_run(130))
    assert curve.steps.tolist() == list(range(130))
    assert curve.lrs[[0, 50, 100], 0].tolist() == [0.01, 0.005, 0.0025]
    assert (curve.total_steps, curve.batches_per_epoch, curve.length, curve.is_whole) == (500, 50, 500, False)
    assert curve_of(recorded_run(500)).is_whole


def test_later_values_of_a_resumed_run_supersede_earlier_ones() -> None:
    events = recorded_run(100)
    started = next(event for event in events if isinstance(event, RunStarted))
    again = replace(started, seq=900, step=80, resumed_from=80, resumed_seq=events[-1].seq)
    later = [
        StepDone(seq=901 + i, step=80 + i, seconds=9.0, epoch=2, batch=30 + i, loss=1.0, lrs=(0.5,)) for i in range(5)
    ]
    curve = curve_of([*events, again, *later])
    assert curve.steps.tolist() == list(range(85))
    assert curve.lrs[79:, 0].tolist() == [0.005, 0.5, 0.5, 0.5, 0.5, 0.5]


def test_a_group_that_is_added_later_has_no_lr_before() -> None:
    curve = curve_of(attached_run(100, group_from=60))
    assert np.isnan(curve.lrs[:60, 1]).all()
    assert curve.lrs[60:, 1].tolist() == [0.1] * 40


def test_steps_without_an_lr_are_no_points() -> None:
    events = [
        replace(event, lrs=(float("nan"),)) if isinstance(event, StepDone) and event.step % 10 else event
        for event in recorded_run(100)
    ]
    assert curve_of(events).steps.tolist() == list(range(0, 100, 10))


def test_the_length_of_an_epoch_is_taken_from_epochs_of_equal_length_only() -> None:
    def with_epochs(ends: list[int]) -> list[Event]:
        events: list[Event] = list(attached_run(230, UNKNOWN_LENGTH, has_length=False))
        return events + [
            EpochDone(seq=900 + i, step=end, seconds=9.0, epoch=i + 1, lrs=(0.1,), samples_per_second=0.0)
            for i, end in enumerate(ends)
        ]

    assert curve_of(with_epochs([])).batches_per_epoch is None
    assert curve_of(with_epochs([50])).batches_per_epoch is None
    assert curve_of(with_epochs([50, 100, 150, 200, 230])).batches_per_epoch == 50
    assert curve_of(with_epochs([50, 110, 150])).batches_per_epoch is None


def test_a_run_of_unknown_length_is_whole_once_it_is_over() -> None:
    events = attached_run(230, UNKNOWN_LENGTH, has_length=False)
    assert not curve_of(events, is_over=False).is_whole
    assert curve_of(events).is_whole


def test_the_points_that_a_log_had_are_found_again_among_those_of_all_steps() -> None:
    logged = [np.array([0, 10, 20, 30, 35, 39]), np.arange(3, 40)]
    lrs = np.full((40, 2), np.nan)
    for group, steps in enumerate(logged):
        lrs[steps, group] = 0.5**group
    curve = curve_of_points(np.arange(40), lrs, 50, is_over=True, per_epoch=10)
    filled = RecordedCurve(np.arange(40), np.full((40, 2), 0.5) ** [0, 1], 50)
    found = filled.as_logged(json.loads(json.dumps(curve.logged())))
    assert [found.steps[~np.isnan(found.lrs[:, group])].tolist() for group in (0, 1)] == [
        steps.tolist() for steps in logged
    ]
    assert (found.total_steps, found.batches_per_epoch) == (50, 10)


def test_of_irregular_steps_some_are_stored() -> None:
    steps = np.arange(2_000) ** 2
    curve = RecordedCurve(steps, steps[:, None].astype(float))
    found = curve.as_logged(json.loads(json.dumps(curve.logged())))
    assert 200 < len(found) <= MAX_SPANS + 2
    assert np.isin(found.steps, steps).all()
    assert (found.lrs[:, 0] == found.steps).all()


def test_steps_that_are_counted_from_1_end_at_the_last_one() -> None:
    def length(steps: list[int], total: int | None = None) -> int:
        return RecordedCurve(np.array(steps), np.ones((len(steps), 1)), total).length

    assert length([0, 1, 2]) == 3
    assert length([1, 2, 3]) == 3
    assert length([50, 100, 150]) == 150
    assert length([49, 99, 149]) == 150
    assert length([1, 10, 20, 30]) == 30
    assert length([0, 50, 100]) == 101
    assert length([50, 100], 100) == length([49, 99], 100) == 100
    assert length([50, 100, 150], 100) == 150
