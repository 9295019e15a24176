"""The attached run of a framework's trainer, for the framework's callback."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

from lrtui.attached.attach import DisabledRun, begin, check_arguments, is_disabled
from lrtui.attached.attachment import Attachment, read_optimizers, read_schedulers
from lrtui.attached.framework import FrameworkLoop
from lrtui.attached.publisher import say
from lrtui.attached.run import AttachedRun
from lrtui.attached.step_log import is_number
from lrtui.run.arguments import check_argument
from lrtui.run.commands import EvaluateNow, Extend, SaveCheckpoint
from lrtui.run.errors import UsageError, describe_exception
from lrtui.training.random_state import random_states, set_random_states

Method = TypeVar("Method", bound=Callable[..., Any])


class FrameworkRun:
    """The attached run of a framework's trainer, which the framework's callback has as `_attached`.

    The callback asks between two steps for `evaluation_wanted` and `checkpoint_wanted`, and calls `begin_evaluation`
    and `checkpoint_saved` where the framework does it.

    Args:
        name: a name for the run.
        store: folder of the store; None for `LRTUI_STORE` or `.lrtui` here, "none" to record nothing.
        evaluate: runs a test for the command `evaluate` in place of the framework's own.
        checkpoint: saves a checkpoint for the command `checkpoint` in place of the framework's own.
    """

    def __init__(
        self,
        *,
        name: str | None,
        store: str | os.PathLike[str] | None,
        evaluate: Callable[[], Any] | None,
        checkpoint: Callable[[], Any] | None,
    ) -> None:
        check_arguments(name=name, evaluate=evaluate, checkpoint=checkpoint)
        check_argument("LrtuiCallback", "store", store, (str, os.PathLike, type(None)), "a folder")
        self._name, self._store = name, None if store is None else os.fspath(store)
        self._functions = {"evaluate": evaluate, "checkpoint": checkpoint}
        self.why_no_evaluation: Callable[[], str] = lambda: ""
        """Returns why the framework can't run a test; empty if it can."""
        self.lengthen: Callable[[int], None] = _refuse_to_extend
        """Lets the framework's loop make more epochs; raises UsageError if it can't."""
        self.run: AttachedRun | DisabledRun | None = None
        """The run while the framework trains."""
        self._evaluations: list[EvaluateNow] = []
        self._checkpoints: list[SaveCheckpoint] = []
        self._states: Any = None
        """States of the random generators before a test that a command has asked for; None outside of one."""
        self._is_asked_test = False

    def attach(
        self,
        optimizer: Any,
        scheduler: Any,
        loop: FrameworkLoop,
        *,
        epochs: int | None,
        steps_per_epoch: int | None,
        batches_per_step: int,
    ) -> None:
        """Begin the run.

        Args:
            optimizer: one, or several by name.
            scheduler: as in `lrtui.attach`.
            loop: the framework's training loop.
            epochs: of the whole training; None if unknown.
            steps_per_epoch: optimizer steps per epoch; None if unknown.
            batches_per_step: batches per optimizer step.
        """
        self.finish()
        if is_disabled():
            return
        combined = read_optimizers(optimizer)
        attachment = Attachment(
            combined,
            read_schedulers(scheduler, combined),
            epochs,
            steps_per_epoch,
            batches_per_step,
            self._name,
            self._store,
            loop,
        )
        self.run = begin(attachment, on_stop="flag", **self._functions)

    @property
    def steps(self) -> int:
        """Optimizer steps done; 0 without a run."""
        return self.run.steps if isinstance(self.run, AttachedRun) else 0

    @property
    def is_stopped(self) -> bool:
        """Whether a command has asked the framework to stop."""
        return self.run is not None and self.run.stopped

    def log(self, values: Mapping[str, Any]) -> None:
        """Log values of the last step."""
        if self.run is not None and values:
            self.run.log(values)

    def finish(self, error: str | None = None) -> None:
        """End the run, if there is one.

        Args:
            error: why it failed, if it did.
        """
        run, self.run = self.run, None
        if run is None:
            return
        if isinstance(run, AttachedRun):
            for command in (*self._evaluations, *self._checkpoints):
                run.refuse(command, "the training has ended")
        self._evaluations.clear()
        self._checkpoints.clear()
        run.finish(error)

    def fail(self, error: BaseException) -> None:
        """End the run with the framework's error; it is stopped where somebody has interrupted it."""
        if isinstance(self.run, AttachedRun):
            self.run.__exit__(type(error), error, None)
        self.finish()

    def give_up(self, error: Exception) -> None:
        """Let the framework go on without the run."""
        say(f"the run is not recorded any more: {describe_exception(error)}. The training goes on")
        with suppress(Exception):
            self.finish()

    # -- commands -----------------------------------------------------------------------------------------------------

    def evaluate(self, command: EvaluateNow) -> None:
        """Note that a test is wanted; see `Framework`."""
        if reason := self.why_no_evaluation():
            raise UsageError(reason)
        self._evaluations.append(command)

    def save_checkpoint(self, command: SaveCheckpoint) -> None:
        """Note that a checkpoint is wanted; see `Framework`."""
        self._checkpoints.append(command)

    def extend(self, command: Extend) -> None:
        """Let the loop make more epochs; see `Framework`."""
        self.lengthen(command.epochs)

    @property
    def evaluation_wanted(self) -> bool:
        """Whether a command has asked for a test."""
        return bool(self._evaluations)

    @property
    def checkpoint_wanted(self) -> bool:
        """Whether a command has asked for a checkpoint."""
        return bool(self._checkpoints)

    def begin_evaluation(self, *, is_due: bool, holds_schedulers: bool = False) -> None:
        """Answer the commands that asked for a test: it begins now.

        Args:
            is_due: whether the framework would have run it without them; otherwise it leaves no trace in the training:
                the random numbers that it draws are drawn again, and it ends no epoch.
            holds_schedulers: whether the framework steps schedulers after each test, which this one must not.
        """
        commands, self._evaluations = self._evaluations, []
        if not isinstance(self.run, AttachedRun):
            return
        for command in commands:
            self.run.evaluation_started(command)
        if not is_due:
            self._is_asked_test, self.run.holds_schedulers = True, holds_schedulers
            self._states = random_states()

    def evaluation_done(self, results: Mapping[str, Any]) -> None:
        """Log the results of a test."""
        if isinstance(self.run, AttachedRun):
            numbers = {name: float(value) for name, value in results.items() if is_number(value)}
            if self._is_asked_test:
                self.run.publish_eval(numbers)
            else:
                self.run.log_eval(numbers)
        if self._states is not None:
            # there may be more data to test on
            set_random_states(self._states)

    def end_evaluation(self) -> None:
        """Note that training goes on after a test."""
        self._is_asked_test = False
        self._states = None
        if isinstance(self.run, AttachedRun):
            self.run.holds_schedulers = False

    def checkpoint_saved(self, path: str) -> None:
        """Answer the commands that asked for a checkpoint."""
        commands, self._checkpoints = self._checkpoints, []
        if isinstance(self.run, AttachedRun):
            for command in commands:
                self.run.checkpoint_saved(command, path)


def _refuse_to_extend(epochs: int) -> None:
    raise UsageError("the framework's loop has its own end")


def never_fails(method: Method) -> Method:
    """Let a method of a callback print its failure, once, in place of raising it; the framework goes on without it."""

    def guarded(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception as error:
            self._attached.give_up(error)
        return None

    guarded.__name__, guarded.__doc__ = method.__name__, method.__doc__
    guarded.__wrapped__ = method  # type: ignore[attr-defined]
    return guarded  # type: ignore[return-value]
