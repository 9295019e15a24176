"""Carries out the commands of an attached run, between two steps of its script."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal

from lrtui.attached.framework import FrameworkLoop
from lrtui.attached.publisher import Publisher
from lrtui.attached.run_epochs import RunEpochs
from lrtui.attached.schedule_in_force import ScheduleInForce
from lrtui.attached.shared_commands import SharedCommands
from lrtui.attached.step_log import as_number
from lrtui.run.commands import (
    INTERRUPTED,
    Command,
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
from lrtui.run.errors import LrtuiError, Stopped, UsageError, describe_exception
from lrtui.run.events import CheckpointSaved, CommandRefused, EvaluationStarted, Extended, Paused, Resumed
from lrtui.schedules.schedule import check_no_fixed_length
from lrtui.training.lr_commands import LrCommands
from lrtui.training.random_state import own_random_states

OnStop = Literal["raise", "flag"]


class RunCommands:
    """Carries out the commands of an attached run, and answers each with an event.

    Args:
        shared: where they come from.
        schedule: the schedule in force.
        publisher: publishes the answers.
        epochs: the epochs of the run.
        loop: the loop of a framework; None for the script's own.
        evaluate: the script's function that runs a test.
        checkpoint: the script's function that saves a checkpoint.
        on_stop: what Stop does.
    """

    def __init__(
        self,
        shared: SharedCommands,
        schedule: ScheduleInForce,
        publisher: Publisher,
        epochs: RunEpochs,
        loop: FrameworkLoop | None,
        *,
        evaluate: Callable[[], Any] | None,
        checkpoint: Callable[[], Any] | None,
        on_stop: OnStop,
    ) -> None:
        self._shared, self._schedule, self._publisher, self._epochs = shared, schedule, publisher, epochs
        self._control, self._reporter, self._loop = schedule.control, publisher.reporter, loop
        self._lr_commands = LrCommands(self._control, self._reporter, schedule.check)
        self._evaluate, self._checkpoint, self.on_stop = evaluate, checkpoint, on_stop
        self._paused = False
        self.is_evaluating = False
        """Whether the script's function runs a test for a command; its results end no epoch."""
        self.stopped = False
        """Whether Stop has come."""

    def obey(self) -> None:
        """Carry out the commands that have come; while paused, wait for more.

        Raises:
            Stopped: for Stop, unless the script looks at `stopped` itself.
        """
        while True:
            command = self._shared.take()
            if command is not None:
                self._carry_out(command)
            elif self._paused and self._shared.refusal:
                # nobody could end the pause
                self._paused = False
                self._publisher.publish(Resumed)
            elif self._paused:
                self._reporter.clock.pause()
                self._shared.wait()
            else:
                self._reporter.clock.resume()
                return

    def _carry_out(self, command: Command) -> None:
        self._publisher.flush()
        try:
            if refusal := self._shared.refusal:
                raise UsageError(refusal)
            match command:
                case Stop():
                    self._stop(command)
                case Pause() | Resume():
                    self._pause_or_resume(command)
                case SwitchSchedule() | SetLr() | ScaleLr() | UndoLr():
                    self._lr_commands.carry_out(command)
                case EvaluateNow():
                    self._evaluate_now(command)
                case SaveCheckpoint():
                    self._save_checkpoint(command)
                case Extend():
                    self._extend(command)
                case _:
                    raise UsageError("a run of the user's own script does not support the command")
        except Stopped:
            raise
        except Exception as error:
            self.refuse(command, str(error) if isinstance(error, LrtuiError) else describe_exception(error))

    def refuse(self, command: Command, reason: str) -> None:
        """Answer a command: it is not carried out."""
        self._publisher.publish(CommandRefused, command=command.text, reason=reason, command_id=command.id)

    def _stop(self, command: Stop) -> None:
        self.stopped = True
        if command.because:
            self._reporter.notice(INTERRUPTED, command.because, level="warning")
        if self.on_stop == "raise":
            self._publisher.finish("stopped", command_id=command.id)
            raise Stopped("the run was stopped")
        # the script ends the run in order: it may save its scheduler's state
        self._publisher.stopped_by = command.id
        self._paused = False

    def _pause_or_resume(self, command: Command) -> None:
        pause = isinstance(command, Pause)
        if pause == self._paused:
            raise UsageError("the run is already paused" if pause else "the run is not paused")
        self._paused = pause
        self._publisher.publish(Paused if pause else Resumed, command_id=command.id)

    def _evaluate_now(self, command: EvaluateNow) -> None:
        if self._evaluate is None and self._loop is not None:
            self._loop.framework.evaluate(command)
            return
        if self._evaluate is None:
            raise UsageError("the script has no test to run: pass a function as evaluate= to lrtui.attach")
        self.evaluation_started(command)
        # looking at the model must not change what the training draws
        with own_random_states():
            self.is_evaluating = True
            try:
                results = self._evaluate()
            finally:
                self.is_evaluating = False
        if isinstance(results, Mapping):
            values = {str(name): as_number(value) for name, value in results.items()}
            self._publisher.publish_eval(values, self._epoch)
        elif results is not None:
            raise UsageError("the function evaluate must return a dict of results, or call run.log_eval itself")

    def evaluation_started(self, command: EvaluateNow) -> None:
        """Answer a command: its test starts."""
        self._publisher.publish(EvaluationStarted, epoch=self._epoch, command=command.text, command_id=command.id)

    @property
    def _epoch(self) -> int:
        return self._epochs.epoch_after(self._schedule.steps)

    def _save_checkpoint(self, command: SaveCheckpoint) -> None:
        if self._checkpoint is None and self._loop is not None:
            self._loop.framework.save_checkpoint(command)
            return
        if self._checkpoint is None:
            raise UsageError("the script saves no checkpoint: pass a function as checkpoint= to lrtui.attach")
        self.checkpoint_saved(command, self._checkpoint())

    def checkpoint_saved(self, command: SaveCheckpoint, path: str | os.PathLike[str] | None) -> None:
        """Answer a command: its checkpoint was saved."""
        self._publisher.publish(
            CheckpointSaved, path="" if path is None else os.fspath(path), reason="command", command_id=command.id
        )

    def _extend(self, command: Extend) -> None:
        epochs = self._epochs
        is_known = epochs.count is not None and epochs.steps_per_epoch is not None
        if self._loop is None and not is_known:
            raise UsageError("the length of the run is unknown: pass epochs= and batches_per_epoch= to lrtui.attach")
        if self._loop is None and not epochs.are_iterated:
            raise UsageError("the script's loop has its own end: write `for epoch in run.epochs():` to extend it")
        check_no_fixed_length(self._control.schedule, "switch to another schedule for the added epochs")
        if self._loop is not None:
            self._loop.framework.extend(command)
        if epochs.count is None or epochs.steps_per_epoch is None:
            raise UsageError("the length of the run is unknown")
        self._control.extend(command.epochs)
        epochs.count += command.epochs
        self._publisher.total_steps = self._control.total_steps
        self._publisher.publish(
            Extended,
            epochs=epochs.count,
            total_steps=self._publisher.total_steps,
            command=command.text,
            command_id=command.id,
        )
