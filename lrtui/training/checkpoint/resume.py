"""A run that goes on from a checkpoint: what it has to have in common with it, and what is said of what it has not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from lrtui.run.commands import Command, Extend, SwitchSchedule
from lrtui.run.errors import CheckpointError, LrtuiError, UsageError
from lrtui.run.spec import option_words
from lrtui.run.user_error import describe_exception
from lrtui.schedules.build import check_buildable
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.script import Script, parse_script_line
from lrtui.training.checkpoint.files import ResumePoint
from lrtui.training.checkpoint.format import Checkpoint, load_checkpoint
from lrtui.training.checkpoint.state import TrainingState, sizes, versions
from lrtui.training.extension import check_length_is_open, check_number_of_epochs
from lrtui.training.followed_metric import check_metric
from lrtui.training.pending_commands import PendingCommands
from lrtui.training.run_setup import RunSetup

_MAY_DIFFER = {"schedule", "at", "epochs", "task", "device"}
"""Settings that the checkpoint has an answer for, or that are told when they differ."""


@dataclass(frozen=True, slots=True)
class ResumedRun:
    """A checkpoint and what is done differently after it.

    Args:
        resume_point: which, and with what changes.
        checkpoint: what it holds.
    """

    resume_point: ResumePoint
    checkpoint: Checkpoint

    @classmethod
    def read(cls, resume_point: ResumePoint) -> ResumedRun:
        """Return it with its checkpoint read.

        Raises:
            CheckpointError: where that can't be read.
        """
        return cls(resume_point, load_checkpoint(resume_point.checkpoint))

    @property
    def is_branch(self) -> bool:
        """Whether another run begins."""
        return self.resume_point.parent is not None

    @property
    def started_fields(self) -> dict[str, Any]:
        """What RunStarted says of where the run goes on from."""
        if self.is_branch:
            return {"parent": self.resume_point.parent}
        return {"resumed_from": self.checkpoint.step, "resumed_seq": self.checkpoint.seq}

    def fit(self, setup: RunSetup) -> RunSetup:
        """Return the setup as it goes on, once all that can be refused has been.

        Raises:
            CheckpointError: for a checkpoint of another model, other data or other settings.
            UsageError: for a change that can't be.
        """
        saved, path = self.checkpoint, self.resume_point.checkpoint
        for name, (mine, theirs) in setup.spec.differences(saved.spec).items():
            if name not in _MAY_DIFFER:
                raise CheckpointError(
                    f"{path} is of a run with {option_words(name)} {theirs}, and can't go on with {mine}"
                )
        for what, number in sizes(setup).items():
            before = saved.sizes.get(what)
            if number != before:
                raise CheckpointError(f"{path} is of a run with {before} {what}, and this one has {number}")
        self._check_changes(setup)
        at = setup.spec.at if self.is_branch else saved.spec.at
        return replace(setup, spec=replace(setup.spec, schedule=saved.spec.schedule, at=at))

    def pending_commands(self, setup: RunSetup) -> PendingCommands:
        """Return what is to be done from here on without anybody giving a command."""
        saved, steps = self.checkpoint, setup.horizon.batches_per_epoch
        lines = saved.script
        if self.is_branch:
            own = Script(setup.spec.at, None, steps, saved.step).lines
            lines = [line.text for line in own if line.command not in self.resume_point.commands]
        replay = [] if self.is_branch else _joined(self.resume_point.replay, saved.replay)
        more = self._more_epochs
        at_once: list[Command] = [*([Extend(more)] if more else []), *self.resume_point.commands]
        return PendingCommands(Script(lines, None, steps), Script(replay, None, steps), at_once)

    def restore(self, state: TrainingState) -> None:
        """Put the run where the checkpoint was made.

        Raises:
            CheckpointError: where a part of it does not fit.
        """
        try:
            state.restore(self.checkpoint)
        except LrtuiError as error:
            raise CheckpointError(f"{self.resume_point.checkpoint} can't be gone on from: {error}") from None
        except Exception as error:  # what does not fit can make torch and a user's classes raise anything
            raise CheckpointError(
                f"{self.resume_point.checkpoint} does not fit this run: {describe_exception(error)}"
            ) from error

    def warnings(self, setup: RunSetup) -> list[str]:
        """Return why the run may not go on exactly as if nothing had been, a sentence each."""
        found = []
        if setup.train.inexact is not None:
            found.append(
                f"the order of the data may differ from what a run in one piece would have had: {setup.train.inexact}"
            )
        now, before = {**versions(setup.device), "task": setup.spec.task}, dict(self.checkpoint.versions)
        before["task"] = self.checkpoint.spec.task
        names = [name for name in now if before.get(name) not in (None, now[name])]
        if setup.device.type != "cpu" and "device" not in names:
            # there they have no part in the model's numbers
            names = [name for name in names if name not in ("threads", "processor")]
        if names:
            words = ", ".join(f"{name} {now[name]} (was {before[name]})" for name in names)
            found.append(f"numbers may differ from what a run in one piece would have had: {words}")
        return found

    @property
    def _epochs(self) -> int:
        """Of the run as the checkpoint and what is done again leave it."""
        replay = [parse_script_line(line).command for line in self.resume_point.replay]
        return self.checkpoint.spec.epochs + sum(each.epochs for each in replay if isinstance(each, Extend))

    @property
    def _more_epochs(self) -> int:
        return 0 if self.resume_point.epochs is None else self.resume_point.epochs - self._epochs

    def _check_changes(self, setup: RunSetup) -> None:
        """Refuse now what would be refused when the run has gone on, and its old story been put aside."""
        resume_point, saved, steps = self.resume_point, self.checkpoint, setup.horizon.batches_per_epoch
        switches = [command for command in resume_point.commands if isinstance(command, SwitchSchedule)]
        if self._more_epochs < 0:
            raise UsageError(f"the run has {self._epochs:,} epochs already; --epochs makes it longer, not shorter")
        if self._more_epochs > 0 and not switches:
            in_force = parse_schedule(saved.lr_control["schedule"])
            check_length_is_open(in_force, "give --schedule another one for the epochs to come")
        epochs = self._epochs + self._more_epochs
        check_number_of_epochs(epochs)
        if saved.step >= epochs * steps and not saved.progress["testing"] and resume_point.commands:
            raise UsageError(f"all {epochs:,} epochs of the run are done; --epochs makes it longer")
        for command in switches:
            schedule = parse_schedule(command.schedule)
            check_metric(schedule, setup.metric_names)
            start = 0 if command.anchor == "start" else saved.step
            horizon = replace(setup.horizon, epochs=epochs, start_step=start)
            check_buildable(schedule, parse_optimizer(setup.spec.optimizer), horizon)


def _joined(story: tuple[str, ...], checkpoint: list[str]) -> list[str]:
    """Return the lines of both, those that are in both once.

    What a checkpoint has still to replay is in the story after it as well, as far as that came.
    """
    left = list(story)
    more = []
    for line in checkpoint:
        if line in left:
            left.remove(line)
        else:
            more.append(line)
    return [*story, *more]
