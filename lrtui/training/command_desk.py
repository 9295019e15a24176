"""Where the training thread takes commands, between two steps and between two batches of a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from lrtui.run.commands import Command, EvaluateNow, Pause, Resume, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.errors import UsageError
from lrtui.run.events import CommandRefused, LrSet, Paused, Resumed, ScheduleSwitched
from lrtui.run.inbox import Inbox
from lrtui.schedules.notation import parse_schedule
from lrtui.training.lr_control import LrControl
from lrtui.training.reporter import Reporter


class StopRequested(Exception):  # noqa: N818 - not an error: the user's word, on its way out of the loop
    """Leaves the loop, from however deep in it."""


class CommandDesk:
    """Obeys commands and answers each with an event.

    Args:
        evaluate: runs the test set and publishes its result; called for EvaluateNow.
    """

    def __init__(self, inbox: Inbox, reporter: Reporter, lr_control: LrControl, evaluate: Callable[[], object]) -> None:
        self._inbox = inbox
        self._reporter = reporter
        self._lr_control = lr_control
        self._evaluate = evaluate
        self._paused = False

    def obey(self, *, evaluating: bool = False) -> None:
        """Obey all commands that have come; while paused, wait for more.

        Args:
            evaluating: whether a test is under way, so that another can't begin.

        Raises:
            StopRequested: for Stop.
        """
        while True:
            command = self._inbox.take()
            if command is not None:
                self._obey_one(command, evaluating)
            elif self._paused:
                self._reporter.clock.hold()
                self._inbox.wait()
            else:
                self._reporter.clock.go_on()
                return

    def _obey_one(self, command: Command, evaluating: bool) -> None:
        try:
            match command:
                case Stop():
                    raise StopRequested
                case Pause() | Resume():
                    self._pause_or_resume(isinstance(command, Pause))
                case SwitchSchedule():
                    self._switch(command)
                case SetLr():
                    self._change_lr("user", lambda: self._lr_control.set_lr(command.lr, command.group))
                case ScaleLr():
                    self._change_lr("user", lambda: self._lr_control.scale_by(command.factor))
                case UndoLr():
                    self._change_lr("undo", self._lr_control.undo)
                case EvaluateNow():
                    self._evaluate_now(evaluating)
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
        self._lr_control.switch(parse_schedule(command.schedule), command.anchor, self._reporter.step)
        self._reporter.say(
            ScheduleSwitched,
            schedule=str(self._lr_control.schedule),
            anchor=command.anchor,
            lrs=self._lr_control.lrs,
            lrs_before=before,
        )

    def _change_lr(self, by: Literal["user", "undo"], change: Callable[[], None]) -> None:
        before = self._lr_control.lrs
        change()
        self._reporter.say(
            LrSet, lrs_before=before, lrs_after=self._lr_control.lrs, scale=self._lr_control.scale, by=by
        )

    def _evaluate_now(self, evaluating: bool) -> None:
        if evaluating:
            raise UsageError("a test is under way; its result is on its way")
        self._reporter.clock.go_on()
        self._evaluate()
        # the wait that follows, if the run is paused, holds the clock again
