"""When checkpoints are saved and removed, and what happens if they can't be saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from random_tasks import RandomTask
from run_record import RunRecord, RunRecorder, assert_same, of
from training_runs import tiny_spec

import lrtui.training.checkpoint.format as module
from lrtui.run.checkpoint_name import checkpoint_name
from lrtui.run.commands import (
    EvaluateNow,
    Extend,
    Pause,
    Resume,
    SaveCheckpoint,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from lrtui.run.errors import StoreError
from lrtui.run.events import CheckpointSaved, CommandRefused, EpochDone, LrSet, Notice, RunFinished, StepDone
from lrtui.run.feed import LiveFeed
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.format import load_checkpoint
from lrtui.training.checkpoint.policy import Checkpoints
from lrtui.training.clock import PROCESS_TIME
from lrtui.training.reporter import Reporter


def reasons(course: RunRecord) -> list[tuple[str, int]]:
    return [(event.reason, event.step) for event in course.saved]


def notices(course: RunRecord) -> list[Any]:
    return [event for event in of(Notice, course.events) if event.code == "checkpoint"]


def test_every_epoch_end_has_a_checkpoint(recording: RunRecorder, tmp_path: Path) -> None:
    course = recording.run(tiny_spec(), checkpoints=Checkpoints(tmp_path))
    assert reasons(course) == [("epoch", 6), ("epoch", 12), ("epoch", 18), ("epoch", 24)]
    for saved, done in zip(course.saved, of(EpochDone, course.events), strict=True):
        # published once the file exists; the end of the epoch is included
        assert load_checkpoint(Path(saved.path)).seq == done.seq == saved.seq - 1
    assert [file.path for file in saved_files(tmp_path)] == [Path(saved.path) for saved in course.saved]


def test_commands_make_checkpoints(recording: RunRecorder, tmp_path: Path) -> None:
    script: Any = {
        1: [ScaleLr(2.0)],
        2: [UndoLr()],
        3: [SwitchSchedule("StepLR(1)")],
        7: [Pause(), SetLr(0.1), Resume()],
        8: [SaveCheckpoint()],
        9: [Extend(1)],
        # several changes at one moment have one checkpoint
        10: [ScaleLr(2.0)] * 5,
        11: [UndoLr(), Stop()],
    }
    course = recording.run(tiny_spec(), script, checkpoints=Checkpoints(tmp_path))
    assert reasons(course) == [
        ("change", 1),
        ("change", 2),
        ("change", 3),
        ("epoch", 6),
        ("pause", 7),
        ("change", 7),
        ("command", 8),
        ("change", 9),
        ("change", 10),
        ("stop", 11),
    ]
    # of those saved mid-epoch the newest is left
    assert [file.step for file in saved_files(tmp_path)] == [6, 11]
    assert isinstance(course.events[-1], RunFinished)


def test_a_refused_command_makes_no_checkpoint(recording: RunRecorder, tmp_path: Path) -> None:
    course = recording.run(tiny_spec(epochs=1), {1: [UndoLr(), SetLr(-1.0)]}, checkpoints=Checkpoints(tmp_path))
    assert reasons(course) == [("epoch", 6)]


def test_without_a_store_the_command_is_refused(recording: RunRecorder) -> None:
    course = recording.run(tiny_spec(epochs=1), {1: [SaveCheckpoint(), ScaleLr(2.0), Pause(), Resume()], 4: [Stop()]})
    assert [(e.command, e.reason) for e in of(CommandRefused, course.events)] == [
        ("checkpoint", "this run is not recorded: start it with --store to save checkpoints")
    ]
    assert course.finished.outcome == "stopped"


class Time:
    """A wall clock that advances by a second whenever it is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("lrtui.training.checkpoint.policy.time.monotonic", self.look)

    def look(self) -> float:
        self.now += 1.0
        return self.now


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> Iterator[Time]:
    return Time(monkeypatch)  # type: ignore[return-value]


