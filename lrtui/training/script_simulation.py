"""What a script's lines do to the lr of a run, found out by playing them on lr control with nothing to train."""

from __future__ import annotations

from collections.abc import Sequence

from lrtui.run.commands import Command, Extend, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec
from lrtui.schedules.build import build_tiny_optimizer
from lrtui.schedules.export_code import ChangePoint, ScaleChange, ScheduleChange, Timeline
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.schedule import Horizon
from lrtui.schedules.script import Script
from lrtui.schedules.simulate import Results
from lrtui.training.extension import check_length_is_open
from lrtui.training.lr_control import LrControl


class SimulatedScript:
    """Plays a run's settings, `at` included, without model and data.

    Args:
        spec: the settings.
        batches_per_epoch: optimizer steps an epoch.
        results: of the tests at the epochs' ends that are known; a schedule that follows one is not stepped without.

    Raises:
        NotationError: for a schedule that can't be built on this optimizer, or fails at a step.
        TaskError: where a user's own class fails.
    """

    def __init__(self, spec: RunSpec, batches_per_epoch: int, results: Results = ()) -> None:
        self._spec, self._per_epoch, self._results = spec, batches_per_epoch, results
        self._optimizer = parse_optimizer(spec.optimizer)
        horizon = Horizon(spec.epochs, batches_per_epoch)
        self._control = LrControl(build_tiny_optimizer(self._optimizer), parse_schedule(spec.schedule), horizon)
        self._script = Script(spec.at, spec.epochs, batches_per_epoch)
        self._moments: list[ChangePoint] = []
        self._notes: list[str] = []
        self._first = ScheduleChange(self._control.schedule, "base")

    def run(self) -> Timeline:
        """Return the timeline of the whole run."""
        epoch = 1
        while epoch <= self._control.horizon.epochs:
            self._play_epoch(epoch)
            epoch += 1
        spec = self._spec
        return Timeline(
            first=self._first,
            optimizer=self._optimizer,
            epochs=self._control.horizon.epochs,
            batches_per_epoch=self._per_epoch,
            points=tuple(self._moments),
            accumulate=spec.accumulate,
            clip_grad_norm=spec.clip_grad_norm,
            notes=tuple(self._notes),
        )

    def _play_epoch(self, epoch: int) -> None:
        control, end = self._control, epoch * self._per_epoch
        # a schedule that steps per epoch needs no look at each step of one in which nothing is done
        if control.schedule.per == "batch" or self._script.is_due(end - 1):
            for step in range(end - self._per_epoch, end):
                self._obey(step, testing=False)
                control.after_step()
        self._obey(end, testing=True)
        control.after_epoch(end, self._results[epoch - 1] if epoch <= len(self._results) else {})

    def _obey(self, step: int, *, testing: bool) -> None:
        changes: list[ScheduleChange | ScaleChange] = []
        while (command := self._script.take(step, testing=testing)) is not None:
            try:
                changes += self._do(command, step)
            except UsageError as error:
                # a run refuses it, says so and goes on
                self._notes.append(f"{command.text} at step {step:,} is refused: {error}")
        if changes:
            self._moments.append(ChangePoint(step, tuple(changes), testing))

    def _do(self, command: Command, step: int) -> Sequence[ScheduleChange | ScaleChange]:
        control = self._control
        match command:
            case SwitchSchedule(schedule, anchor):
                control.switch(parse_schedule(schedule), anchor, step)
                return [ScheduleChange(control.schedule, anchor, command.text)]
            case ScaleLr(factor):
                control.scale_by(factor)
            case SetLr(lr, group):
                control.set_lr(lr, group)
            case UndoLr():
                control.undo()
            case Extend(epochs):
                check_length_is_open(control.schedule, "")
                control.extend(epochs)
                return []
            case Stop():
                self._notes.append(f"the script stops the run at step {step:,}; this code goes on to its end")
                return []
            case _:
                return []
        return [ScaleChange(control.scale, command.text)]
