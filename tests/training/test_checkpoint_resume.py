"""Checkpoints that a run can't resume from, and warnings about differences."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from random_tasks import RandomTask
from run_record import RunRecord, RunRecorder, of
from training_runs import TINY, tiny_spec

from lrtui.run.commands import Extend, ScaleLr, Stop, SwitchSchedule
from lrtui.run.errors import CheckpointError, UsageError
from lrtui.run.events import Extended, LrSet, Notice, RunStarted
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.format import load_checkpoint, save_checkpoint
from lrtui.training.checkpoint.policy import Checkpoints
from lrtui.training.reporter import Reporter
from lrtui.training.train import train


@pytest.fixture
def path(recording: RunRecorder, tmp_path: Path) -> Path:
    """Return a checkpoint from within an epoch."""
    recording.run(tiny_spec(), {8: [Stop()]}, checkpoints=Checkpoints(tmp_path / "run"))
    return saved_files(tmp_path / "run")[-1].path


def refusal(course: RunRecord) -> str:
    """Return why a run could not be resumed; nothing of its history is superseded then."""
    assert not of(RunStarted, course.events)
    assert course.finished.outcome == "failed"
    return str(course.finished.error)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 8}, "belongs to a run with --batch-size 16 and can't be resumed with 8"),
        ({"train_samples": 48}, "belongs to a run with --train-samples None and can't be resumed with 48"),
        (
            {"optimizer": "SGD(lr=0.01)"},
            r"belongs to a run with --optimizer Adam\(lr=0.01\) and can't be resumed with SGD",
        ),
        ({"precision": "bf16"}, "belongs to a run with --precision fp32 and can't be resumed with bf16"),
        ({"seed": 1}, "belongs to a run with --seed 0 and can't be resumed with 1"),
        ({"accumulate": 2}, "belongs to a run with --accumulate 1 and can't be resumed with 2"),
    ],
    ids=str,
)
def test_other_settings_are_refused(settings: dict[str, Any], words: str, path: Path, recording: RunRecorder) -> None:
    course = recording.run(tiny_spec(**settings), resume_point=ResumePoint(path))
    assert re.search(words, refusal(course))


def test_settings_that_have_no_part_in_it_may_be_others(path: Path, recording: RunRecorder) -> None:
    spec = tiny_spec(name="again", log_interval=3, checkpoint_seconds=5.0, data_dir="elsewhere", epochs=2)
    course = recording.run(spec, resume_point=ResumePoint(path))
    assert course.finished.outcome == "done"
    # the checkpoint contains the length of the run
    assert (course.started.total_steps, course.started.spec.epochs, len(course.steps)) == (24, 4, 16)
    assert not [e for e in of(Notice, course.events) if e.code == "resume"]


def test_other_data_and_another_model_are_refused(path: Path, recording: RunRecorder) -> None:
    class Fewer(RandomTask):
        def training_data(self) -> Any:
            return torch.zeros(90, 4), torch.zeros(90, dtype=torch.long)

        def test_data(self) -> Any:
            return torch.zeros(32, 4), torch.zeros(32, dtype=torch.long)

    class Other(Fewer):
        def training_data(self) -> Any:
            return torch.zeros(96, 4), torch.zeros(96, dtype=torch.long)

    spec = tiny_spec()
    words = refusal(recording.run(spec, resume_point=ResumePoint(path), make_task=Fewer))
    assert words == f"{path} belongs to a run with 96 training samples, but this run has 90"
    words = refusal(recording.run(spec, resume_point=ResumePoint(path), make_task=Other))
    assert words == f"{path} belongs to a run with 58 parameters, but this run has 74"


def test_a_model_of_the_same_size_and_another_form_is_refused(path: Path, recording: RunRecorder) -> None:
    saved = load_checkpoint(path)
    renamed = {name.replace("3.", "4."): tensor for name, tensor in saved.model.items()}
    saved.model.clear()
    saved.model.update(renamed)
    save_checkpoint(saved, path)
    words = refusal(recording.run(tiny_spec(), resume_point=ResumePoint(path)))
    assert words.startswith(f"{path} does not fit this run: RuntimeError: Error(s) in loading state_dict")


@pytest.mark.parametrize("part", ["progress", "optimizer", "lr_control", "random"])
def test_a_file_that_lacks_something_is_refused(part: str, path: Path, recording: RunRecorder) -> None:
    saved = load_checkpoint(path)
    getattr(saved, part).clear()
    save_checkpoint(saved, path)
    assert refusal(recording.run(tiny_spec(), resume_point=ResumePoint(path))).startswith(
        f"{path} does not fit this run: "
    )


def test_a_file_that_is_gone_or_damaged_ends_the_run_with_the_error(path: Path, recording: RunRecorder) -> None:
    path.write_bytes(path.read_bytes()[:-10])
    course = recording.run(tiny_spec(), resume_point=ResumePoint(path))
    assert "is damaged, or not a checkpoint" in refusal(course)
    path.unlink()
    assert refusal(recording.run(tiny_spec(), resume_point=ResumePoint(path))) == f"there is no checkpoint {path}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 3}, "the run has 4 epochs already; --epochs can only extend it"),
        ({"epochs": 6, "replay": ("step 20: extend 3",)}, "the run has 7 epochs already"),
        ({"epochs": 2_000_000}, "--epochs takes a whole number of at most 1,000,000"),
        ({"commands": (SwitchSchedule("ReduceLROnPlateau(metric='f1')"),)}, "follows the test's f1"),
        ({"commands": (SwitchSchedule("LambdaLR(['1', '1', '1'])"),)}, "Expected 1 lr_lambdas"),
    ],
    ids=str,
)
def test_impossible_changes_are_refused_before_any_history_is_superseded(
    changes: dict[str, Any], words: str, path: Path, recording: RunRecorder
) -> None:
    assert words in refusal(recording.run(tiny_spec(), resume_point=ResumePoint(path, **changes)))


def test_a_finished_run_cannot_be_changed(recording: RunRecorder, tmp_path: Path) -> None:
    recording.run(tiny_spec(epochs=1), checkpoints=Checkpoints(tmp_path))
    path = saved_files(tmp_path)[-1].path
    words = refusal(recording.run(tiny_spec(epochs=1), resume_point=ResumePoint(path, commands=(ScaleLr(2.0),))))
    assert words == "the run is done, with 1 epoch; --epochs extends it"
    # a run that was killed between its last checkpoint and its last event only ends
    course = recording.run(tiny_spec(epochs=1), resume_point=ResumePoint(path))
    assert (course.finished.outcome, course.steps) == ("done", {})
    # the extension after its last checkpoint is in its history
    course = recording.run(tiny_spec(epochs=1), resume_point=ResumePoint(path, ("step 6: extend 2",)))
    assert [e.epochs for e in of(Extended, course.events)] == [3]
    assert len(course.steps) == 12


def test_in_its_last_test_a_run_can_still_be_changed(recording: RunRecorder, tmp_path: Path) -> None:
    recording.run(tiny_spec(epochs=1), {6: [Stop()]}, meets_tests=True, checkpoints=Checkpoints(tmp_path))
    course = recording.run(
        tiny_spec(epochs=1), resume_point=ResumePoint(saved_files(tmp_path)[-1].path, commands=(ScaleLr(2.0),))
    )
    assert [(e.step, e.command) for e in of(LrSet, course.events)] == [(6, "lr*2.0")]
    assert (course.finished.outcome, course.steps) == ("done", {})


def test_as_many_epochs_as_there_are_change_nothing(path: Path, recording: RunRecorder) -> None:
    course = recording.run(tiny_spec(), resume_point=ResumePoint(path, ("step 10: extend 1",), epochs=5))
    assert [(e.step, e.epochs) for e in of(Extended, course.events)] == [(10, 5)]
    course = recording.run(tiny_spec(), resume_point=ResumePoint(path, ("step 10: extend 1",), epochs=7))
    assert [(e.step, e.epochs) for e in of(Extended, course.events)] == [(8, 6), (10, 7)]


def test_other_differences_are_reported_in_one_notice(
    path: Path, recording: RunRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = load_checkpoint(path)
    saved.versions.update(torch="2.0.0", threads="16")
    save_checkpoint(saved, path)
    moved = TINY.replace("tests/tiny_task", "tests/training/../tiny_task")
    course = recording.run(tiny_spec(task=moved), resume_point=ResumePoint(path))
    notices = [e for e in of(Notice, course.events) if e.code == "resume"]
    assert [(e.level, e.step) for e in notices] == [("warning", 8)]
    assert notices[0].text == (
        f"numbers may differ from an uninterrupted run's: torch {torch.__version__} (was 2.0.0), "
        f"threads {torch.get_num_threads()} (was 16), task {moved} (was {TINY})"
    )
    assert course.events.index(notices[0]) == course.events.index(course.started) + 1


def test_errors_name_the_option_or_the_file(path: Path, recording: RunRecorder) -> None:
    def error_of(resume_point: ResumePoint, **settings: Any) -> Any:
        return train(tiny_spec(**settings), Inbox(), Reporter(LiveFeed()), resume_point=resume_point)

    assert type(error_of(ResumePoint(path), seed=3)) is CheckpointError
    assert type(error_of(ResumePoint(path, epochs=1))) is UsageError
    assert type(error_of(ResumePoint(path.with_name("gone.pt")))) is CheckpointError
    assert error_of(ResumePoint(path, ("step 9: extend 1",), (Extend(1),))) is None