def test_checkpoints_are_made_at_intervals(seconds: Time, recording: RunRecorder, tmp_path: Path) -> None:
    course = recording.run(tiny_spec(), checkpoints=Checkpoints(tmp_path, every_seconds=4.0))
    by_time = [event.step for event in course.saved if event.reason == "time"]
    assert len(by_time) >= 4
    assert len(set(by_time)) == len(by_time)
    assert [event.step for event in course.saved if event.reason == "epoch"] == [6, 12, 18, 24]
    assert [file.step for file in saved_files(tmp_path)] == [6, 12, 18, 24]


def test_checkpoints_do_not_change_training(seconds: Time, recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(schedule="SWALR(swa_lr=0.01)")
    plain = recording.run(spec)
    course = recording.run(spec, checkpoints=Checkpoints(tmp_path, every_seconds=1.0))
    assert len(course.saved) > 20
    assert (course.steps, course.tests, course.end) == (plain.steps, plain.tests, plain.end)


def test_an_older_checkpoint_stays_until_the_events_of_the_newer_one_are_stored(
    seconds: Time, recording: RunRecorder, tmp_path: Path
) -> None:
    stored = -1
    checkpoints = Checkpoints(tmp_path, every_seconds=4.0, is_stored=lambda seq: seq <= stored)
    course = recording.run(tiny_spec(epochs=1), checkpoints=checkpoints)
    assert len(course.saved) > 2
    assert len(saved_files(tmp_path)) == len(course.saved)
    stored = 10_000
    checkpoints.remove_old_files()
    assert [file.step for file in saved_files(tmp_path)] == [6]


def test_a_run_that_another_process_owns_saves_nothing_and_fails(recording: RunRecorder, tmp_path: Path) -> None:
    answers = iter([False, False, True])

    def check_owner() -> None:
        # the second checkpoint is refused when it is about to get its name
        if next(answers, True):
            raise StoreError("run #1 was resumed by another process")

    course = recording.run(tiny_spec(), checkpoints=Checkpoints(tmp_path, check_owner=check_owner))
    assert (course.finished.outcome, course.finished.error) == ("failed", "run #1 was resumed by another process")
    assert [path.name for path in tmp_path.iterdir()] == [Path(event.path).name for event in course.saved]
    assert len(course.saved) == 1


def test_a_failed_checkpoint_is_due_again_without_a_step(seconds: Time, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    checkpoints = Checkpoints(tmp_path / "file", every_seconds=2.0)
    progress = SimpleNamespace(seconds_excluded=0.0)
    state: Any = SimpleNamespace(schedule=None, progress=progress, is_finite=False, gather=lambda: None)
    assert [checkpoints.is_due(0) for _ in range(4)] == [False] * 4
    assert checkpoints.save("change", state, Reporter(LiveFeed())) is not None
    assert [checkpoints.is_due(0) for _ in range(3)] == [False, True, True]


def test_samples_a_second_are_those_of_training_without_the_checkpoints(
    recording: RunRecorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(PROCESS_TIME, "seconds", lambda: now)

    class Slow(Checkpoints):
        def _save(self, *given: Any) -> str | None:
            nonlocal now
            now += 100.0
            return super()._save(*given)

    script: Any = {3: [SaveCheckpoint(), ScaleLr(2.0)], 4: [EvaluateNow()]}
    course = recording.run(tiny_spec(epochs=2), script, checkpoints=Slow(tmp_path))
    # training takes no time here
    assert all(e.samples_per_second > 1e6 for e in of(EpochDone, course.events))
    assert course.events[-1].seconds == 400.0


def test_a_full_disk_is_reported_once_and_training_continues(
    recording: RunRecorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, folder = recording.run(tiny_spec()), tmp_path / "run"

    def write(self: Any, data: bytes) -> int:
        self._error = OSError(28, "No space left on device")
        raise self._error

    good = module._File.write
    monkeypatch.setattr(module._File, "write", write)
    course = recording.run(tiny_spec(), {3: [SaveCheckpoint()]}, checkpoints=Checkpoints(folder))
    words = f"no checkpoint can be written into {folder}: No space left on device. Training continues; earlier"
    assert [(e.level, e.text[: len(words)]) for e in notices(course)] == [("warning", words)]
    assert [e.reason[: len(words)] for e in of(CommandRefused, course.events)] == [words]
    assert (course.steps, course.end, course.saved) == (plain.steps, plain.end, [])
    assert list(folder.iterdir()) == []

    # once there is room again they are saved, and a new failure is reported again
    def room_from(step: int, until: int) -> Any:
        def write(self: Any, data: bytes) -> int:
            assert recording.loop is not None
            if step <= recording.loop._reporter.step < until:
                return good(self, data)
            self._error = OSError(28, "No space left on device")
            raise self._error

        return write

    monkeypatch.setattr(module._File, "write", room_from(7, 13))
    course = recording.run(tiny_spec(), {8: [ScaleLr(2.0)]}, checkpoints=Checkpoints(folder))
    assert reasons(course) == [("change", 8), ("epoch", 12)]
    assert [e.step for e in notices(course)] == [6, 18]


def test_a_folder_that_cannot_be_created_is_reported_once(recording: RunRecorder, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    course = recording.run(tiny_spec(), checkpoints=Checkpoints(tmp_path / "file" / "folder"))
    assert len(notices(course)) == 1
    assert course.finished.outcome == "done"


def test_the_last_good_checkpoint_of_a_run_that_diverges_or_fails_stays(recording: RunRecorder, tmp_path: Path) -> None:
    script: Any = {8: [SetLr(1e30)], 9: [SaveCheckpoint()]}
    course = recording.run(
        tiny_spec(optimizer="SGD(lr=0.1)", schedule='LambdaLR("1")'), script, checkpoints=Checkpoints(tmp_path)
    )
    assert course.finished.outcome == "diverged"
    assert all(bool(torch.isfinite(w).all()) for w in load_checkpoint(saved_files(tmp_path)[-1].path).model.values())
    fails = SwitchSchedule('LambdaLR("1 / (8 - epoch)", per="batch")')
    course = recording.run(tiny_spec(), {1: [fails]}, checkpoints=Checkpoints(tmp_path / "2"))
    assert course.finished.outcome == "failed"
    assert reasons(course) == [("change", 1), ("epoch", 6)]


def test_weights_that_are_not_finite_are_not_saved(recording: RunRecorder, tmp_path: Path) -> None:
    class Explodes(RandomTask):
        """Has finite losses, but gradients that are NaN."""

        def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            return super().loss(outputs, targets) * 0.0 + (outputs.sum() - outputs.sum()).sqrt()

    course = recording.run(
        RunSpec(epochs=1, batch_size=15),
        {1: [SaveCheckpoint()]},
        make_task=lambda: Explodes("in memory"),
        checkpoints=Checkpoints(tmp_path),
    )
    assert [e.reason for e in of(CommandRefused, course.events)] == [
        "the weights are not finite: a run resumed from here diverges"
    ]
    assert course.finished.outcome == "diverged"
    assert course.saved == []


# -- which files are kept ----------------------------------------------------------------------------------------------


def test_above_the_size_limit_the_last_two_the_best_and_branch_points_stay(
    recording: RunRecorder, tmp_path: Path
) -> None:
    branched: set[str] = set()

    class Branching(Checkpoints):
        def save(self, *given: Any) -> str | None:
            refusal = super().save(*given)
            # a branch starts from the end of the second epoch as soon as that exists
            branched.update(file.path.name for file in saved_files(tmp_path) if file.step == 12)
            return refusal

    spec = tiny_spec(epochs=9, optimizer="SGD(lr=0.5)", schedule='LambdaLR("1 if epoch < 4 else -0.05")')
    checkpoints = Branching(tmp_path, protected=lambda: branched, total_limit_bytes=1)
    course = recording.run(spec, checkpoints=checkpoints)
    accuracies = [test[4] for test in course.tests]
    best = accuracies.index(max(accuracies)) + 1
    assert [file.step for file in saved_files(tmp_path)] == sorted({6 * best, 12, 48, 54})
    assert course.finished.outcome == "done"


def test_a_resumed_run_knows_which_files_to_keep(recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(epochs=6, schedule='LambdaLR("1")')
    script: Any = {14: [ScaleLr(2.0)], 15: [Stop()]}
    first = recording.go_on(spec, tmp_path, script, [])
    assert [file.step for file in saved_files(tmp_path)] == [6, 12, 15]
    (tmp_path / f"{checkpoint_name(500, 16)}.unfinished").touch()
    resume_point = ResumePoint(saved_files(tmp_path)[-1].path)
    second = recording.go_on(spec, tmp_path, {20: [Stop()]}, [first], resume_point=resume_point)
    assert [file.step for file in saved_files(tmp_path)] == [6, 12, 18, 20]
    assert not list(tmp_path.glob("*.unfinished"))
    # also with little room: the best one is known from the earlier tests
    resume_point = ResumePoint(saved_files(tmp_path)[-1].path)
    course = recording.go_on(
        spec,
        tmp_path,
        None,
        [second],
        resume_point=resume_point,
        checkpoints=Checkpoints(tmp_path, total_limit_bytes=1),
    )
    tests = [*first.tests, *second.tests, *course.tests]
    best = max(tests, key=lambda test: (test[4], -test[0]))[0]
    assert [file.step for file in saved_files(tmp_path)] == sorted({best, 30, 36})


def test_superseded_history_keeps_its_checkpoints(recording: RunRecorder, tmp_path: Path) -> None:
    first = recording.go_on(tiny_spec(), tmp_path, {20: [Stop()]}, [])
    assert [file.step for file in saved_files(tmp_path)] == [6, 12, 18, 20]
    aside = saved_files(tmp_path)[1:]
    resume_point = ResumePoint(saved_files(tmp_path)[0].path)
    recording.go_on(tiny_spec(), tmp_path, {9: [Stop()]}, [first], resume_point=resume_point)
    assert [file for file in saved_files(tmp_path) if file in aside] == aside
    assert saved_files(tmp_path)[-1].step == 9


# -- what can't be saved -----------------------------------------------------------------------------------------------

OWN = """
from torch.optim.lr_scheduler import LRScheduler

class Fine(LRScheduler):
    def __init__(self, optimizer, factor=0.5):
        self.factor, self.history = factor, []
        super().__init__(optimizer)

    def get_lr(self):
        self.history.append(self.last_epoch)
        return [group["lr"] * (self.factor if self.last_epoch else 1.0) for group in self.optimizer.param_groups]

class Remembers(Fine):
    # makes something of the lr that it is built on, and leaves it out of its state
    def __init__(self, optimizer):
        self.step_down = optimizer.param_groups[0]["lr"] / 100
        super().__init__(optimizer)

    def get_lr(self):
        return [group["lr"] - self.step_down for group in self.optimizer.param_groups]

    def state_dict(self):
        return {name: value for name, value in super().state_dict().items() if name != "step_down"}

class HasAFunction(Fine):
    def __init__(self, optimizer):
        self.function = abs
        super().__init__(optimizer)

class HasALambda(Fine):
    def __init__(self, optimizer):
        self.function = lambda: 1
        super().__init__(optimizer)

class HasGroups(Fine):
    def __init__(self, optimizer):
        self.groups = optimizer.param_groups
        super().__init__(optimizer)

class Raises(Fine):
    def state_dict(self):
        raise RuntimeError("I have no state")
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.py").write_text(OWN)
    return str(tmp_path / "own.py")


def test_a_run_with_a_users_scheduler_is_resumed(own: str, recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(schedule=f'{own}:Fine(factor=0.9, per="batch")')
    whole = recording.run(spec)
    pieces = recording.run_in_pieces(spec, [8, 15], tmp_path / "run")
    assert {step: done for piece in pieces for step, done in piece.steps.items()} == whole.steps
    assert pieces[-1].end == whole.end
    scheduler: Any = recording.loop._setup.lr_control._scheduler  # type: ignore[union-attr]
    assert scheduler.history == list(range(25))


def test_a_scheduler_built_on_the_current_lr_is_rebuilt_on_it(own: str, recording: RunRecorder, tmp_path: Path) -> None:
    spec = tiny_spec(schedule="ExponentialLR(gamma=0.5)")
    script: Any = {7: [SwitchSchedule(f'{own}:Remembers(per="batch")', "current")]}
    pieces = recording.run_in_pieces(spec, [9, 15], tmp_path / "run", script)
    assert_same(recording.run(spec, script), pieces)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HasAFunction", "the schedule's state_dict() of {own}:HasAFunction() contains objects other than tensors"),
        ("HasALambda", "the schedule's state_dict() of {own}:HasALambda() contains objects other than tensors"),
        ("HasGroups", "{own}:HasGroups can't be checkpointed: its state contains the optimizer's groups or parameters"),
        ("Raises", "RuntimeError: I have no state"),
    ],
)
def test_a_scheduler_that_cannot_be_saved_is_reported_at_once_and_never_half_saved(
    name: str, words: str, own: str, recording: RunRecorder, tmp_path: Path
) -> None:
    spec = tiny_spec(schedule=f"{own}:{name}()")
    course = recording.run(spec, {3: [SaveCheckpoint()], 14: [SwitchSchedule("StepLR(1)")]}, checkpoints=Checkpoints(tmp_path / "run"))  # fmt: skip  # noqa: E501
    told = f"no checkpoints are saved, so this run can't be resumed: {words.format(own=own)}"
    assert [(e.level, e.step, e.text[: len(told)]) for e in notices(course)] == [("warning", 3, told)]
    assert words.format(own=own) in of(CommandRefused, course.events)[0].reason
    # under another schedule it can be
    assert reasons(course) == [("change", 14), ("epoch", 18), ("epoch", 24)]
    assert len(of(StepDone, course.events)) == 24


def test_a_later_scheduler_that_cannot_be_saved_is_reported_then(
    own: str, recording: RunRecorder, tmp_path: Path
) -> None:
    course = recording.run(
        tiny_spec(), {8: [SwitchSchedule(f"{own}:HasAFunction()")]}, checkpoints=Checkpoints(tmp_path / "run")
    )
    assert reasons(course) == [("epoch", 6)]
    assert [e.step for e in notices(course)] == [8]
    assert [file.step for file in saved_files(tmp_path / "run")] == [6]


def test_a_model_that_cannot_be_saved_is_reported(recording: RunRecorder, tmp_path: Path) -> None:
    class Extra(torch.nn.Linear):
        def get_extra_state(self) -> Any:
            return print

        def set_extra_state(self, state: Any) -> None:
            pass

    class Task(RandomTask):
        def model(self) -> torch.nn.Module:
            return torch.nn.Sequential(Extra(4, 2))

    course = recording.run(
        RunSpec(epochs=1, batch_size=15), make_task=lambda: Task("in memory"), checkpoints=Checkpoints(tmp_path / "run")
    )
    assert "the model's state_dict() contains objects other than" in notices(course)[0].text
    assert len(notices(course)) == 1
    assert list((tmp_path / "run").iterdir()) == []


def test_events_are_published_in_order(recording: RunRecorder, tmp_path: Path) -> None:
    course = recording.run(tiny_spec(epochs=1), {3: [ScaleLr(2.0)]}, checkpoints=Checkpoints(tmp_path))
    kinds = [type(event) for event in course.events if isinstance(event, (LrSet, CheckpointSaved, EpochDone))]
    assert kinds == [LrSet, CheckpointSaved, EpochDone, CheckpointSaved]
