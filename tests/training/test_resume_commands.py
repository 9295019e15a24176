"""Commands of users and scripts in a resumed run."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from run_record import KeepsAll, RunRecorder, assert_same, cut, given_live_after, of
from training_runs import tiny_spec

from lrtui.run.commands import (
    Command,
    EvaluateNow,
    Pause,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from lrtui.run.events import (
    EvaluationStarted,
    Extended,
    LrSet,
    RunStarted,
    ScheduleSwitched,
    StepDone,
)
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.format import load_checkpoint
from lrtui.training.checkpoint.policy import Checkpoints


def test_a_test_on_demand_interrupted_by_a_crash_is_repeated(recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(at=("step 8: evaluate", "step 8: lr*0.5"))
    whole = recording.run(spec, {8: [ScaleLr(3.0)]})
    # a nudge arrives during the test, and with it a checkpoint
    first = recording.go_on(
        spec, tmp_path, {8: [ScaleLr(3.0)], 9: [Stop()]}, [], meets_tests=True, checkpoints=KeepsAll(tmp_path)
    )
    change = first.saved[1]
    assert [e.reason for e in first.saved[:2]] == ["epoch", "change"]
    assert load_checkpoint(Path(change.path)).script == ["step 8: evaluate", "step 8: lr*0.5"]
    rest = recording.go_on(spec, tmp_path, None, [first], resume_point=ResumePoint(Path(change.path)))
    begun = of(EvaluationStarted, rest.events)[0]
    assert (begun.step, begun.command, begun.scripted) == (8, "evaluate", True)
    assert rest.tests == whole.tests[1:]


LIVE = [
    ScaleLr(1.25),
    SetLr(0.02),
    UndoLr(),
    EvaluateNow(),
    SwitchSchedule("StepLR(step_size=1, gamma=0.5)", "current"),
    SwitchSchedule("OneCycleLR(max_lr=0.05)", "base"),
    SwitchSchedule("ReduceLROnPlateau(patience=0, factor=0.5, threshold=0.5)", "start"),
]


@pytest.mark.parametrize("seed", range(20))
def test_commands_after_a_checkpoint_are_replayed(seed: int, recording: RunRecorder, tmp_path: Path) -> None:
    chance = random.Random(seed)
    script: dict[int, list[Command]] = {}
    for _ in range(6):
        script.setdefault(chance.randrange(24), []).append(chance.choice(LIVE))
    spec = tiny_spec(at=("step 9: lr*0.5", "epoch 3: CosineAnnealingLR() from current", "test 3: undo"))
    meets = chance.random() < 0.5
    whole = recording.run(spec, script, meets_tests=meets)
    crash = chance.randrange(8, 24)
    first = recording.go_on(
        spec, tmp_path, {**script, crash: [*script.get(crash, []), Stop()]}, [], meets_tests=meets,
        checkpoints=KeepsAll(tmp_path),
    )  # fmt: skip
    # as if the disk had failed since: only an earlier checkpoint exists, and only the events have the commands
    saved = chance.choice(first.saved)
    resume_point = ResumePoint(Path(saved.path), given_live_after(first, saved))
    later = {step: commands for step, commands in script.items() if step > crash}
    again = recording.go_on(spec, tmp_path, later, [first], resume_point=resume_point, meets_tests=meets)
    before = cut(first, again.started.resumed_seq)
    assert_same(whole, [before, again])


def test_a_command_is_replayed_once_however_often_the_run_is_interrupted(
    recording: RunRecorder, tmp_path: Path
) -> None:
    spec = tiny_spec(schedule='LambdaLR("1")')
    script: dict[int, list[Command]] = {14: [ScaleLr(2.0)], 20: [ScaleLr(3.0), ScaleLr(5.0)]}
    whole = recording.run(spec, script)
    first = recording.go_on(spec, tmp_path, {**script, 22: [Stop()]}, [], checkpoints=KeepsAll(tmp_path))
    oldest = first.saved[0]
    replay = given_live_after(first, oldest)
    assert replay == ("step 14: lr*2.0", "step 20: lr*3.0", "step 20: lr*5.0")

    def keep() -> Checkpoints:
        return KeepsAll(tmp_path)

    # stopped between the two: the checkpoint has the commands that are still to be replayed
    resume_point = ResumePoint(Path(oldest.path), replay)
    second = recording.go_on(spec, tmp_path, {16: [Stop()]}, [first], resume_point=resume_point, checkpoints=keep())
    newest = Path(second.saved[-1].path)
    assert load_checkpoint(newest).replay == ["step 20: lr*3.0", "step 20: lr*5.0"]
    third = recording.go_on(spec, tmp_path, None, [second], resume_point=ResumePoint(newest), checkpoints=keep())
    assert_same(whole, [cut(first, oldest.seq - 1), second, third])
    # and resumed from there again: the command is both among the events and in the checkpoint
    lines = given_live_after(third, oldest)
    assert lines == replay[1:]
    fourth = recording.go_on(spec, tmp_path, None, [third], resume_point=ResumePoint(newest, lines))
    assert_same(whole, [cut(first, oldest.seq - 1), second, fourth])


def test_a_resumed_script_continues_and_its_commands_are_marked_as_scripted(
    recording: RunRecorder, tmp_path: Path
) -> None:
    spec = tiny_spec(at=("step 3: lr*0.5", "step 9: lr*0.5", "step 12: StepLR(1)", "step 20: extend 1"))
    whole = recording.run(spec, {10: [ScaleLr(4.0)]})
    assert [e.scripted for e in of(LrSet, whole.events)] == [True, True, False]
    assert [e.scripted for e in of(ScheduleSwitched, whole.events) + of(Extended, whole.events)] == [True, True]
    assert_same(whole, recording.run_in_pieces(spec, [5, 9, 13], tmp_path, {10: [ScaleLr(4.0)]}))


def test_a_paused_run_is_resumed_unpaused(recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec()
    first = recording.go_on(spec, tmp_path, {8: [Pause(), ScaleLr(2.0), Stop()]}, [])
    assert [e.reason for e in first.saved] == ["epoch", "pause", "stop"]
    rest = recording.go_on(spec, tmp_path, None, [first], resume_point=ResumePoint(saved_files(tmp_path)[-1].path))
    assert_same(recording.run(spec, {8: [ScaleLr(2.0)]}), [first, rest])


def test_a_run_is_resumed_with_another_schedule_and_more_epochs(recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(schedule="OneCycleLR(max_lr=0.01)", epochs=2)
    first = recording.go_on(spec, tmp_path, None, [])
    resume_point = ResumePoint(
        saved_files(tmp_path)[-1].path, commands=(SwitchSchedule("OneCycleLR(max_lr=0.02)"), ScaleLr(0.5)), epochs=3
    )
    rest = recording.go_on(spec, tmp_path, None, [first], resume_point=resume_point)
    kinds = [type(e) for e in rest.events if isinstance(e, (RunStarted, Extended, ScheduleSwitched, LrSet, StepDone))]
    assert kinds == [RunStarted, Extended, ScheduleSwitched, LrSet, *[StepDone] * 6]
    assert of(ScheduleSwitched, rest.events)[0].schedule == "OneCycleLR(max_lr=0.02, total_steps=6)"
    assert [(e.reason, e.step) for e in rest.saved] == [("change", 12), ("epoch", 18)]


def test_immediate_commands_are_carried_out_within_the_repeated_test(recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(schedule="ExponentialLR(gamma=0.5)")
    command = SwitchSchedule("StepLR(step_size=1, gamma=0.1)", "current")
    whole = recording.run(spec, {12: [command]}, meets_tests=True)
    first = recording.go_on(spec, tmp_path, {12: [Stop()]}, [], meets_tests=True)
    resume_point = ResumePoint(saved_files(tmp_path)[-1].path, commands=(command,))
    assert_same(whole, [first, recording.go_on(spec, tmp_path, None, [first], resume_point=resume_point)])
