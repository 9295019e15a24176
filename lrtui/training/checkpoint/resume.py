"""Resuming a run from a checkpoint, or branching from it: what must match, and what may differ."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrtui.run.commands import Command, Extend, SwitchSchedule
from lrtui.run.errors import CheckpointError, LrtuiError, UsageError, describe_exception
from lrtui.run.spec import option_name
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import check_no_fixed_length
from lrtui.schedules.script import parse_script_line, read_script
from lrtui.text.format import counted
from lrtui.training.checkpoint.files import ResumePoint, SavedFile, own_files, saved_files
from lrtui.training.checkpoint.format import Checkpoint, load_checkpoint
from lrtui.training.checkpoint.state import TrainingState, sizes, versions
from lrtui.training.lr_trial import LrTrial
from lrtui.training.pending_commands import PendingCommands
from lrtui.training.run_setup import OVER, RunSetup, check_epochs, check_metric
from lrtui.training.task_state import REMEDY, saved_state, saves_state

_MAY_DIFFER = {"schedule", "at", "epochs", "task", "device", "max_steps"}
"""Settings that the checkpoint determines, or whose difference causes only a warning."""


@dataclass(frozen=True, slots=True)
class ResumedRun:
    """A checkpoint and what changes after it.

    Args:
        point: the file and the changes.
        checkpoint: the file's content.
    """

    point: ResumePoint
    checkpoint: Checkpoint

    @property
    def is_branch(self) -> bool:
        """Whether this is a new run."""
        return self.point.parent is not None

    @property
    def started_fields(self) -> dict[str, Any]:
        """The fields of RunStarted that give the point where the run resumes or branches."""
        if self.is_branch:
            return {"parent": self.point.parent}
        return {"resumed_from": self.checkpoint.step, "resumed_seq": self.checkpoint.seq}

    def resumed_setup(self, setup: RunSetup) -> RunSetup:
        """Return the setup with the checkpoint's schedule and script, after checking that it can be resumed.

        Raises:
            CheckpointError: for a checkpoint of another model, other data or other settings.
            UsageError: for a change that isn't possible.
        """
        saved, path = self.checkpoint, self.point.checkpoint
        if self.point.run_uid not in (None, saved.run_uid):
            raise CheckpointError(f"{path} belongs to another run, of a store that was deleted or is elsewhere")
        for name, (mine, theirs) in setup.spec.differences(saved.spec).items():
            if name not in _MAY_DIFFER:
                raise CheckpointError(
                    f"{path} belongs to a run with {option_name(name)} {theirs} and can't be resumed with {mine}"
                )
        for what, number in sizes(setup).items():
            before = saved.sizes.get(what)
            if number != before:
                raise CheckpointError(f"{path} belongs to a run with {before} {what}, but this run has {number}")
        for command in self._switches:
            check_metric(parse_schedule(command.schedule), setup.metric_names)
        at = setup.spec.at if self.is_branch else saved.spec.at
        return replace(setup, spec=replace(setup.spec, schedule=saved.spec.schedule, at=at))

    def pending_commands(self, setup: RunSetup) -> PendingCommands:
        """Return the commands that the run carries out by itself."""
        saved, steps = self.checkpoint, setup.horizon.batches_per_epoch
        script = read_script(saved.script, None, steps)
        if self.is_branch:
            lines = read_script(setup.spec.at, None, steps, saved.step)
            script = [line for line in lines if line.command not in self.point.commands]
        replay = [] if self.is_branch else _joined(self.point.replay, saved.replay)
        added = self._added_epochs
        immediate: list[Command] = [*([Extend(added)] if added else []), *self.point.commands]
        return PendingCommands(steps, script, read_script(replay, None, steps), immediate)

    def restore(self, state: TrainingState) -> None:
        """Load the checkpoint into the state of a run.

        Raises:
            CheckpointError: if a part of it does not fit.
        """
        try:
            state.restore(self.checkpoint)
        except LrtuiError as error:
            raise CheckpointError(f"can't resume from {self.point.checkpoint}: {error}") from None
        except Exception as error:  # a part that doesn't fit can make torch and a user's classes raise anything
            raise CheckpointError(
                f"{self.point.checkpoint} does not fit this run: {describe_exception(error)}"
            ) from error

    def warnings(self, setup: RunSetup) -> list[str]:
        """Return why the result may differ from an uninterrupted run's, one sentence each."""
        found = []
        if setup.train.inexact is not None:
            found.append(f"the data may differ from an uninterrupted run's: {setup.train.inexact}")
        found += self._task_warnings(setup)
        now = {**versions(setup), "task": setup.spec.task}
        before = {**self.checkpoint.versions, "task": self.checkpoint.spec.task}
        names = [name for name in now if before.get(name) not in (None, now[name])]
        if setup.device.type != "cpu" and "device" not in names:
            # on an accelerator these don't affect the model's numbers
            names = [name for name in names if name not in ("threads", "processor")]
        if names:
            changes = ", ".join(f"{name} {now[name]} (was {before[name]})" for name in names)
            found.append(f"numbers may differ from an uninterrupted run's: {changes}")
        return found

    def _task_warnings(self, setup: RunSetup) -> list[str]:
        """Return what of the task can't be restored."""
        saved, has_methods = self.checkpoint, saves_state(setup.task.task)
        found = []
        if saved.unsaved:
            found.append(
                f"the checkpoint does not have {', '.join(saved.unsaved)} of the task: the run goes on with new ones, "
                f"so it differs from an uninterrupted one; to save them, {REMEDY}"
            )
        if saved.task and not has_methods:
            found.append("the task's state can't be restored: the task has no load_state_dict(state) any more")
        if has_methods and not saved.task and saved_state(setup.task.task):
            found.append("the checkpoint has no state of the task, which the run has saved without one")
        return found

    @property
    def _epochs(self) -> int:
        """Epochs of the run by its checkpoint and the commands that are replayed."""
        replay = [parse_script_line(line).command for line in self.point.replay]
        return self.checkpoint.spec.epochs + sum(each.epochs for each in replay if isinstance(each, Extend))

    @property
    def _added_epochs(self) -> int:
        return 0 if self.point.epochs is None else self.point.epochs - self._epochs

    @property
    def _switches(self) -> list[SwitchSchedule]:
        return [command for command in self.point.commands if isinstance(command, SwitchSchedule)]

    def check_changes(self) -> None:
        """Check the changes before the data is loaded and the run's later history is superseded.

        Raises:
            UsageError: for a change that isn't possible, and for a schedule that fails in the added epochs.
        """
        point, saved = self.point, self.checkpoint
        if self._added_epochs < 0:
            raise UsageError(f"the run has {counted(self._epochs, 'epoch')} already; --epochs can only extend it")
        if self._added_epochs > 0 and not self._switches:
            current = parse_schedule(saved.lr_control["schedule"])
            check_no_fixed_length(current, "set another schedule for the added epochs with --schedule")
        epochs = self._epochs + self._added_epochs
        check_epochs(epochs)
        # a checkpoint that lacks a part is refused when it is restored
        per_epoch, max_steps = saved.sizes["steps an epoch"], saved.lr_control.get("_max_steps")
        horizon = Horizon(saved.lr_control.get("_epochs", saved.spec.epochs), per_epoch, saved.step, max_steps)
        ends_within = saved.step % per_epoch and (saved.progress.get("testing") or not saved.progress.get("steps"))
        if self._added_epochs and ends_within:
            raise UsageError(OVER.format(epoch=-(-saved.step // per_epoch), steps=saved.step))
        horizon = horizon.extended(epochs - horizon.epochs)
        if saved.step >= horizon.total_steps and not saved.progress.get("testing") and point.commands:
            raise UsageError(f"the run is done, with {counted(epochs, 'epoch')}; --epochs extends it")
        if self._added_epochs or point.commands:
            trial = LrTrial(saved.spec.optimizer, horizon, saved.lr_control, saved.optimizer["param_groups"])
            for command in point.commands:
                trial.carry_out(command)
            later = [parse_script_line(line).command for line in (*saved.script, *saved.replay, *point.replay)]
            trial.check_to_end(later, "set another schedule with --schedule")


def read_resume_point(point: ResumePoint) -> ResumedRun:
    """Load the checkpoint that a run resumes from, or a branch starts from.

    Raises:
        CheckpointError: if it can't be loaded; names the checkpoint before it if that is intact.
    """
    try:
        return ResumedRun(point, load_checkpoint(point.checkpoint))
    except CheckpointError as error:
        earlier = None if point.parent is not None else _intact_before(point.checkpoint, point.run_uid)
        if earlier is None:
            raise
        command = f"lrtui resume {point.checkpoint.parent.name} --from-step {earlier.step}{point.store}"
        raise CheckpointError(f"{error}. The one before it, of step {earlier.step:,}, is intact: {command}") from None


def _intact_before(path: Path, run_uid: str | None) -> SavedFile | None:
    """Return the run's newest checkpoint of an earlier step that can be loaded, or None."""
    files = saved_files(path.parent) if run_uid is None else own_files(path.parent, run_uid)
    step = next((file.step for file in files if file.path == path), 0)
    for file in reversed(files):
        if file.step < step:
            with suppress(CheckpointError):
                load_checkpoint(file.path)
                return file
    return None


def _joined(replay: tuple[str, ...], checkpoint: list[str]) -> list[str]:
    """Return the lines of both lists, common ones only once.

    Commands that were still to be replayed at the checkpoint are in both if the run has replayed them since.
    """
    left, more = list(replay), []
    for line in checkpoint:
        if line in left:
            left.remove(line)
        else:
            more.append(line)
    return [*replay, *more]
