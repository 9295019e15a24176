"""Carries out the commands that change the lr, and publishes their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from lrtui.run.commands import Command, ScaleLr, SetLr, SwitchSchedule, UndoLr
from lrtui.run.events import LrSet, ScheduleSwitched
from lrtui.schedules.anchor import anchor_warnings
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Schedule
from lrtui.training.lr_control import LrControl
from lrtui.training.reporter import Reporter
from lrtui.training.run_setup import threshold_warning

LrCommand = SwitchSchedule | SetLr | ScaleLr | UndoLr


class LrCommands:
    """Carries out the commands that change the lr, and publishes their answers.

    Args:
        control: the lr control of the run.
        reporter: publishes the answers.
        check: refuses a schedule, with its anchor, that the run can't switch to, by a UsageError.
    """

    def __init__(self, control: LrControl, reporter: Reporter, check: Callable[[Schedule, str], object]) -> None:
        self._control, self._reporter, self._check = control, reporter, check

    def carry_out(self, command: LrCommand, scripted: bool = False) -> None:
        """Change the lr, and publish the answer.

        Args:
            scripted: whether the command came from the run's script.

        Raises:
            UsageError: if it can't be carried out; nothing has changed then.
        """
        match command:
            case SwitchSchedule():
                self._switch(command, scripted)
            case SetLr():
                self._change(command, scripted, lambda: self._control.set_lr(command.lr, command.group))
            case ScaleLr():
                self._change(command, scripted, lambda: self._control.scale_by(command.factor))
            case UndoLr():
                self._change(command, scripted, self._control.undo)

    def _switch(self, command: SwitchSchedule, scripted: bool) -> None:
        control, before = self._control, self._control.lrs
        schedule = parse_schedule(command.schedule)
        self._check(schedule, command.anchor)
        control.switch(schedule, command.anchor, self._reporter.step)
        for text in _warnings(schedule, command.anchor, before, control.test_results):
            self._reporter.notice("schedule", text, level="warning")
        self._reporter.publish(
            ScheduleSwitched,
            schedule=str(control.schedule),
            anchor=command.anchor,
            lrs=control.lrs,
            lrs_before=before,
            command=command.text,
            command_id=command.id,
            scripted=scripted,
        )

    def _change(self, command: Command, scripted: bool, change: Callable[[], None]) -> None:
        before = self._control.lrs
        change()
        self._reporter.publish(
            LrSet,
            lrs_before=before,
            lrs_after=self._control.lrs,
            scale=self._control.scale,
            by="undo" if isinstance(command, UndoLr) else "user",
            command=command.text,
            command_id=command.id,
            scripted=scripted,
        )


def _warnings(
    schedule: Schedule, anchor: str, lrs: Sequence[float], results: Sequence[Mapping[str, float]]
) -> list[str]:
    warnings = [*anchor_warnings(schedule, anchor, lrs)]
    if results:
        warnings.append(threshold_warning(schedule, results[-1], "the last test"))
    return [text for text in warnings if text]
