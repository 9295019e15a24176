"""Carries out commands in the training thread, between two steps and between two batches of a test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from lrtui.run.commands import (
    INTERRUPTED,
    Command,
    EvaluateNow,
    Extend,
    Hold,
    Pause,
    RangeTest,
    Resume,
    SaveCheckpoint,
    ScaleLr,
    SetLr,
    Stop,
    SwitchSchedule,
    UndoLr,
)
from lrtui.run.errors import UsageError
from lrtui.run.events import CommandRefused, Extended, Paused, Resumed
from lrtui.run.gate import Gate
from lrtui.run.inbox import Inbox
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.schedule import check_no_fixed_length
from lrtui.schedules.script import parse_script_line
from lrtui.training.checkpoint.policy import Checkpoints, Reason
from lrtui.training.checkpoint.state import TrainingState
from lrtui.training.commands_of_all import CommandsOfAll
from lrtui.training.group_settings import group_settings
from lrtui.training.lr_commands import LrCommands
from lrtui.training.lr_trial import LrTrial
from lrtui.training.random_state import caller_random_states
from lrtui.training.reporter import Reporter
from lrtui.training.run_setup import OVER, RunSetup, check_epochs, check_metric


class StopRequested(BaseException):
    """Leaves the loop after a Stop command.

    Not an Exception, so that a task's code that catches every Exception does not swallow it.

    Args:
        command_id: `id` of the Stop.
    """

    def __init__(self, command_id: str) -> None:
        super().__init__(command_id)
        self.command_id = command_id


EvalTrigger = Literal["epoch end", "on demand"]
"""What started a test: the end of an epoch, or a command or `--test-every` within it."""


class CommandHandler:
    """Carries out commands and answers each with an event.

    Args:
        setup: setup of the run.
        state: state of the run; its pending commands come before those of the inbox.
        inbox: where users' commands arrive.
        reporter: publishes the answers.
        checkpoints: saves one after commands that change the run.
        evaluate: runs the test set for a command (second argument: whether it is the script's) and publishes it.
        range_test: runs a range test from the current state, and answers through the command's feed.
    """

    def __init__(
        self,
        setup: RunSetup,
        state: TrainingState,
        inbox: Inbox,
        reporter: Reporter,
        checkpoints: Checkpoints,
        evaluate: Callable[[Command, bool], object],
        range_test: Callable[[RangeTest], object],
    ) -> None:
        self._setup, self._state = setup, state
        self._lr_control = setup.lr_control
        self._lr_commands = LrCommands(
            setup.lr_control, reporter, lambda schedule, _: check_metric(schedule, setup.metric_names)
        )
        self._commands, self._reporter = CommandsOfAll(inbox, setup.group), reporter
        self._checkpoints = checkpoints
        self._evaluate, self._range_test = evaluate, range_test
        self._after_the_test: list[Command] = []
        self._paused = self._has_changed = False

    @property
    def has_work(self) -> bool:
        """Whether a command or a checkpoint is due before the next step, in all processes alike; called once before
        each.
        """
        step = self._reporter.step
        # first, since all processes exchange it
        is_asked = self._commands.is_any(len(self._after_the_test) > 0 or self._checkpoints.is_due(step))
        return is_asked or self._state.pending.is_due(step)

    def handle(self, during: EvalTrigger | None = None) -> None:
        """Carry out all commands that are due; while paused, block until one ends the pause.

        A test on demand continues while the run is paused.

        Args:
            during: the test that is running, if any.

        Raises:
            StopRequested: for Stop.
        """
        while True:
            command, scripted = self._next(during)
            if command is not None:
                self._carry_out(command, scripted, during)
                continue
            if self._has_changed:
                # one checkpoint for several changes: a key that is held down sends ten a second
                self._save("change")
            if self._paused and during != "on demand":
                self._reporter.clock.pause()
                with caller_random_states():
                    self._commands.wait()
            else:
                self._reporter.clock.resume()
                if self._commands.agree(self._checkpoints.is_due(self._reporter.step)):
                    self._save("time")
                return

    def _next(self, during: EvalTrigger | None) -> tuple[Command | None, bool]:
        """Return the next command, if any, and whether it is the script's."""
        # pending commands wait until a test on demand has ended, since one of them may have started it
        if during != "on demand" and not self._paused:
            due = self._state.pending.take(self._reporter.step, testing=during == "epoch end")
            if due is not None:
                command, scripted = due
                # nobody waits for the answer to a script's command, and its events must be the same in every run
                return replace(command, id=""), scripted
        if during is None and self._after_the_test:
            return self._after_the_test.pop(0), False
        return self._commands.take(), False

    def _save(self, reason: Reason, command_id: str = "") -> str | None:
        self._has_changed = False
        return self._checkpoints.save(reason, self._state, self._reporter, command_id)

    def _carry_out(self, command: Command, scripted: bool, during: EvalTrigger | None) -> None:
        try:
            match command:
                case Stop():
                    self._save("stop")
                    # after the checkpoint, so that a resumed run does not have this notice
                    if command.because:
                        self._reporter.notice(INTERRUPTED, command.because, level="warning")
                    raise StopRequested(command.id)
                case Pause() | Resume():
                    self._pause_or_resume(command)
                case SwitchSchedule() | SetLr() | ScaleLr() | UndoLr():
                    self._lr_commands.carry_out(command, scripted)
                    self._has_changed = True
                case EvaluateNow():
                    if during is not None:
                        raise UsageError("a test is running already; wait for its result")
                    # if the run is paused, the wait that follows pauses the clock again
                    self._reporter.clock.resume()
                    self._evaluate(command, scripted)
                case SaveCheckpoint():
                    refusal = self._save("command", command.id)
                    if refusal is not None:
                        raise UsageError(refusal)
                case Extend():
                    self._extend(command, scripted)
                case RangeTest() if during is not None:
                    # between two batches of a test the model is in evaluation mode
                    command.feed.waiting_for = "the running test to end"
                    self._after_the_test.append(command)
                case Hold() if during is not None:
                    self._after_the_test.append(command)
                case Hold():
                    self._hold(command.gate)
                case RangeTest():
                    # a range test doesn't count as training time; `handle` resumes the clock, or waits
                    self._reporter.clock.pause()
                    self._range_test(command)
                case _:
                    raise UsageError("this run does not support the command")
        except UsageError as error:
            self._reporter.publish(CommandRefused, command=command.text, reason=str(error), command_id=command.id)

    def _hold(self, gate: Gate) -> None:
        """Wait until the gate is left; the clock stands still, and `handle` resumes it."""
        if gate.is_left:
            return
        self._reporter.clock.pause()
        with caller_random_states():
            self._commands.hold(gate)

    def _pause_or_resume(self, command: Command) -> None:
        pause = isinstance(command, Pause)
        if pause == self._paused:
            raise UsageError("the run is already paused" if pause else "the run is not paused")
        self._paused = pause
        if pause:
            self._reporter.clock.pause()
        else:
            self._reporter.clock.resume()
        self._reporter.publish(Paused if pause else Resumed, command_id=command.id)
        if pause:
            self._save("pause")

    def _extend(self, command: Extend, scripted: bool) -> None:
        control = self._lr_control
        if not self._state.pending.switches_schedule:
            check_no_fixed_length(control.schedule, "switch to another schedule for the added epochs")
        step, progress = self._reporter.step, self._state.progress
        if step % control.horizon.batches_per_epoch and (progress.testing or not progress.steps):
            raise UsageError(OVER.format(epoch=-(-step // control.horizon.batches_per_epoch), steps=step))
        check_epochs(control.horizon.epochs + command.epochs)
        self._try_schedule(control.horizon.extended(command.epochs))
        control.extend(command.epochs)
        self._reporter.publish(
            Extended,
            epochs=control.horizon.epochs,
            total_steps=control.horizon.total_steps,
            command=command.text,
            command_id=command.id,
            scripted=scripted,
        )
        self._has_changed = True

    def _try_schedule(self, horizon: Horizon) -> None:
        """Refuse to extend the run to a length over which its schedule fails."""
        control, pending, setup = self._lr_control, self._state.pending, self._setup
        step = self._reporter.step
        # the state of a user's class may not be copyable
        if pending.switches_schedule or any(part.user_path for part in control.schedule.walk()):
            return
        trial = LrTrial(
            setup.spec.optimizer,
            replace(horizon, start_step=step),
            control.state(),
            group_settings(setup.optimizer),
        )
        later = [parse_script_line(line).command for line in (*pending.script_left, *pending.replay_left(step))]
        trial.check_to_end(later, "switch to another schedule first")
