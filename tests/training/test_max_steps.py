"""Runs whose length is a number of optimizer steps."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
from random_tasks import RandomTask
from run_record import RunRecorder, assert_same, of

from lrtui.__main__ import main
from lrtui.cli.options import read_spec
from lrtui.run.commands import Extend, ScaleLr
from lrtui.run.events import CommandRefused, EpochDone, EvalDone, Extended, LrSet
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.horizon import Horizon

MEMORY = partial(RandomTask, "in memory")


@pytest.mark.parametrize(
    ("epochs", "max_steps", "expected"),
    [
        (10, None, (10, 90, None)),
        (10, 25, (3, 25, 25)),
        (10, 27, (3, 27, None)),
        (2, 25, (2, 18, None)),
        (1_000_000, 4, (1, 4, 4)),
        (3, 27, (3, 27, None)),
    ],
)
def test_the_epochs_follow_from_the_steps(
    epochs: int, max_steps: int | None, expected: tuple[int, int, int | None]
) -> None:
    horizon = Horizon(epochs, 9, max_steps=max_steps)
    assert (horizon.epochs, horizon.total_steps, horizon.max_steps) == expected
    assert RunSpec(epochs=epochs, max_steps=max_steps).total_steps(9) == expected[1]
    longer = horizon.extended(2)
    assert longer.total_steps == horizon.total_steps + 18
    assert longer.epochs == horizon.epochs + 2


def test_the_epochs_of_a_spec_are_ten_or_as_many_as_its_steps_need() -> None:
    assert (RunSpec().epochs, RunSpec().length, RunSpec(epochs=1).length) == (10, "10 epochs", "1 epoch")
    steps = RunSpec(max_steps=2000)
    assert (steps.epochs_follow, steps.length) == (True, "2,000 steps")
    both = RunSpec(epochs=10, max_steps=2000)
    assert (both.epochs_follow, both.length) == (False, "10 epochs, at most 2,000 steps")


def test_a_run_ends_after_its_steps_with_a_test(recording: RunRecorder) -> None:
    course = recording.run(RunSpec(max_steps=25, batch_size=5, schedule="CosineAnnealingLR()"), make_task=MEMORY)
    started = course.started
    assert (started.total_steps, started.spec.epochs, started.spec.max_steps) == (25, 3, 25)
    assert started.spec.schedule == "CosineAnnealingLR(T_max=3)"
    assert list(course.steps) == list(range(25))
    assert [(e.step, e.epoch) for e in of(EpochDone, course.events)] == [(9, 1), (18, 2), (25, 3)]
    assert [e.step for e in of(EvalDone, course.events)] == [9, 18, 25]
    whole = recording.run(RunSpec(epochs=3, batch_size=5, schedule="CosineAnnealingLR()"), make_task=MEMORY)
    # the same run, but for its end
    assert [course.steps[step] for step in range(25)] == [whole.steps[step] for step in range(25)]


def test_a_schedule_per_batch_covers_the_steps(recording: RunRecorder) -> None:
    spec = RunSpec(max_steps=25, batch_size=5, schedule="OneCycleLR(max_lr=0.05)", at=("test 3: lr*0.5",))
    course = recording.run(spec, make_task=MEMORY)
    assert course.started.spec.schedule == "OneCycleLR(max_lr=0.05, total_steps=25)"
    assert course.steps[24][3][0] == pytest.approx(0.05 / 25 / 1e4)
    # a command during the test at the end of the last epoch
    assert [e.step for e in of(LrSet, course.events)] == [25]


@pytest.mark.parametrize("stops", [[20], [9], [25]], ids=["last epoch", "between epochs", "last test"])
def test_a_run_of_a_number_of_steps_is_resumed_exactly(
    stops: list[int], recording: RunRecorder, tmp_path: Path
) -> None:
    spec = RunSpec(max_steps=25, batch_size=5, schedule='ExponentialLR(0.9, per="batch")', at=("step 21: extend 1",))
    whole = recording.run(spec, make_task=MEMORY)
    assert [(e.epochs, e.total_steps) for e in of(Extended, whole.events)] == [(4, 34)]
    assert list(whole.steps) == list(range(34))
    pieces = recording.run_in_pieces(spec, stops, tmp_path, make_task=MEMORY)
    assert_same(whole, pieces)


def test_a_run_is_extended_by_whole_epochs_until_its_last_test(recording: RunRecorder) -> None:
    spec = RunSpec(max_steps=13, batch_size=5, schedule="StepLR(1)", at=("step 11: extend 1", "test 3: extend 1"))
    course = recording.run(spec, make_task=MEMORY)
    assert list(course.steps) == list(range(22))
    state = RunState()
    state.fold(course.events)
    assert state.started is not None
    assert (state.started.spec.epochs, state.started.spec.max_steps, state.total_steps) == (3, 22, 22)
    (refused,) = of(CommandRefused, course.events)
    assert "within epoch 3, after 22 steps, and can't be extended any more" in refused.reason


def test_an_endless_stream_has_one_epoch_of_all_steps(recording: RunRecorder, tmp_path: Path) -> None:
    make = partial(RandomTask, "endless")
    spec = RunSpec(max_steps=6, batch_size=5, accumulate=2, schedule='ExponentialLR(0.9, per="batch")')
    script = {3: [Extend(1), ScaleLr(0.5)]}
    whole = recording.run(spec, script, make_task=make)
    started = whole.started
    assert (started.batches_per_epoch, started.total_steps, started.spec.epochs) == (6, 6, 1)
    assert started.spec.train_samples == 60
    assert list(whole.steps) == list(range(12))
    pieces = recording.run_in_pieces(spec, [4, 8], tmp_path, script, make_task=make)
    assert_same(whole, pieces)


def test_commands_show_a_run_of_a_number_of_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ["--store", str(tmp_path)]
    arguments = ["--task", "tiny_task:Tiny", "--batch-size", "16", "--max-steps", "9", *store]
    assert main(["train", "StepLR(1)", *arguments, "--at", "step 7: extend 1"]) == 0
    capsys.readouterr()
    assert main(["runs", "list", "--json", *store]) == 0
    run = json.loads(capsys.readouterr().out)
    assert (run["epochs"], run["step"], run["total_steps"]) == (3, 15, 15)
    assert main(["runs", "show", "last", *store]) == 0
    assert "3 of 3 epochs, 15 of 15 steps" in capsys.readouterr().out
    assert main(["preview", "StepLR(1)", "--run", "last", "--json", *store]) == 0
    assert len(json.loads(capsys.readouterr().out)["lrs"]) == 15
    assert main(["resume", "last", "--epochs", "4", *store]) == 2
    assert "within epoch 3, after 15 steps, and can't be extended any more" in capsys.readouterr().err
    assert main(["race", "StepLR(1)", "ExponentialLR(0.5)", "--seeds", "1", *arguments]) == 0
    captured = capsys.readouterr()
    assert "race 1: 2 runs of 9 steps" in captured.err
    assert "Adam(lr=0.01), 9 steps" in captured.out


def test_an_option_of_length_is_not_limited_by_a_default_of_the_other() -> None:
    assert read_spec({"max_steps": "50"}, None, {"epochs": 2}).epochs_follow
    assert read_spec({"epochs": "3"}, None, {"max_steps": 5}).max_steps is None
    both = read_spec({"epochs": "3", "max_steps": "50"}, None, {})
    assert (both.epochs, both.max_steps) == (3, 50)
