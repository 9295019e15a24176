"""The schedule in force of an attached run: the script's own, or the one of a switch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch

from lrtui.attached.run_epochs import RunEpochs
from lrtui.attached.script_scheduler import STEPS, note_step
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.schedules.lengths import check_lengths_given
from lrtui.schedules.schedule import Schedule
from lrtui.training.group_settings import group_settings, set_groups
from lrtui.training.lr_control import LrControl

EpochEnd = Literal["count", "script", "test"]
"""What ends an epoch: its number of steps, a scheduler that the script steps per epoch, or the results of a test."""


class ScheduleInForce:
    """Steps the script's own schedule, or after a switch the new one, as often as its unit asks for.

    A schedule per batch is stepped once after each optimizer step, at the latest before the next one; one per epoch at
    the end of an epoch.

    Args:
        control: the lr control around the script's scheduler.
        schedulers: the script's schedulers.
        epochs: the epochs of the run.
        report: receives the sentence that says why the schedule of a switch has no next lr; the lr then stays.
        share: returns the results of a test that all processes use; None if there is one process.
    """

    def __init__(
        self,
        control: LrControl,
        schedulers: list[Any],
        epochs: RunEpochs,
        report: Callable[[str], object],
        share: Callable[[dict[str, float]], dict[str, float]] | None = None,
    ) -> None:
        self.control, self._report, self._share = control, report, share
        self._schedulers = schedulers
        self._epochs, self._batches_per_epoch = epochs, epochs.steps_per_epoch
        self.steps = 0
        """Optimizer steps done."""
        self._settled = 0
        """Optimizer steps after which the schedule was stepped."""
        self._ended_at = -1
        """Optimizer steps done when the last epoch ended."""
        self._ended_with: dict[str, float] = {}
        self._results: dict[str, float] = {}
        """Results of the tests of this epoch."""
        self._owed_epoch_end = False
        self._calls = self._called_at = 0
        """`step()` calls of the script's first scheduler since the last optimizer step, and the step of the last."""
        self._repeated_calls = 0
        """Optimizer steps after which it was stepped more than once."""
        self.calls_per_step = 1
        """`step()` calls of the script's scheduler per optimizer step; more than 1 with some wrappers."""
        self.unit: Literal["batch", "epoch"] | None = None
        """After what the script steps its scheduler; None until the second optimizer step."""
        self._left: list[float | torch.Tensor] | None = None
        self._failed: Schedule | None = None
        """The schedule of a switch that has no next lr."""

    def begin_at(self, step: int, unit: Literal["batch", "epoch"] | None) -> None:
        """Continue after this many optimizer steps.

        Args:
            step: optimizer steps done before.
            unit: after what the script steps its scheduler; None to find out.
        """
        self.unit = unit
        self.steps = self._settled = self._ended_at = step
        self._epochs.begin_at(step)
        for _ in range(step // self._batches_per_epoch if self._batches_per_epoch else 0):
            self.control.note_test({})

    # -- called between two steps -------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Make the steps of the schedule that the script has not made; called before each optimizer step."""
        self._restore_lrs()
        if self.steps:
            if self.unit is None:
                is_called = self._calls > 0 and self._called_at == self.steps
                self.unit = "batch" if is_called and self._batches_per_epoch != 1 else "epoch"
            self._batch_if_owed()
            if self._owed_epoch_end:
                if self._shares_results and self._share is not None:
                    self._results = self._share(self._results)
                self._step_epoch()

    def note_lrs(self) -> None:
        """Remember the lrs of the next step, which a script that sets the lr itself does not change after a switch."""
        self._left = None
        if self.control.is_switched:
            lrs = [group["lr"] for group in self.control.optimizer.param_groups]
            self._left = [lr.clone() if isinstance(lr, torch.Tensor) else lr for lr in lrs]

    def _restore_lrs(self) -> None:
        """Undo what the script has written to the lrs of another schedule; take over what it wrote to its own."""
        if not self.control.is_switched:
            self.control.lr_scale.adopt()
        elif self._left is not None:
            for group, lr in zip(self.control.optimizer.param_groups, self._left, strict=False):
                if isinstance(lr, torch.Tensor) and isinstance(group["lr"], torch.Tensor):
                    # compiled code holds the tensor; the copy does not wait for the device
                    group["lr"].copy_(lr)
                else:
                    group["lr"] = lr

    @property
    def epoch_end(self) -> EpochEnd:
        """What ends an epoch."""
        if self._schedulers and self.unit == "epoch":
            return "script"
        return "count" if self._batches_per_epoch else "test"

    @property
    def _shares_results(self) -> bool:
        """Whether the processes use the same results; not if these end an epoch, which they might not do in each."""
        return self._share is not None and self.epoch_end != "test"

    def _batch_if_owed(self) -> None:
        if self._settled == self.steps:
            return
        before, self._settled = self._settled, self.steps
        if self.control.is_switched:
            self._try(self.control.after_step)
        if self.epoch_end == "count" and (length := self._batches_per_epoch):
            # as long as the script's own schedule is in force, several steps are settled together
            for _ in range(self.steps // length - before // length):
                self._end_epoch()

    def _end_epoch(self) -> None:
        """Step a schedule per epoch; one that follows a metric waits for it until the next optimizer step."""
        follows = self.control.is_switched and self.control.schedule.follows_metric
        waits = follows and (not self._results or self._shares_results)
        self._owed_epoch_end = waits
        if not waits:
            self._step_epoch()

    def _step_epoch(self) -> None:
        self._owed_epoch_end = False
        self._epochs.note_end(self.steps, by_script=self.epoch_end == "script")
        self._ended_at, self._ended_with, self._results = self.steps, self._results, {}
        if self.control.is_switched:
            self._try(lambda: self.control.after_epoch(self.steps, self._ended_with))
        else:
            self.control.note_test(self._ended_with)
        self.note_lrs()

    def _try(self, step: Callable[[], object]) -> None:
        """Step the schedule of a switch; one that fails leaves the lr as it is until the next switch."""
        if self._failed is self.control.schedule:
            return
        try:
            step()
        except LrtuiError as error:
            self._failed = self.control.schedule
            self._report(f"{error}. The lr stays as it is: switch to another schedule")

    # -- called by the script -----------------------------------------------------------------------------------------

    def test_ended(self, results: Mapping[str, float]) -> None:
        """Take the results of a test."""
        self._batch_if_owed()
        if self._ended_at == self.steps:
            # the test of an epoch whose end was counted before it
            self._ended_with.update(results)
            return
        self._results.update(results)
        if self._owed_epoch_end:
            if not self._shares_results:
                self._step_epoch()
        elif self.epoch_end == "test" and self.steps:
            self._end_epoch()

    def scheduler_stepped(
        self, scheduler: Any, step: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Any:
        """Step the schedule in force in place of the scheduler's own `step`."""
        is_epoch_end = self._is_epoch_end(scheduler, step)
        result = None
        if self.control.is_switched:
            note_step(scheduler)
        else:
            with self.control.lr_scale.unscaled_lrs():
                result = step(scheduler, *args, **kwargs)
        if is_epoch_end:
            self._batch_if_owed()
            self._take_metric(scheduler, args, kwargs)
            self._end_epoch()
        self.note_lrs()
        return result

    def script_stepped(self, scheduler: Any, step: Callable[..., Any]) -> None:
        """Take note of a `step()` call that the script's scheduler has made by itself."""
        if self._is_epoch_end(scheduler, step):
            self._batch_if_owed()
            self._end_epoch()

    def _is_epoch_end(self, scheduler: Any, step: Callable[..., Any]) -> bool:
        return self._note_call(scheduler, step) and self.unit == "epoch" and self.steps > 0

    def _note_call(self, scheduler: Any, step: Callable[..., Any]) -> bool:
        """Count a `step()` call of the script, and settle the steps before it.

        Returns:
            Whether it is the first one since the last optimizer step; several schedulers of a script count as one.
        """
        if scheduler is not self._schedulers[0] or self._is_other_unit(step):
            return False
        if self._called_at != self.steps:
            if self.unit == "epoch" and 0 < self._called_at == self.steps - 1 and self._batches_per_epoch != 1:
                # a script that has begun with a warmup by hand
                self.unit = "batch"
            # the steps before one of them had one call where GradScaler skipped a step
            self._repeated_calls = self._repeated_calls + 1 if self._calls > 1 else 0
            if self._calls > 1:
                # one step may have had two calls by chance
                self.calls_per_step = self._calls if self._repeated_calls >= 3 else 1
            self._calls, self._called_at = 0, self.steps
        self._calls += 1
        if self.control.is_switched and self.steps:
            self._batch_if_owed()
        return self._calls == 1

    def _is_other_unit(self, step: Callable[..., Any]) -> bool:
        # timm's schedulers have a method for batches, which a script may leave out, beside the one for epochs
        return hasattr(self._schedulers[0], STEPS[1]) and step.__name__ == STEPS[0] and self.unit != "epoch"

    def _take_metric(self, scheduler: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Use the value that the script gives its scheduler for a metric of which no test has told the value."""
        metric = self.control.schedule.metric
        # the first argument of other schedulers is an epoch
        follows = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
        given = kwargs.get("metrics", args[0] if args else None) if follows else None
        if metric is not None and metric not in self._results and given is not None:
            self._results[metric] = float(given)

    # -- state --------------------------------------------------------------------------------------------------------

    @property
    def has_changed(self) -> bool:
        """Whether the lr is another than the script's own schedule gives."""
        return self.control.is_switched or not self.control.lr_scale.is_neutral

    def state(self) -> dict[str, Any]:
        """Return the schedule of a switch and the scale of the lr, as plain values."""
        if self.control.is_switched:
            return {"switched": self.control.state(), "configured": self.control.configured}
        return {"scale": self.control.lr_scale.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load what `state` returned, and write the lrs."""
        if "switched" in state:
            # the optimizer's state may have been loaded before
            groups = group_settings(self.control.optimizer)
            self.control.configured = state["configured"]
            self.control.restore(state["switched"], is_same_run=False)
            self.control.is_switched = True
            set_groups(self.control.optimizer, groups)
        else:
            self.control.lr_scale.restore(state["scale"])
        self.control.lr_scale.write_again()
        self.note_lrs()

    # -- switching ----------------------------------------------------------------------------------------------------

    def check(self, schedule: Schedule, anchor: str) -> None:
        """Check that the script has what the schedule needs.

        Raises:
            UsageError: says what is missing.
        """
        units = schedule.units
        if self._batches_per_epoch is None:
            check_lengths_given(schedule, self.control.horizon)
            if anchor == "start" and "epoch" in units:
                raise UsageError("from start needs batches_per_epoch= in lrtui.attach")
        if not self.control.is_switched and schedule.is_per_optimizer and not schedule.positional:
            optimizers = getattr(self.control.optimizer, "optimizers", {})
            if left := [name for name in optimizers if name not in schedule.arguments]:
                raise UsageError(f"give a schedule for every optimizer: there is none for {', '.join(left)}")
