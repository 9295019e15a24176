"""Where the training thread takes commands, between two steps and between two batches of a test."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal

from lrtui.run.commands import (
    INTERRUPTED,
    Command,
    EvaluateNow,
    Extend,
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
from lrtui.run.events import CommandRefused, Extended, LrSet, Paused, Resumed, ScheduleSwitched
from lrtui.run.inbox import Inbox
from lrtui.schedules.notation import parse_schedule
from lrtui.training.checkpoint.keeper import Keeper
from lrtui.training.checkpoint.policy import Reason
from lrtui.training.extension import check_length_is_open, check_number_of_epochs
from lrtui.training.followed_metric import check_metric
from lrtui.training.lr_control import LrControl
from lrtui.training.pending_commands import PendingCommands
from lrtui.training.reporter import Reporter


class StopRequested(BaseException):
    """Leaves the loop at the user's request.

    Not an Exception, so that a task's own code that catches every Exception does not swallow it.

    Args:
        command_id: `id` of the Stop.
    """

    def __init__(self, command_id: str) -> None:
        super().__init__(command_id)
        self.command_id = command_id


EvalTrigger = Literal["epoch end", "on demand"]
"""The test at an epoch's end, and one that a command asked for."""


class CommandHandler:
    """Obeys commands and answers each with an event.

    Args:
        pending_commands: what is done without anybody giving a command; it comes before the inbox.
        metrics: names of the figures that a schedule can follow.
        evaluate: runs the test set for a command, told whether it is the script's, and publishes its result.
        keeper: makes a checkpoint of what commands change.
        range_test: makes a range test from the state of this moment, and tells of it through the command's feed.
    """

    def __init__(
        self,
        inbox: Inbox,
        pending_commands: PendingCommands,
        reporter: Reporter,
        lr_control: LrControl,
        metrics: Collection[str],
        evaluate: Callable[[Command, bool], object],
        keeper: Keeper,
        range_test: Callable[[RangeTest], object],
    ) -> None:
        self._inbox = inbox
        self._pending = pending_commands
        self._metrics = metrics
        self._reporter = reporter
        self._lr_control = lr_control
        self._evaluate = evaluate
        self._keeper = keeper
        self._range_test = range_test
        self._after_the_test: list[Command] = []
        self._paused = self._changed = False

    def obey(self, during: EvalTrigger | None = None) -> None:
        """Obey all commands that have come or are due; while paused, block until one comes that ends the pause.

        A test on demand goes on through a pause: it was asked for.

        Args:
            during: the test that is under way, if one is.

        Raises:
            StopRequested: for Stop.
        """
        while True:
            command, scripted = self._next(during)
            if command is not None:
                self._obey_one(command, scripted, during)
                continue
            if self._changed:
                # one for all changes of a moment: a key that is held down makes ten a second
                self._save("change")
            if self._paused and during != "on demand":
                self._reporter.clock.hold()
                self._inbox.wait()
            else:
                self._reporter.clock.go_on()
                self._keeper.save_if_due()
                return

    @property
    def has_work(self) -> bool:
        """Whether a command has come or is due before the next step, or a checkpoint is."""
        waits = len(self._inbox) > 0 or len(self._after_the_test) > 0
        return waits or self._pending.is_due(self._reporter.step) or self._keeper.is_due

    def _next(self, during: EvalTrigger | None) -> tuple[Command | None, bool]:
        """Return the next command, if there is one, and whether it is the script's."""
        # what a script has for this moment waits for a test on demand, which is a line of the script itself
        if during != "on demand" and not self._paused:
            due = self._pending.take(self._reporter.step, testing=during == "epoch end")
            if due is not None:
                command, scripted = due
                # nobody waits for the answer, and a script's run has the same events every time
                return replace(command, id=""), scripted
        if during is None and self._after_the_test:
            return self._after_the_test.pop(0), False
        return self._inbox.take(), False

    def _save(self, reason: Reason, command_id: str = "") -> str | None:
        self._changed = False
        return self._keeper.save(reason, command_id)

    def _obey_one(self, command: Command, scripted: bool, during: EvalTrigger | None) -> None:
        try:
            match command:
                case Stop():
                    self._save("stop")
                    # after the checkpoint: a run that goes on from there has forgotten it
                    if command.because:
                        self._reporter.notice(INTERRUPTED, command.because, level="warning")
                    raise StopRequested(command.id)
                case Pause() | Resume():
                    self._pause_or_resume(command)
                case SwitchSchedule():
                    self._switch(command, scripted)
                case SetLr():
                    self._change_lr(command, scripted, lambda: self._lr_control.set_lr(command.lr, command.group))
                case ScaleLr():
                    self._change_lr(command, scripted, lambda: self._lr_control.scale_by(command.factor))
                case UndoLr():
                    self._change_lr(command, scripted, self._lr_control.undo)
                case EvaluateNow():
                    self._evaluate_now(command, scripted, during)
                case SaveCheckpoint():
                    refusal = self._save("command", command.id)
                    if refusal is not None:
                        raise UsageError(refusal)
                case Extend():
                    self._extend(command, scripted)
                case RangeTest() if during is not None:
                    # between two batches of a test the model is in another mode
                    command.feed.waits_for = "the test under way"
                    self._after_the_test.append(command)
                case RangeTest():
                    # a pause of the run's clock, which the end of obeying holds or lets go on
                    self._reporter.clock.hold()
                    self._range_test(command)
                case _:
                    raise UsageError("this run does not know the command")
        except UsageError as error:
            self._reporter.say(CommandRefused, command=command.text, reason=str(error), command_id=command.id)

    def _pause_or_resume(self, command: Command) -> None:
        pause = isinstance(command, Pause)
        if pause == self._paused:
            raise UsageError("the run is already paused" if pause else "the run is not paused")
        self._paused = pause
        if pause:
            self._reporter.clock.hold()
        else:
            self._reporter.clock.go_on()
        self._reporter.say(Paused if pause else Resumed, command_id=command.id)
        if pause:
            self._save("pause")

    def _switch(self, command: SwitchSchedule, scripted: bool) -> None:
        before = self._lr_control.lrs
        schedule = parse_schedule(command.schedule)
        check_metric(schedule, self._metrics)
        self._lr_control.switch(schedule, command.anchor, self._reporter.step)
        self._reporter.say(
            ScheduleSwitched,
            schedule=str(self._lr_control.schedule),
            anchor=command.anchor,
            lrs=self._lr_control.lrs,
            lrs_before=before,
            command=command.text,
            command_id=command.id,
            scripted=scripted,
        )
        self._changed = True

    def _change_lr(self, command: Command, scripted: bool, change: Callable[[], None]) -> None:
        before = self._lr_control.lrs
        change()
        self._reporter.say(
            LrSet,
            lrs_before=before,
            lrs_after=self._lr_control.lrs,
            scale=self._lr_control.scale,
            by="undo" if isinstance(command, UndoLr) else "user",
            command=command.text,
            command_id=command.id,
            scripted=scripted,
        )
        self._changed = True

    def _extend(self, command: Extend, scripted: bool) -> None:
        control = self._lr_control
        if not self._pending.switches_at_once:
            check_length_is_open(control.schedule, "switch to another schedule for the epochs to come")
        check_number_of_epochs(control.horizon.epochs + command.epochs)
        control.extend(command.epochs)
        self._reporter.say(
            Extended,
            epochs=control.horizon.epochs,
            total_steps=control.horizon.total_steps,
            command=command.text,
            command_id=command.id,
            scripted=scripted,
        )
        self._changed = True

    def _evaluate_now(self, command: Command, scripted: bool, during: EvalTrigger | None) -> None:
        if during is not None:
            raise UsageError("a test is under way; its result is on its way")
        self._reporter.clock.go_on()
        self._evaluate(command, scripted)
        # the wait that follows, if the run is paused, holds the clock again
