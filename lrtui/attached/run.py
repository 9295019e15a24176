"""A training run of the user's own script: recorded, and controlled from other terminals."""

from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.util
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import torch

from lrtui.attached.attachment import Attachment, describe_run, script_name
from lrtui.attached.epoch_places import EpochPlaces
from lrtui.attached.publisher import Publisher, say
from lrtui.attached.ranks import Ranks
from lrtui.attached.schedule_in_force import ScheduleInForce
from lrtui.attached.script_scheduler import lead_to, take_loaded_state
from lrtui.attached.shared_commands import SharedCommands
from lrtui.attached.uncompiled import uncompiled
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
from lrtui.run.events import (
    CheckpointSaved,
    CommandRefused,
    EvalDone,
    EvaluationStarted,
    Extended,
    Outcome,
    Paused,
    Resumed,
)
from lrtui.schedules.optimizer_build import parts_of
from lrtui.schedules.schedule import check_no_fixed_length
from lrtui.training.lr_commands import LrCommands
from lrtui.training.random_state import random_states, set_random_states

OnStop = Literal["raise", "flag"]


class AttachedRun:
    """A training run of the user's own script; `lrtui.attach` returns it.

    Nothing of it raises into the script but `Stopped`, out of `optimizer.step()`: a failure of lrtui is printed once,
    and the script goes on without it.
    """

    def __init__(
        self,
        attachment: Attachment,
        folder: Path | None,
        *,
        evaluate: Callable[[], Any] | None = None,
        checkpoint: Callable[[], Any] | None = None,
        on_stop: OnStop = "raise",
        ranks: Ranks | None = None,
    ) -> None:
        self._attachment = attachment
        self._evaluate, self._checkpoint, self._on_stop = evaluate, checkpoint, on_stop
        self._optimizer = attachment.optimizer
        self._control = attachment.lr_control()
        places = EpochPlaces(attachment.steps_per_epoch)
        self._schedule = ScheduleInForce(
            self._control,
            attachment.schedulers,
            places,
            self._report_failure,
            None if ranks is None else lambda results: self._commands.share_results(results),
        )
        self._publisher = Publisher(folder, attachment.spec, attachment.batches_per_step, places)
        self._publisher.total_steps = attachment.total_steps
        self._reporter, self._log = self._publisher.reporter, self._publisher.log
        self._commands = SharedCommands(self._publisher.inbox, ranks)
        self._lr_commands = LrCommands(self._control, self._reporter, self._schedule.check)
        self._epochs, self._steps_per_epoch = attachment.epochs, attachment.steps_per_epoch
        self.is_quiet = False
        """Whether a step needs nothing but its record: no command has come, and the script's own lr is in force."""
        self._iterates_epochs = self._paused = self._told_calls = False
        self._first: torch.optim.Optimizer | None = None
        self._within_steps = attachment.sets_lr_itself
        self._lrs: list[Any] = []
        self._groups = 0
        self._wake_at: int | None = None
        """The step after which the run is longer than the script said."""
        self._has_tensor_lrs = False
        self._refused_names: set[str] = set()
        self._is_detached = False
        self.stopped = False
        """Whether a stop command has come; with `on_stop="flag"` the script looks at it."""
        self._undo: list[Callable[[], object]] = []
        first = 0
        for part in parts_of(self._optimizer):
            groups = slice(first, first + len(part.param_groups))
            first = groups.stop
            before, after = self._hooks(groups)
            self._undo += [
                part.register_step_pre_hook(before).remove,
                part.register_step_post_hook(after).remove,
            ]
        self._undo += [lead_to(self, scheduler) for scheduler in attachment.schedulers]
        self._loop = attachment.loop
        self._first_step = 0
        self.holds_schedulers = False
        """Whether `step()` of the script's schedulers does nothing."""
        if self._loop is not None:
            self._first_step = self._loop.start_step
            self._schedule.begin_at(self._loop.start_step, self._loop.unit)
            self._reporter.resume_at(self._loop.start_step, 0.0)
            self._log.next_step = self._loop.start_step
        for scheduler in attachment.schedulers:
            if (state := take_loaded_state(scheduler)) is not None:
                self.restore(state)
        self._end_with_the_process()
        self._reporter.clock.resume()

    # -- the script's interface ---------------------------------------------------------------------------------------

    @property
    def number(self) -> int | None:
        """The run's number in the store; None if it is not recorded."""
        recording = self._publisher.recording
        return None if recording is None else recording.run

    @property
    def store_folder(self) -> Path | None:
        """The folder of the store that records it; None if nothing does."""
        recording = self._publisher.recording
        return None if recording is None else recording.folder

    @property
    def steps(self) -> int:
        """Optimizer steps done."""
        return self._schedule.steps

    def log(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Log values of a step: `run.log(loss=loss, grad_norm=norm)`.

        Values are numbers or tensors with one element; those on an accelerator are read later, together. Calls before
        or after `optimizer.step()` both work. With `batches_per_step`, every batch may be logged.

        Args:
            values: by name, for names that are no identifiers.
            named: the same as keyword arguments.
        """
        if self._is_detached or not self._log.is_kept:
            return
        try:
            if values:
                named = {**values, **named}
            on_device = False
            for name, value in named.items():
                if isinstance(value, torch.Tensor):
                    if value.device.type == "cpu":
                        named[name] = value.item()
                    else:
                        on_device = True
                        # a compiled model writes its next output into the same memory
                        named[name] = value.detach().clone()
                elif type(value) is not float:
                    named[name] = float(value)
            self._log.add(named)
            if on_device:
                self._log.has_device_values = True
                self._log.read_device()
        except Exception as error:
            self._refuse_values("log", named, error)

    def log_eval(
        self, values: Mapping[str, Any] | None = None, /, *, loss: Any = None, accuracy: Any = None, **metrics: Any
    ) -> None:
        """Log the results of a test: `run.log_eval(loss=test_loss, accuracy=accuracy, f1=f1)`.

        Args:
            values: results by name, for names that are no identifiers.
            loss: mean loss of the test.
            accuracy: fraction of correct samples, in [0, 1].
            metrics: further results by name.
        """
        if self._is_detached:
            return
        found = {"loss": loss, "accuracy": accuracy, **(values or {}), **metrics}
        try:
            results = {str(name): _number(value) for name, value in found.items() if value is not None}
        except Exception as error:
            self._refuse_values("log_eval", found, error)
            return
        try:
            self.publish_eval(results)
            self._schedule.test_ended(results)
        except Exception as error:
            self._give_up(error)

    def epochs(self, start: int = 0) -> Iterator[int]:
        """Yield the epochs from 0 on; a loop over them is as long as the run, also if the run is extended.

        Args:
            start: the first one, in a script that continues from its checkpoint.
        """
        self._iterates_epochs = True
        epoch = start
        while self._epochs is None or epoch < self._epochs:
            if self.stopped and self._on_stop == "flag":
                return
            yield epoch
            epoch += 1

    def finish(self, error: str | None = None) -> None:
        """End the run; without a call it ends with the script, or when its optimizer is no more.

        Args:
            error: why it failed, if it did.
        """
        self._end("failed" if error else None, error)

    def is_finished_by(self, other: Attachment) -> bool:
        """Return whether another run of this process ends this one: it is complete, or they share an optimizer."""
        total = self._publisher.total_steps
        parts = {id(part) for part in parts_of(self._optimizer)}
        is_shared = any(id(part) in parts for part in parts_of(other.optimizer))
        return is_shared or script_name() == "notebook" or (total is not None and self._schedule.steps >= total)

    def __enter__(self) -> AttachedRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, Stopped):
            self._end("failed", describe_exception(error))
        else:
            # Ctrl-C, sys.exit and a stop leave the block early
            self._end(None if error is None else "stopped")

    def _end(self, outcome: Outcome | None, error: str | None = None) -> None:
        try:
            self._start_if_not()
            if not self._is_detached:
                self._lengthen_if_longer()
        except Exception as failure:
            self._publisher.warn(describe_exception(failure))
        self._detach()
        self._publisher.finish(outcome, error)

    # -- between two steps --------------------------------------------------------------------------------------------

    def _hooks(self, groups: slice) -> tuple[Callable[..., None], Callable[..., None]]:
        """Return the hooks of one of the optimizers, which has these parameter groups."""

        commands, schedule, log = self._publisher.inbox.commands, self._schedule, self._log

        def before(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
            if self.is_quiet and not commands:
                return
            if self._is_detached:
                if self.stopped:
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
                raise
            except Exception as error:
                self._give_up(error)

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
            if self._is_detached:
                return
            try:
                if self._within_steps and not self._control.is_switched:
                    self._control.lr_scale.end_step(groups)
                if optimizer is self._first and not _was_skipped(optimizer):
                    self._step_done()
            except Exception as error:
                self._give_up(error)

        return uncompiled(before), uncompiled(after)

    def _between_steps(self) -> None:
        self._reporter.step = self._schedule.steps
        self._log.close_step()
        self._log.read_device()
        if self._groups != len(self._optimizer.param_groups):
            self._note_groups()
        self._schedule.settle()
        if self._schedule.steps:
            self._start_if_not()
            self._report_calls()
            if self._commands.are_due():
                self._obey()
            self._report_ranks()
        self._schedule.note_lrs()
        self._lrs = self._lrs_of_step()
        self._lengthen_if_longer()
        self.is_quiet = self._reporter.has_started and not (
            self._schedule.has_changed or self._has_tensor_lrs or self._commands.is_shared
        )

    def _lrs_of_step(self) -> list[Any]:
        """Return the lrs of the next step; a tensor is copied, not read."""
        lrs = [group["lr"] for group in self._optimizer.param_groups]
        if self._within_steps and not self._control.is_switched:
            factors = self._control.lr_scale.factors
            lrs = [lr * factor if factor != 1 else lr for lr, factor in zip(lrs, factors, strict=True)]
        return [lr.clone() if isinstance(lr, torch.Tensor) else lr for lr in lrs] if self._has_tensor_lrs else lrs

    def _step_done(self) -> None:
        step = self._schedule.steps
        self._log.step_done(step, self._lrs)
        self._schedule.steps = step + 1
        self._commands.step_done(self._lrs)

    @property
    def _epoch(self) -> int:
        """The epoch of the last step."""
        return self._schedule.places.place(max(0, self._schedule.steps - 1))[0]

    def _lengthen_if_longer(self) -> None:
        """Note that the script trains longer than it said."""
        total, steps = self._publisher.total_steps, self._schedule.steps
        if total is not None and steps > total and self._steps_per_epoch is not None:
            epochs = self._epoch
            self._epochs, total = epochs, epochs * self._steps_per_epoch
            self._publisher.total_steps = total
            self._control.extend(epochs - self._control.horizon.epochs)
            self._publisher.publish(Extended, epochs=epochs, total_steps=total)
        self._wake_at = total

    def _note_groups(self) -> None:
        groups = self._optimizer.param_groups
        if self._groups:
            self._control.note_added_groups()
        self._groups = len(groups)
        tensors = [group["lr"] for group in groups if isinstance(group["lr"], torch.Tensor)]
        self._has_tensor_lrs = bool(tensors)
        self._log.has_device_values = any(lr.device.type != "cpu" for lr in tensors)

    def _start_if_not(self) -> None:
        """Publish the start, once it is known after what the script steps its scheduler."""
        if self._reporter.has_started or self._publisher.is_over:
            return
        fields = describe_run(self._attachment, self._schedule.unit, self.store_folder)
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

    def _report_failure(self, text: str) -> None:
        self._publisher.flush()
        self._reporter.notice("schedule", text, level="warning")

    def _report_calls(self) -> None:
        calls = self._schedule.calls_per_step
        if calls > 1 and not self._told_calls:
            self._told_calls = True
            self._publisher.flush()
            self._reporter.notice(
                "scheduler-calls",
                f"the script steps its scheduler {calls} times per optimizer step, as accelerate does with {calls} "
                f"processes: the lengths in its arguments pass {calls} times as fast",
                level="warning",
            )

    def _report_ranks(self) -> None:
        """Publish that the other ranks are lost, or that their lrs differ."""
        for code, text in self._commands.reports():
            self._publisher.flush()
            self._reporter.notice(code, text, level="warning")
            if self.store_folder is not None:
                say(text)

    # -- commands -----------------------------------------------------------------------------------------------------

    def _obey(self) -> None:
        """Carry out the commands that have come; while paused, wait for more."""
        while True:
            command = self._commands.take()
            if command is not None:
                self._carry_out(command)
            elif self._paused and self._commands.refusal:
                # nobody could end the pause
                self._paused = False
                self._publisher.publish(Resumed)
            elif self._paused:
                self._reporter.clock.pause()
                self._commands.wait()
            else:
                self._reporter.clock.resume()
                return

    def _carry_out(self, command: Command) -> None:
        self._publisher.flush()
        try:
            if refusal := self._commands.refusal:
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
            reason = str(error) if isinstance(error, LrtuiError) else describe_exception(error)
            self.refuse(command, reason)

    def refuse(self, command: Command, reason: str) -> None:
        """Answer a command: it is not carried out."""
        self._publisher.publish(CommandRefused, command=command.text, reason=reason, command_id=command.id)

    def _stop(self, command: Stop) -> None:
        self.stopped = True
        if command.because:
            self._reporter.notice(INTERRUPTED, command.because, level="warning")
        if self._on_stop == "raise":
            self._publisher.finish("stopped", command_id=command.id)
            # the hooks stay: a script that goes on after it is stopped again
            self._is_detached, self.is_quiet = True, False
            self._commands.leave()
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
        states = random_states()
        try:
            results = self._evaluate()
        finally:
            set_random_states(states)
        if isinstance(results, Mapping):
            self.publish_eval({str(name): _number(value) for name, value in results.items()})
        elif results is not None:
            raise UsageError("the function evaluate must return a dict of results, or call run.log_eval itself")

    def evaluation_started(self, command: EvaluateNow) -> None:
        """Answer a command: its test starts."""
        self._publisher.publish(EvaluationStarted, epoch=self._epoch, command=command.text, command_id=command.id)

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
        if self._loop is None and (self._epochs is None or self._steps_per_epoch is None):
            raise UsageError("the length of the run is unknown: pass epochs= and batches_per_epoch= to lrtui.attach")
        if self._loop is None and not self._iterates_epochs:
            raise UsageError("the script's loop has its own end: write `for epoch in run.epochs():` to extend it")
        check_no_fixed_length(self._control.schedule, "switch to another schedule for the added epochs")
        if self._loop is not None:
            self._loop.framework.extend(command)
        if self._epochs is None or self._steps_per_epoch is None:
            raise UsageError("the length of the run is unknown")
        self._control.extend(command.epochs)
        self._epochs += command.epochs
        self._publisher.total_steps = self._control.total_steps
        self._publisher.publish(
            Extended,
            epochs=self._epochs,
            total_steps=self._publisher.total_steps,
            command=command.text,
            command_id=command.id,
        )

    # -- tests --------------------------------------------------------------------------------------------------------

    def publish_eval(self, results: Mapping[str, float]) -> None:
        """Publish the results of a test, which ends no epoch."""
        self._reporter.step = self._schedule.steps
        if self._schedule.steps:
            self._start_if_not()
        self._log.close_step()
        self._log.read_device(wait=True)
        self._publisher.publish(
            EvalDone,
            epoch=self._epoch,
            loss=results.get("loss"),
            accuracy=results.get("accuracy"),
            metrics={name: value for name, value in results.items() if name not in ("loss", "accuracy")},
            seconds_taken=0.0,
        )

    # -- the script's schedulers --------------------------------------------------------------------------------------

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
        if self._is_detached:
            return step(scheduler, *args, **kwargs)
        own_step.__name__ = step.__name__
        try:
            return self._schedule.scheduler_stepped(scheduler, own_step, args, kwargs)
        except Exception as error:
            if len(made) > 1 and made[1] is error:
                raise
            self._give_up(error)
            return made[0] if made else step(scheduler, *args, **kwargs)

    def note_call(self, scheduler: Any, step: Callable[..., Any]) -> None:
        """Take note of a `step()` call that the script's scheduler has made by itself."""
        try:
            self._schedule.script_stepped(scheduler, step)
            self.is_quiet = self.is_quiet and (self._told_calls or self._schedule.calls_per_step == 1)
        except Exception as error:
            self._give_up(error)

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

    def _end_with_the_process(self) -> None:
        """Let the run end with the script, or with its optimizer, which refers to this object."""
        weakref.finalize(self, self._publisher.finish).atexit = False
        weakref.finalize(self, self._commands.leave).atexit = False
        end = _finish_if_alive(weakref.ref(self))
        atexit.register(end)
        if multiprocessing.parent_process() is not None:
            # the processes of multiprocessing end without calling the functions of atexit
            multiprocessing.util.Finalize(None, end, exitpriority=10)

    def _detach(self) -> None:
        """Remove everything from the script's objects; the lr stays as it is."""
        self._is_detached, self.is_quiet = True, False
        self._reporter.step = self._schedule.steps
        self._commands.leave()
        if self.stopped and self._on_stop == "raise":
            return
        for undo in self._undo:
            with suppress(Exception):
                undo()
        self._undo.clear()
        self._reporter.clock.pause()

    def _give_up(self, error: Exception) -> None:
        """Let the script go on without lrtui."""
        self._publisher.warn(f"the run is not recorded any more: {describe_exception(error)}")
        self._detach()
        self._publisher.finish("stopped", wait=False)

    def _refuse_values(self, call: str, values: Mapping[str, Any], error: Exception) -> None:
        """Say once which value can't be logged."""
        wrong = [name for name, value in values.items() if not is_number(value)]
        for name in wrong or [call]:
            if name not in self._refused_names:
                self._refused_names.add(name)
                what = f"run.{call}({name}=...) takes a number or a tensor with one element"
                say(f"{what if wrong else describe_exception(error)}: the value is left out")
        if wrong:
            left = {name: value for name, value in values.items() if name not in wrong}
            with suppress(Exception):
                (self.log if call == "log" else self.log_eval)(left)


def _finish_if_alive(run: weakref.ref[AttachedRun]) -> Callable[[], None]:
    """Return a function that ends the run unless it has ended."""

    def finish() -> None:
        if (found := run()) is not None:
            found.finish()

    return finish


def _number(value: Any) -> float:
    return float(value.item()) if isinstance(value, torch.Tensor) else float(value)


def is_number(value: Any) -> bool:
    """Return whether a value can be logged."""
    try:
        _number(value)
    except Exception:
        return value is None
    return True


def _was_skipped(optimizer: torch.optim.Optimizer) -> bool:
    """Return whether a fused optimizer has skipped the step, since the scaled gradients were not finite."""
    found = getattr(optimizer, "found_inf", None)
    return isinstance(found, torch.Tensor) and bool(found.item())
