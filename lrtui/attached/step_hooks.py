"""The hooks of an attached run in its script: around `optimizer.step()`, and in place of `scheduler.step()`."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch

from lrtui.attached.attachment import Attachment, describe_run
from lrtui.attached.calls import calls_hooks_twice, is_called_from, of_outer_step, uncompiled
from lrtui.attached.publisher import Publisher, say
from lrtui.attached.run_commands import RunCommands
from lrtui.attached.run_epochs import RunEpochs
from lrtui.attached.schedule_in_force import ScheduleInForce
from lrtui.attached.script_scheduler import lead_to, take_loaded_state
from lrtui.attached.shared_commands import SharedCommands
from lrtui.run.errors import Stopped, describe_exception
from lrtui.run.events import Extended
from lrtui.schedules.optimizer_build import parts_of

_of_this_process: weakref.WeakSet[StepHooks] = weakref.WeakSet()


def _leave_to_parent() -> None:
    for hooks in list(_of_this_process):
        hooks.leave_to_parent()
    _of_this_process.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


class StepHooks:
    """Records each step of the script's optimizers, and carries out commands between two steps.

    A step of the run is a step of the optimizer that steps first. As long as no command has come and nothing was
    changed, a step is only recorded.

    Args:
        attachment: what the script has given.
        schedule: the schedule in force.
        publisher: publishes the steps.
        epochs: the epochs of the run.
        shared: where commands come from.
        commands: carries them out.
    """

    def __init__(
        self,
        attachment: Attachment,
        schedule: ScheduleInForce,
        publisher: Publisher,
        epochs: RunEpochs,
        shared: SharedCommands,
        commands: RunCommands,
    ) -> None:
        self._attachment, self._optimizer, self._epochs = attachment, attachment.optimizer, epochs
        self._schedule, self._control = schedule, schedule.control
        self._publisher, self._reporter, self._log = publisher, publisher.reporter, publisher.log
        self._shared, self._commands = shared, commands
        self.is_quiet = False
        """Whether a step needs nothing but its record: no command has come, and the script's own lr is in force."""
        self.is_detached = False
        """Whether the script goes on alone."""
        self.holds_schedulers = False
        """Whether `step()` of the script's schedulers does nothing."""
        self._first: torch.optim.Optimizer | None = None
        """The optimizer whose steps are those of the run."""
        self._within_steps = attachment.sets_lr_itself
        self._lrs: list[Any] = []
        self._groups = 0
        self._has_tensor_lrs = self._told_calls = False
        self._wake_at: int | None = None
        """The step after which a step needs more than its record."""
        self._first_step = 0
        self._undo: list[Callable[[], object]] = []
        _of_this_process.add(self)
        first, parts = 0, parts_of(self._optimizer)
        for part in parts:
            # the script may add groups later
            groups = slice(first, None if part is parts[-1] else first + len(part.param_groups))
            first += len(part.param_groups)
            before, after = self._hooks(groups)
            if calls_hooks_twice(part):
                before, after = of_outer_step(before), of_outer_step(after)
            self._undo += [
                part.register_step_pre_hook(uncompiled(before)).remove,
                part.register_step_post_hook(uncompiled(after)).remove,
            ]
        self._undo += [lead_to(self, scheduler) for scheduler in attachment.schedulers]
        if attachment.loop is not None:
            self._first_step = attachment.loop.start_step
            schedule.begin_at(self._first_step, attachment.loop.unit)
            self._reporter.resume_at(self._first_step, 0.0)
            self._log.next_step = self._first_step
        for scheduler in attachment.schedulers:
            if (state := take_loaded_state(scheduler)) is not None:
                self.restore(state)

    # -- around optimizer.step() --------------------------------------------------------------------------------------

    def _hooks(self, groups: slice) -> tuple[Callable[..., None], Callable[..., None]]:
        """Return the hooks of one of the optimizers, which has these parameter groups."""
        commands, schedule, log = self._publisher.inbox.commands, self._schedule, self._log

        def before(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            if self.is_quiet and not commands:
                return
            if self.is_detached:
                if self._commands.stopped:
                    raise Stopped("the run was stopped")
                return
            if self._first is None:
                self._first = optimizer
            try:
                if optimizer is self._first:
                    self._between_steps()
                if self._within_steps and not self._control.is_switched:
                    self._control.lr_scale.begin_step(groups)
            except Stopped:
                # the hooks stay: a script that goes on after it is stopped again
                self.is_detached, self.is_quiet = True, False
                self._shared.leave()
                raise
            except Exception as error:
                self.give_up(error)

        def after(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            if self.is_quiet:
                if optimizer is self._first and not _was_skipped(optimizer):
                    lrs = [group["lr"] for group in self._optimizer.param_groups]
                    step = schedule.steps
                    log.step_done(step, lrs)
                    schedule.steps = step + 1
                    if step == self._wake_at or len(lrs) != self._groups:
                        self.is_quiet = False
                return
            if self.is_detached:
                return
            try:
                if self._within_steps and not self._control.is_switched:
                    self._control.lr_scale.end_step(groups)
                if optimizer is self._first and not _was_skipped(optimizer):
                    log.step_done(schedule.steps, self._lrs)
                    schedule.steps += 1
                    self._shared.step_done(self._lrs)
            except Exception as error:
                self.give_up(error)

        return before, after

    def _between_steps(self) -> None:
        if not self._reporter.has_started:
            self._publisher.skips_steps = is_called_from(torch.amp.GradScaler.step)
        self._reporter.step = self._schedule.steps
        self._log.close_step()
        self._log.read_device()
        if self._groups != len(self._optimizer.param_groups):
            self._note_groups()
        self._schedule.settle()
        if self._schedule.steps:
            self.start_if_not()
            self._report_calls()
            self._publish_epochs()
            if self._shared.are_due():
                self._commands.obey()
            self._report_ranks()
        self._schedule.note_lrs()
        self._lrs = self._lrs_of_step()
        self._lengthen_if_longer()
        self.is_quiet = self._reporter.has_started and not (
            self._schedule.has_changed or self._has_tensor_lrs or self._shared.is_shared
        )

    def _note_groups(self) -> None:
        groups = self._optimizer.param_groups
        if self._groups:
            self._control.note_added_groups()
        self._groups = len(groups)
        tensors = [group["lr"] for group in groups if isinstance(group["lr"], torch.Tensor)]
        self._has_tensor_lrs = bool(tensors)
        self._log.has_device_values = any(lr.device.type != "cpu" for lr in tensors)

    def _lrs_of_step(self) -> list[Any]:
        """Return the lrs of the next step; a tensor is copied, not read."""
        lrs = [group["lr"] for group in self._optimizer.param_groups]
        if self._within_steps and not self._control.is_switched:
            factors = self._control.lr_scale.factors
            lrs = [lr * factor if factor != 1 else lr for lr, factor in zip(lrs, factors, strict=True)]
        return [lr.clone() if isinstance(lr, torch.Tensor) else lr for lr in lrs] if self._has_tensor_lrs else lrs

    # -- what the hooks publish ---------------------------------------------------------------------------------------

    def start_if_not(self) -> None:
        """Publish the start, once it is known after what the script steps its scheduler."""
        if self._reporter.has_started or self._publisher.is_over:
            return
        fields = describe_run(self._attachment, self._schedule.unit)
        if self._control.is_switched:
            # no command has come: a loaded state has
            fields["spec"] = replace(fields["spec"], schedule=str(self._control.schedule))
        else:
            self._control.name_schedule(self._attachment.schedule(self._schedule.unit))
        self._publisher.start(self._first_step, **fields)
        if self._schedule.has_changed:
            factors = ", ".join(f"{factor:g}" for factor in self._control.scale)
            self._reporter.notice(
                "restored",
                f"the scheduler's loaded state has the changes of an earlier run: {self._control.schedule}, "
                f"its lr multiplied by {factors}",
            )

    def end_steps(self) -> None:
        """Publish what the step after the last one would have."""
        self._reporter.step = self._schedule.steps
        self._log.close_step()
        self._log.read_device(wait=True)
        self._lengthen_if_longer()
        self._publish_epochs()

    def _lengthen_if_longer(self) -> None:
        """Note that the script trains longer than it said."""
        total, steps, epochs = self._publisher.total_steps, self._schedule.steps, self._epochs
        if total is not None and steps > total and epochs.steps_per_epoch is not None:
            epochs.count = max(epochs.count or 0, epochs.epoch_after(steps))
            total = steps + epochs.steps_left(steps)
            self._publisher.total_steps = total
            self._control.extend(epochs.count - self._control.horizon.epochs)
            self._publisher.publish(Extended, epochs=epochs.count, total_steps=total)
        # the step after an epoch publishes its end; that after the last one lengthens the run
        moments = [None if (end := epochs.next_end) is None else end - 1, total]
        self._wake_at = min((moment for moment in moments if moment is not None and moment >= steps), default=None)

    def _publish_epochs(self) -> None:
        """Publish the ends of epochs that the steps have reached; after the tests of an epoch comes its end."""
        for epoch, step in self._epochs.take_ended(self._schedule.steps):
            self._publisher.epoch_done(epoch, step)

    def _report_calls(self) -> None:
        calls = self._schedule.calls_per_step
        if calls > 1 and not self._told_calls:
            self._told_calls = True
            self._publisher.warn_in_run(
                "scheduler-calls",
                f"the script steps its scheduler {calls} times per optimizer step, as accelerate does with {calls} "
                f"processes: the lengths in its arguments pass {calls} times as fast",
            )

    def _report_ranks(self) -> None:
        """Publish that the other ranks are lost, or that their lrs differ."""
        for code, text in self._shared.reports():
            self._publisher.warn_in_run(code, text)
            if self._publisher.recording is not None:
                say(text)

    # -- in place of scheduler.step() ---------------------------------------------------------------------------------

    def scheduler_stepped(
        self, scheduler: Any, step: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Step the schedule in force in place of `step`; an error of the script's scheduler is raised as it is."""
        made: list[Any] = []

        def own_step(*own: Any, **named: Any) -> Any:
            made.append(None)
            try:
                made[0] = step(*own, **named)
            except BaseException as error:
                made.append(error)
                raise
            return made[0]

        if self.holds_schedulers:
            return None
        if self.is_detached:
            return step(scheduler, *args, **kwargs)
        own_step.__name__ = step.__name__
        try:
            return self._schedule.scheduler_stepped(scheduler, own_step, args, kwargs)
        except Exception as error:
            if len(made) > 1 and made[1] is error:
                raise
            self.give_up(error)
            return made[0] if made else step(scheduler, *args, **kwargs)

    def note_call(self, scheduler: Any, step: Callable[..., Any]) -> None:
        """Take note of a `step()` call that the script's scheduler has made by itself."""
        try:
            self._schedule.script_stepped(scheduler, step)
            is_told = self._told_calls or self._schedule.calls_per_step == 1
            # an epoch may have ended
            self.is_quiet = self.is_quiet and is_told and self._schedule.unit == "batch"
        except Exception as error:
            self.give_up(error)

    @property
    def has_changed(self) -> bool:
        """Whether the lr is another than the script's own schedule gives."""
        return self._schedule.has_changed

    def state(self) -> dict[str, Any]:
        """Return what was changed, as plain values."""
        return self._schedule.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load what `state` returned."""
        self._schedule.restore(state)
        self.is_quiet = False

    # -- the end ------------------------------------------------------------------------------------------------------

    def detach(self) -> None:
        """Remove everything from the script's objects; the lr stays as it is."""
        self.is_detached, self.is_quiet = True, False
        self._reporter.step = self._schedule.steps
        self._shared.leave()
        if self._commands.stopped and self._commands.on_stop == "raise":
            return
        for undo in self._undo:
            with suppress(Exception):
                undo()
        self._undo.clear()
        self._reporter.clock.pause()

    def leave_to_parent(self) -> None:
        """Switch everything off in a forked process, which has no thread that takes the steps."""
        self.is_detached, self.is_quiet, self._log.is_kept = True, False, False
        for undo in self._undo:
            with suppress(Exception):
                undo()

    def give_up(self, error: Exception) -> None:
        """Let the script go on without lrtui."""
        self._publisher.warn(f"the run is not recorded any more: {describe_exception(error)}")
        self.detach()
        self._publisher.finish("stopped", wait=False)


def _was_skipped(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether a fused optimizer has skipped the step, since the scaled gradients were not finite."""
    # an attribute that GradScaler sets for the step
    found = vars(optimizer).get("found_inf")
    return isinstance(found, torch.Tensor) and bool(found.item())
