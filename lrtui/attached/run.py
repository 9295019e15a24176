"""A training run of the user's own script: recorded, and controlled from other terminals."""

from __future__ import annotations

import atexit
import multiprocessing
import multiprocessing.util
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from lrtui.attached.attachment import Attachment, script_name
from lrtui.attached.publisher import Publisher, say
from lrtui.attached.ranks import Ranks
from lrtui.attached.run_commands import OnStop, RunCommands
from lrtui.attached.run_epochs import RunEpochs
from lrtui.attached.schedule_in_force import ScheduleInForce
from lrtui.attached.shared_commands import SharedCommands
from lrtui.attached.step_hooks import StepHooks
from lrtui.attached.step_log import as_number, is_number
from lrtui.run.commands import Command, EvaluateNow, SaveCheckpoint
from lrtui.run.errors import Stopped, describe_exception
from lrtui.run.events import Outcome
from lrtui.schedules.optimizer_build import parts_of


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
        self._optimizer = attachment.optimizer
        self._epochs = RunEpochs(attachment.steps_per_epoch, attachment.epochs)
        self._publisher = Publisher(folder, attachment.spec, attachment.batches_per_step, self._epochs)
        self._publisher.total_steps = attachment.total_steps
        self._log, self._reporter = self._publisher.log, self._publisher.reporter
        self._shared = shared = SharedCommands(self._publisher.inbox, ranks)
        self._schedule = ScheduleInForce(
            attachment.lr_control(),
            attachment.schedulers,
            self._epochs,
            lambda text: self._publisher.warn_in_run("schedule", text),
            None if ranks is None else shared.share_results,
        )
        self._commands = RunCommands(
            shared,
            self._schedule,
            self._publisher,
            self._epochs,
            attachment.loop,
            evaluate=evaluate,
            checkpoint=checkpoint,
            on_stop=on_stop,
        )
        self._hooks = StepHooks(attachment, self._schedule, self._publisher, self._epochs, shared, self._commands)
        self._refused_names: set[str] = set()
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

    @property
    def stopped(self) -> bool:
        """Whether a stop command has come; with `on_stop="flag"` the script looks at it."""
        return self._commands.stopped

    def log(self, values: Mapping[str, Any] | None = None, /, **named: Any) -> None:
        """Log values of a step: `run.log(loss=loss, grad_norm=norm)`.

        Values are numbers or tensors with one element; those on an accelerator are read later, together. Calls before
        or after `optimizer.step()` both work. With `batches_per_step`, every batch may be logged.

        Args:
            values: by name, for names that are no identifiers.
            named: the same as keyword arguments.
        """
        if self._hooks.is_detached or not self._log.is_kept:
            return
        try:
            if values:
                named = {**values, **named}
            on_device = False
            for name, value in named.items():
                if isinstance(value, torch.Tensor):
                    if value.is_cpu:
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
        if self._hooks.is_detached:
            return
        found = {"loss": loss, "accuracy": accuracy, **(values or {}), **metrics}
        try:
            results = {str(name): as_number(value) for name, value in found.items() if value is not None}
        except Exception as error:
            self._refuse_values("log_eval", {name: value for name, value in found.items() if value is not None}, error)
            return
        try:
            self.publish_eval(results)
            if not self._commands.is_evaluating:
                self._schedule.test_ended(results)
                # an epoch may have ended
                self._hooks.is_quiet = False
        except Exception as error:
            self._hooks.give_up(error)

    def epochs(self, start: int = 0) -> Iterator[int]:
        """Yield the epochs from 0 on; a loop over them is as long as the run, also if the run is extended.

        Args:
            start: the first one, in a script that continues from its checkpoint.
        """
        self._epochs.are_iterated = True
        epoch = start
        while self._epochs.count is None or epoch < self._epochs.count:
            if self.stopped and self._commands.on_stop == "flag":
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
            self._hooks.start_if_not()
            if not self._hooks.is_detached:
                self._hooks.end_steps()
        except Exception as failure:
            self._publisher.warn(describe_exception(failure))
        self._hooks.detach()
        self._publisher.finish(outcome, error)

    # -- the interface of a framework's callback ----------------------------------------------------------------------

    @property
    def holds_schedulers(self) -> bool:
        """Whether `step()` of the script's schedulers does nothing."""
        return self._hooks.holds_schedulers

    @holds_schedulers.setter
    def holds_schedulers(self, value: bool) -> None:
        self._hooks.holds_schedulers = value

    def publish_eval(self, results: Mapping[str, float]) -> None:
        """Publish the results of a test, which ends no epoch."""
        self._reporter.step = self._schedule.steps
        if self._schedule.steps:
            self._hooks.start_if_not()
        self._publisher.publish_eval(results, self._epochs.epoch_after(self._schedule.steps))

    def refuse(self, command: Command, reason: str) -> None:
        """Answer a command: it is not carried out."""
        self._commands.refuse(command, reason)

    def evaluation_started(self, command: EvaluateNow) -> None:
        """Answer a command: its test starts."""
        self._commands.evaluation_started(command)

    def checkpoint_saved(self, command: SaveCheckpoint, path: str | os.PathLike[str] | None) -> None:
        """Answer a command: its checkpoint was saved."""
        self._commands.checkpoint_saved(command, path)

    # -- the end ------------------------------------------------------------------------------------------------------

    def _end_with_the_process(self) -> None:
        """Let the run end with the script, or with its optimizer, which refers to this object."""
        weakref.finalize(self, self._publisher.finish).atexit = False
        weakref.finalize(self, self._shared.leave).atexit = False
        end = _finish_if_alive(weakref.ref(self))
        atexit.register(end)
        if multiprocessing.parent_process() is not None:
            # the processes of multiprocessing end without calling the functions of atexit
            multiprocessing.util.Finalize(None, end, exitpriority=10)

    def _refuse_values(self, call: str, values: Mapping[str, Any], error: Exception) -> None:
        """Say once which value can't be logged."""
        wrong = [name for name, value in values.items() if not is_number(value)]
        for name in wrong or [call]:
            if name not in self._refused_names:
                self._refused_names.add(name)
                if wrong:
                    say(f"run.{call}({name}=...) takes a number or a tensor with one element: the value is left out")
                else:
                    say(f"run.{call} takes values by name, as in run.{call}(loss=loss): they are left out ({error})")
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
