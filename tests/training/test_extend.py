"""Runs that are made longer."""

from __future__ import annotations

from pathlib import Path

import pytest
from run_record import RunRecorder, assert_same, of
from training_runs import tiny_spec

from lrtui.run.commands import (
    Command,
    Extend,
    SwitchSchedule,
)
from lrtui.run.events import (
    CommandRefused,
    Extended,
    RunFinished,
    RunStarted,
    ScheduleSwitched,
    StepDone,
)
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.policy import Checkpoints


def test_a_running_run_is_extended(recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(schedule="ExponentialLR(gamma=0.5)", epochs=2)
    script: dict[int, list[Command]] = {8: [Extend(1)], 9: [SwitchSchedule("CosineAnnealingLR()")]}
    whole = recording.run(spec, script)
    extended = of(Extended, whole.events)[0]
    assert (extended.epochs, extended.total_steps, extended.command) == (3, 18, "extend 1")
    # filled-in lengths include the new epochs: the ends of the second and the third
    assert of(ScheduleSwitched, whole.events)[0].schedule == "CosineAnnealingLR(T_max=2)"
    assert len(whole.steps) == 18
    assert_same(whole, recording.run_in_pieces(spec, [10, 15], tmp_path, script))
    # a run can still be extended during its last test
    late = recording.run(spec, {12: [Extend(2)]}, meets_tests=True)
    assert len(late.steps) == 24


@pytest.mark.parametrize("schedule", ["OneCycleLR(max_lr=0.003)", "CosineAnnealingLR()", "ChainedScheduler([StepLR(1), CosineAnnealingLR()])", "OneCycleLR(max_lr=0.1, epochs=4, steps_per_epoch=6)"])  # fmt: skip  # noqa: E501
def test_a_run_with_a_fixed_length_schedule_is_not_extended(
    schedule: str, recording: RunRecorder, tmp_path: Path
) -> None:
    whole = recording.run(tiny_spec(schedule=schedule), {8: [Extend(1)]}, checkpoints=Checkpoints(tmp_path))
    refused = of(CommandRefused, whole.events)[0]
    assert refused.command == "extend 1"
    assert "has a fixed length; switch to another schedule for the added epochs" in refused.reason
    assert len(whole.steps) == 24
    longer = recording.go_on(
        tiny_spec(schedule=schedule),
        tmp_path,
        None,
        [whole],
        resume_point=ResumePoint(saved_files(tmp_path)[-1].path, epochs=6),
    )
    assert "set another schedule for the added epochs with --schedule" in str(longer.finished.error)
    # refused before the old history is superseded
    assert not of(RunStarted, longer.events)


def test_a_finished_run_is_resumed_with_more_epochs(recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(schedule="StepLR(2)", epochs=2)
    first = recording.go_on(spec, tmp_path, None, [])
    assert first.finished.outcome == "done"
    resume_point = ResumePoint(saved_files(tmp_path)[-1].path, epochs=4)
    rest = recording.go_on(spec, tmp_path, None, [first], resume_point=resume_point)
    assert [(e.epochs, e.command, e.scripted) for e in of(Extended, rest.events)] == [(4, "extend 2", False)]
    assert_same(recording.run(tiny_spec(schedule="StepLR(2)", epochs=4)), [first, rest])


def test_a_run_is_not_extended_beyond_the_steps_that_its_schedule_takes(recording: RunRecorder, tmp_path: Path) -> None:
    # PyTorch divides by 2 to the power of the cycle, which is too large for a float from the 1,024th cycle on
    schedule = 'CyclicLR(base_lr=0.001, max_lr=0.01, step_size_up=1, mode="triangular2")'
    whole = recording.run(tiny_spec(schedule=schedule, epochs=340), {2030: [Extend(10)], 2031: [Extend(1)]})
    refused = of(CommandRefused, whole.events)
    assert [each.command for each in refused] == ["extend 10"]
    assert refused[0].reason.endswith("in the 350 epochs of the run; switch to another schedule first")
    assert len(whole.steps) == 341 * 6
    assert of(RunFinished, whole.events)[0].outcome == "done"


def test_trying_an_extension_does_not_change_the_lr(recording: RunRecorder) -> None:
    for schedule in ("ExponentialLR(gamma=0.9)", "CyclicLR(0.001, 0.01, step_size_up=4)", "SequentialLR([LinearLR(total_iters=2), ExponentialLR(0.5)], milestones=[2])"):  # fmt: skip  # noqa: E501
        extended = recording.run(tiny_spec(schedule=schedule, epochs=2), {8: [Extend(2)]})
        whole = recording.run(tiny_spec(schedule=schedule, epochs=4))
        lrs, expected = ([step.lrs for step in of(StepDone, course.events)] for course in (extended, whole))
        assert lrs == expected
