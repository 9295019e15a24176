"""What a script does to the lr of a run, found by carrying it out on an LrControl without a model or data."""

from __future__ import annotations

from lrtui.run.commands import Command, Extend, ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec
from lrtui.schedules.anchor import anchor_warnings
from lrtui.schedules.export_code import ChangePoint, ScaleChange, ScheduleChange, Timeline
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_build import build_tiny_optimizer
from lrtui.schedules.schedule import check_no_fixed_length
from lrtui.schedules.script import read_script
from lrtui.schedules.simulate import Results
from lrtui.training.lr_control import LrControl
from lrtui.training.pending_commands import PendingCommands


class SimulatedScript:
    """Simulates a run's settings, `at` included.

    Args:
        spec: the settings.
        batches_per_epoch: optimizer steps per epoch.
        results: results of the tests that ended epochs, if known; without them, a schedule that follows a metric is
            not stepped.

    Raises:
        NotationError: for a schedule that can't be built on this optimizer, or fails at a step.
        TaskError: if a user's class fails.
    """

    def __init__(self, spec: RunSpec, batches_per_epoch: int, results: Results = ()) -> None:
        self._spec, self._batches_per_epoch, self._results = spec, batches_per_epoch, results
        self._optimizer = parse_optimizer(spec.optimizer)
        horizon = Horizon.of(spec, batches_per_epoch)
        self._control = LrControl(build_tiny_optimizer(self._optimizer), parse_schedule(spec.schedule), horizon)
        self._pending = PendingCommands(
            batches_per_epoch, read_script(spec.at, horizon.epochs, batches_per_epoch, max_steps=horizon.max_steps)
        )
        self._points: list[ChangePoint] = []
        self._notes: list[str] = []
        self.refused: list[tuple[Command, int, UsageError]] = []
        """The commands that a run refuses, with their steps and the reasons; without those whose lr depends on a user's
        class, which may differ in a run."""
        self.warnings: list[str] = []
        """What a run warns of when it obeys a command."""

    def run(self, until: int | None = None) -> Timeline:
        """Return the timeline of the run, the whole one or up to the end of the epoch that has step `until`."""
        first = ScheduleChange(self._control.schedule, "base")
        epoch = 1
        while epoch <= self._control.horizon.epochs and (
            until is None or (epoch - 1) * self._batches_per_epoch <= until
        ):
            self._run_epoch(epoch)
            epoch += 1
        return Timeline(
            first=first,
            optimizer=self._optimizer,
            epochs=self._control.horizon.epochs,
            batches_per_epoch=self._batches_per_epoch,
            max_steps=self._control.horizon.max_steps,
            points=tuple(self._points),
            accumulate=self._spec.accumulate,
            clip_grad_norm=self._spec.clip_grad_norm,
            notes=tuple(self._notes),
        )

    def _run_epoch(self, epoch: int) -> None:
        control, start = self._control, (epoch - 1) * self._batches_per_epoch
        end = control.horizon.end_of_epoch(epoch)
        # single steps matter only for a schedule that is stepped per batch, and for commands
        if control.schedule.per == "batch" or self._pending.is_due(end - 1):
            step = start
            while step < control.horizon.end_of_epoch(epoch):
                # a command may extend the run
                self._carry_out_due(step, testing=False)
                control.after_step()
                step += 1
            end = step
        self._carry_out_due(end, testing=True)
        control.after_epoch(end, self._results[epoch - 1] if epoch <= len(self._results) else {})

    def _carry_out_due(self, step: int, *, testing: bool) -> None:
        changes: list[ScheduleChange | ScaleChange] = []
        while (due := self._pending.take(step, testing=testing)) is not None:
            try:
                changes += self._carry_out(due[0], step)
            except UsageError as error:
                # a run refuses the command, says so and continues
                self._notes.append(f"{due[0].text} at step {step:,} is refused: {error}")
                if not self._control.schedule.is_users_own:
                    self.refused.append((due[0], step, error))
        if changes:
            self._points.append(ChangePoint(step, tuple(changes), testing))

    def _carry_out(self, command: Command, step: int) -> list[ScheduleChange | ScaleChange]:
        control = self._control
        match command:
            case SwitchSchedule(schedule, anchor):
                warnings = anchor_warnings(parse_schedule(schedule), anchor, control.lrs)
                self.warnings += [f"--at: {command.text} at step {step:,}: {text}" for text in warnings]
                control.switch(parse_schedule(schedule), anchor, step)
                return [ScheduleChange(control.schedule, anchor, command.text)]
            case ScaleLr(factor):
                control.scale_by(factor)
            case SetLr(lr, group):
                control.set_lr(lr, group)
            case UndoLr():
                control.undo()
            case Extend(epochs):
                check_no_fixed_length(control.schedule, "switch to another schedule first")
                control.extend(epochs)
                return []
            case Stop():
                self._notes.append(f"the script stops the run at step {step:,}; this code continues to its end")
                return []
            case _:
                return []
        return [ScaleChange(control.scale, command.text)]
