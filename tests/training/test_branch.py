"""Branches: a new run from a checkpoint of another."""

from __future__ import annotations

from pathlib import Path

from run_record import RunRecorder, assert_same, cut, of
from training_runs import tiny_spec

from lrtui.run.commands import (
    ScaleLr,
    SwitchSchedule,
)
from lrtui.run.events import (
    LrSet,
    ScheduleSwitched,
)
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.policy import Checkpoints


def test_a_branch_starts_at_its_parents_checkpoint_and_carries_out_its_commands(
    recording: RunRecorder, tmp_path: Path
) -> None:
    spec = tiny_spec(schedule="StepLR(2)", at=("step 15: lr*0.1",))
    parent = recording.go_on(spec, tmp_path / "1", {3: [ScaleLr(2.0)]}, [])
    file = next(file for file in saved_files(tmp_path / "1") if file.step == 12)
    command = SwitchSchedule("ExponentialLR(gamma=0.5)", "current")
    branch_spec = tiny_spec(schedule="StepLR(2)", at=(f"step 12: {command.text}", "step 20: lr*0.5"))
    resume_point = ResumePoint(file.path, commands=(command,), parent="1")
    branch = recording.run(branch_spec, resume_point=resume_point, checkpoints=Checkpoints(tmp_path / "2"))
    assert (branch.started.parent, branch.started.step, branch.started.resumed_from) == ("1", 12, None)
    # the parent's script is not continued, and the switch is made once
    assert [(e.step, e.lrs_before) for e in of(ScheduleSwitched, branch.events)] == [(12, (0.002,))]
    assert [e.step for e in of(LrSet, branch.events)] == [20]
    same = recording.run(tiny_spec(schedule="StepLR(2)"), {3: [ScaleLr(2.0)], 12: [command], 20: [ScaleLr(0.5)]})
    assert_same(same, [cut(parent, file.seq), branch])
    # the parent's checkpoints are unchanged; the branch has separate ones
    assert {file.step for file in saved_files(tmp_path / "2")} == {18, 24}
    assert {file.step for file in saved_files(tmp_path / "1")} == {6, 12, 18, 24}
