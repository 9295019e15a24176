"""Where the training thread takes commands, between two steps and between two batches of a test."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal

from lrtui.run.commands import Command, EvaluateNow, Pause, Resume, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.errors import UsageError
from lrtui.run.events import CommandRefused, LrSet, Paused, Resumed, ScheduleSwitched
from lrtui.run.inbox import Inbox
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.script import Script
from lrtui.training.lr_control import LrControl
from lrtui.training.reporter import Reporter


class StopRequested(BaseException):
    """Leaves the loop, from however deep in it: also out of a task's own code that catches every Exception.

    No error: the user's word, on its way out.
    """


EvalTrigger = Literal["epoch end", "on demand"]
"""The test at an epoch's end, and one that a command asked for."""


class CommandDesk:
    """Obeys commands and answers each with an event.

    Args:
        script: what is done without anybody giving a command; its lines come before those of the inbox.
        metrics: names of the figures that a schedule can follow.
        evaluate: runs the test set for a command and publishes its result.
    """

    def __init__(
        self,
        inbox: Inbox,
        script: Script,
        reporter: Reporter,
        lr_control: LrControl,
        metrics: Collection[str],
        evaluate: Callable[[Command], object],
    ) -> None:
        self._inbox = inbox
        self._script = script
        self._metrics = metrics
        self._reporter = reporter
        self._lr_control = lr_control
        self._evaluate = evaluate
        self._paused = False

    def obey(self, during: EvalTrigger | None = None) -> None:
        """Obey all commands that have come or are due; while paused, block until one comes that ends the pause.

        A test on demand goes on through a pause: it was asked for.

        Args:
            during: the test that is under way, if one is.

        Raises:
            StopRequested: for Stop.
        """
        while True:
            command = self._next(during)
            if command is not None:
                self._obey_one(command, during)
            elif self._paused and during != "on demand":
                self._reporter.clock.hold()
                self._inbox.wait()
            else:
                self._reporter.clock.go_on()
                return

    @property
    def has_work(self) -> bool:
        """Whether a command has come, or one of the script is due before the next step."""
        return len(self._inbox) > 0 or self._script.is_due(self._reporter.step)

    def _next(self, during: EvalTrigger | None) -> Command | None:
        # what a script has for this moment waits for a test on demand, which is a line of the script itself
        if during != "on demand" and not self._paused:
            scripted = self._script.take(self._reporter.step, testing=during == "epoch end")
            if scripted is not None:
                return scripted
        return self._inbox.take()

    def _obey_one(self, command: Command, during: EvalTrigger | None) -> None:
        try:
            match command:
                case Stop():
                    raise StopRequested
                case Pause() | Resume():
                    self._pause_or_resume(isinstance(command, Pause))
                case SwitchSchedule():
                    self._switch(command)
                case SetLr():
                    self._change_lr(command, "user", lambda: self._lr_control.set_lr(command.lr, command.group))
                case ScaleLr():
                    self._change_lr(command, "user", lambda: self._lr_control.scale_by(command.factor))
                case UndoLr():
                    self._change_lr(command, "undo", self._lr_control.undo)
                case EvaluateNow():
                    self._evaluate_now(command, during)
                case _:
                    raise UsageError("this run does not know the command")
        except UsageError as error:
            self._reporter.say(CommandRefused, command=command.words, reason=str(error))

    def _pause_or_resume(self, pause: bool) -> None:
        if pause == self._paused:
            raise UsageError("the run is already paused" if pause else "the run is not paused")
        self._paused = pause
        if pause:
            self._reporter.clock.hold()
        else:
            self._reporter.clock.go_on()
        self._reporter.say(Paused if pause else Resumed)

    def _switch(self, command: SwitchSchedule) -> None:
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
            command=command.words,
        )

    def _change_lr(self, command: Command, by: Literal["user", "undo"], change: Callable[[], None]) -> None:
        before = self._lr_control.lrs
        change()
        self._reporter.say(
            LrSet,
            lrs_before=before,
            lrs_after=self._lr_control.lrs,
            scale=self._lr_control.scale,
            by=by,
            command=command.words,
        )

    def _evaluate_now(self, command: Command, during: EvalTrigger | None) -> None:
        if during is not None:
            raise UsageError("a test is under way; its result is on its way")
        self._reporter.clock.go_on()
        self._evaluate(command)
        # the wait that follows, if the run is paused, holds the clock again


def check_metric(schedule: Schedule, metrics: Collection[str]) -> None:
    """Refuse a schedule that follows a figure which no test gives: it would never be stepped.

    Raises:
        UsageError: names those there are.
    """
    if schedule.metric is not None and schedule.metric not in metrics:
        known = ", ".join(metrics)
        raise UsageError(f"{schedule} follows the test's {schedule.metric}, which this task does not give: {known}")
