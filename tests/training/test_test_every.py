"""Tests within an epoch, after every so many steps."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from random_tasks import RandomTask
from run_record import RunRecorder, assert_same, of
from training_runs import tiny_spec

from lrtui.run.commands import SaveCheckpoint, ScaleLr, SetLr
from lrtui.run.errors import UsageError
from lrtui.run.evaluations import epoch_results
from lrtui.run.events import EvalDone, EvaluationStarted, StepDone
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.script import spec_as_done
from lrtui.training.run_setup import set_up

AUGMENTED = partial(RandomTask, "dataset")


def test_tests_come_after_every_n_steps_and_at_the_end_of_each_epoch(recording: RunRecorder) -> None:
    spec = RunSpec(epochs=2, batch_size=5, schedule="ReduceLROnPlateau(patience=0)", test_every=3)
    course = recording.run(spec, {4: [ScaleLr(0.5)]}, make_task=AUGMENTED)
    assert course.started.batches_per_epoch == 9
    tests = [(event.step, event.epoch) for event in of(EvalDone, course.events)]
    assert tests == [(3, 1), (6, 1), (9, 1), (12, 2), (15, 2), (18, 2)]
    assert [event.periodic for event in of(EvaluationStarted, course.events)] == [True, True, False] * 2
    state = RunState()
    state.fold(course.events)
    # a schedule that follows a metric steps per epoch
    assert {epoch: result.step for epoch, result in epoch_results(state).items()} == {1: 9, 2: 18}
    repeated = spec_as_done(state)
    assert repeated is not None
    assert (repeated.test_every, repeated.at) == (3, ("step 4: lr*0.5",))
    # a test does not change training, though its data draws random numbers
    plain = recording.run(
        RunSpec(**{**spec_values(spec), "test_every": None}), {4: [ScaleLr(0.5)]}, make_task=AUGMENTED
    )
    assert plain.steps == course.steps
    assert plain.end == course.end


def spec_values(spec: RunSpec) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__slots__}


@pytest.mark.parametrize("stops", [[3], [4, 12], [6, 7]], ids=["at a test", "between tests", "at a test, after it"])
def test_a_run_is_resumed_exactly_between_and_at_tests(
    stops: list[int], recording: RunRecorder, tmp_path: Path
) -> None:
    spec = RunSpec(epochs=2, batch_size=5, schedule="OneCycleLR(max_lr=0.05)", test_every=3)
    whole = recording.run(spec, make_task=AUGMENTED)
    assert_same(whole, recording.run_in_pieces(spec, stops, tmp_path, make_task=AUGMENTED))


def test_the_step_of_a_periodic_test_is_not_tested_twice(recording: RunRecorder, tmp_path: Path) -> None:
    spec = RunSpec(epochs=1, batch_size=5, test_every=3, checkpoint_seconds=1e-9)
    make = partial(RandomTask, "dataset")
    # a checkpoint after each step, and between two batches of each test
    course = recording.run(spec, {6: [SaveCheckpoint(), SetLr(0.001)]}, make_task=make)
    assert [event.step for event in of(EvalDone, course.events)] == [3, 6, 9]
    assert len(of(StepDone, course.events)) == 9


def test_it_needs_test_data() -> None:
    task = RandomTask("in memory")
    task.test_data = lambda: None  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="--test-every: this task has no test data"):
        set_up(tiny_spec(test_every=5), lambda text: None, task)


def test_an_epoch_of_an_endless_stream_is_as_long_as_the_time_between_tests(recording: RunRecorder) -> None:
    spec = RunSpec(max_steps=7, test_every=3, batch_size=5)
    course = recording.run(spec, make_task=partial(RandomTask, "endless"))
    assert (course.started.batches_per_epoch, course.started.spec.epochs) == (3, 3)
    assert [(event.step, event.epoch) for event in of(EvalDone, course.events)] == [(3, 1), (6, 2), (7, 3)]
