"""The only writer of lr: steps the schedule, scales the lr (`lr_scale.py`) and switches the schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from lrtui.run.errors import UsageError
from lrtui.schedules.anchor import ANCHORS, check_anchor
from lrtui.schedules.build import build, step_scheduler
from lrtui.schedules.catalogue import Per
from lrtui.schedules.combined_optimizer import CombinedOptimizer
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.optimizer_build import parts_of
from lrtui.schedules.schedule import Schedule
from lrtui.training.group_settings import SCHEDULED_SETTINGS, group_settings, set_groups
from lrtui.training.lr_scale import LrScale, lrs_of
from lrtui.training.scheduler_state import scheduler_state
from lrtui.training.switch_of_one import (
    completed,
    for_single_optimizer,
    keep_schedulers,
    kept_optimizers,
    restore_groups,
)

_SAVED = ("_epochs", "_max_steps", "_test_results", "_installed_at", "step_calls")
"""Attributes that a checkpoint stores as they are."""


class LrControl:
    """Steps the schedule of one optimizer, scales its lr and switches to another schedule.

    Args:
        optimizer: the optimizer as configured; a switch restores its lr, momentum and betas.
        schedule: the schedule to start with; missing lengths are filled in from the horizon.
        horizon: the run's length; `start_step` is where it starts.
        scheduler: a script's own scheduler of this optimizer, which the script steps within `unscaled_lrs`; None to
            build the schedule.
        configured: settings of the parameter groups before that scheduler was built.
        lr_scale: the scale of the lr until the first switch; None for a new one.

    Raises:
        NotationError: for a schedule that PyTorch can't build on this optimizer.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        schedule: Schedule,
        horizon: Horizon,
        *,
        scheduler: Any = None,
        configured: Sequence[dict[str, Any]] | None = None,
        lr_scale: LrScale | None = None,
    ) -> None:
        self._optimizer = optimizer
        self._epochs, self._batches_per_epoch = horizon.epochs, horizon.batches_per_epoch
        self._max_steps = horizon.max_steps
        self._configured = group_settings(optimizer) if configured is None else list(configured)
        self._test_results: list[Mapping[str, float]] = []
        self.step_calls = 0
        """`step()` calls that the current schedule has had."""
        self.is_switched = False
        """Whether a switch has replaced the schedule that it began with."""
        if scheduler is None:
            self._install(schedule, horizon)
        else:
            self._set_scheduler(schedule, scheduler, horizon.start_step)
        if lr_scale is not None:
            self.lr_scale = lr_scale

    @property
    def lrs(self) -> tuple[float, ...]:
        """The optimizer's lr, one per parameter group."""
        return tuple(self.lr_scale.lrs)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """The optimizer whose lr is controlled."""
        return self._optimizer

    @property
    def configured(self) -> list[dict[str, Any]]:
        """The lr, momentum and betas of each parameter group before any schedule, which a switch starts from."""
        return [
            {name: float(group[name]) if name == "lr" else group[name] for name in SCHEDULED_SETTINGS if name in group}
            for group in self._configured
        ]

    @configured.setter
    def configured(self, settings: Sequence[Mapping[str, Any]]) -> None:
        for group, setting in zip(self._configured, settings, strict=False):
            group.update(setting)

    @property
    def scale(self) -> tuple[float, ...]:
        """The factor that the schedule's lr is multiplied by, one per parameter group."""
        return tuple(self.lr_scale.factors)

    @property
    def schedule(self) -> Schedule:
        """The current schedule, its lengths filled in."""
        return self._schedule

    @property
    def horizon(self) -> Horizon:
        """The length of the whole run."""
        return Horizon(self._epochs, self._batches_per_epoch, max_steps=self._max_steps)

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run; read at each step."""
        return self._epochs * self._batches_per_epoch if self._max_steps is None else self._max_steps

    @property
    def test_results(self) -> Sequence[Mapping[str, float]]:
        """The results of the tests that ended epochs, from the first epoch on."""
        return self._test_results

    def name_schedule(self, schedule: Schedule) -> None:
        """Set the notation of a script's own scheduler, which is known only after its first steps."""
        self._schedule = schedule

    def note_added_groups(self) -> None:
        """Take the settings of parameter groups that a script has added to the optimizer as configured."""
        self._configured += group_settings(self._optimizer)[len(self._configured) :]

    def note_test(self, results: Mapping[str, float]) -> None:
        """Add the results of a test that ended an epoch of a script, for schedules that follow a metric."""
        self._test_results.append(results)

    def extend(self, epochs: int) -> None:
        """Make the run longer by this many epochs; lengths that are filled in from now on include them."""
        longer = self.horizon.extended(epochs)
        self._epochs, self._max_steps = longer.epochs, longer.max_steps

    # -- stepping the schedule ----------------------------------------------------------------------------------------

    def after_step(self) -> None:
        """Step a schedule that has steps per batch; called after each `optimizer.step()`.

        With gradient accumulation that is one call for several batches: schedules count optimizer steps.
        """
        if "batch" in self._schedule.units:
            self._step("batch", None)

    def after_epoch(self, step: int, results: Mapping[str, float]) -> bool:
        """Step a schedule that has steps per epoch; called after the test that ends the epoch.

        Args:
            step: optimizer steps done.
            results: `loss` and the task's metrics on the test set, by name.

        Returns:
            Whether a plateau made the schedule cut the lr.
        """
        self._test_results.append(results)
        # a schedule that started during this epoch's test was not active in the epoch and does not count its end
        if "epoch" not in self._schedule.units or self._installed_at == step:
            return False
        before = self.lr_scale.unscaled
        self._step("epoch", results)
        # a warmup per epoch raises the lr
        cut = any(after < lr for after, lr in zip(self.lr_scale.unscaled, before, strict=True))
        return self._schedule.follows_metric and cut

    def _step(self, unit: Per, results: Mapping[str, float] | None) -> None:
        with self.lr_scale.unscaled_lrs():
            step_scheduler(self._scheduler, self._schedule, results, unit)
        self.step_calls += 1

    # -- scaling ------------------------------------------------------------------------------------------------------

    def scale_by(self, factor: float) -> None:
        """Multiply the lr by `factor`, now and for the rest of the schedule; see `LrScale.scale_by`."""
        self.lr_scale.scale_by(factor)

    def set_lr(self, lr: float, group: int | None = None) -> None:
        """Set the lr of the next step, of all groups or one; the rest follows in proportion; see `LrScale.set_lr`."""
        self.lr_scale.set_lr(lr, group)

    def undo(self) -> None:
        """Restore the scale before its last change; see `LrScale.undo`."""
        self.lr_scale.undo()

    # -- switching ----------------------------------------------------------------------------------------------------

    def switch(self, schedule: Schedule, anchor: str, step: int) -> None:
        """Replace the schedule from this step on, removing every trace of the old one.

        Args:
            schedule: the new one; missing lengths are filled in with what remains of the run.
            anchor: `base` starts from the configured lr and covers the remaining steps, `current` starts from the
                current lr, `start` from the configured lr as if the schedule had been stepped since the run's start.
            step: optimizer steps done.

        Raises:
            NotationError: for a schedule that can't be built here; the old one then stays unchanged.
            UsageError: for an unknown anchor, if the lr would stay at 0, or for a schedule that cycles a momentum which
                the optimizer has begun without.
        """
        if anchor not in ANCHORS:
            raise UsageError(f"unknown anchor {anchor!r}; available: {', '.join(ANCHORS)}")
        if not isinstance(self._optimizer, CombinedOptimizer):
            schedule = for_single_optimizer(schedule)
        kept = kept_optimizers(schedule, self._optimizer)
        if kept:
            if step // self._batches_per_epoch > len(self._test_results):
                raise UsageError("wait for the test of this epoch to end: it steps the schedules of the others")
            schedule = completed(schedule, self._scheduler, self._optimizer, kept, anchor, step, self.scale)
        check_anchor(schedule, anchor, self.lrs)
        old_groups, old_attributes = group_settings(self._optimizer), dict(vars(self))
        current = self.lrs
        try:
            set_groups(self._optimizer, self._configured, current if anchor == "current" else None)
            start = 0 if anchor == "start" else step
            self._install(schedule, replace(self.horizon, start_step=start))
            _check_momentum(self._optimizer, schedule)
            if kept:
                keep_schedulers(self._scheduler, old_attributes["_scheduler"], kept)
                restore_groups(self._optimizer, old_groups, kept)
            if anchor == "start":
                self._catch_up(step)
            self.is_switched = True
        except Exception:
            vars(self).update(old_attributes)
            set_groups(self._optimizer, old_groups)
            raise

    def _install(self, schedule: Schedule, horizon: Horizon) -> None:
        self._schedule, _ = fill_in(schedule, horizon)
        self._built_on = tuple(lrs_of(self._optimizer))
        scheduler = build(self._schedule, self._optimizer, horizon)
        # PyTorch warns about a scheduler that steps before its optimizer. It assumes that wrongly after a
        # ReduceLROnPlateau, which does not track optimizer steps, and where fp16 skipped the first step.
        for optimizer in parts_of(self._optimizer):
            optimizer._opt_called = True  # type: ignore[attr-defined]
        self._set_scheduler(self._schedule, scheduler, horizon.start_step)

    def _set_scheduler(self, schedule: Schedule, scheduler: Any, start_step: int) -> None:
        self._schedule, self._scheduler = schedule, scheduler
        self.step_calls = 0
        self._installed_at: int | None = start_step
        self.lr_scale = LrScale(self._optimizer)
        """The scale of the lr since the schedule was set."""

    def _catch_up(self, step: int) -> None:
        """Make the `step()` calls that the schedule would have had since the run's start."""
        results = iter(self._test_results)
        for done, unit in self.horizon.moments(self._schedule.units):
            if done > step:
                break
            result = next(results, None) if unit == "epoch" else None
            if unit == "epoch" and result is None and self._schedule.follows_metric:
                # this epoch's test is running: `after_epoch` will step a schedule that follows its result
                self._installed_at = None
                return
            self._step(unit, result)
        self._installed_at = step

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return everything but the parameter groups as plain values; the groups are part of the optimizer's state."""
        return {
            "schedule": str(self._schedule),
            "built_on": self._built_on,
            "scheduler": scheduler_state(self._scheduler.state_dict(), self._schedule, self._scheduler),
            **self.lr_scale.state(),
            **{name: getattr(self, name) for name in _SAVED},
        }

    def restore(self, state: Mapping[str, Any], *, is_same_run: bool = True) -> None:
        """Load what `state` returned; the optimizer's state, with its groups' lrs, is loaded afterwards.

        Args:
            is_same_run: whether steps are counted as they were when the state was made.

        Raises:
            NotationError: for a schedule that can't be built any more, such as a user's class that is gone.
        """
        set_groups(self._optimizer, self._configured, state["built_on"])
        self._install(parse_schedule(state["schedule"]), self.horizon)
        self._scheduler.load_state_dict(state["scheduler"])
        self.lr_scale.restore(state)
        for name in _SAVED:
            # checkpoints of earlier versions have no limit of the steps
            setattr(self, name, state.get(name) if name == "_max_steps" else state[name])
        if not is_same_run:
            self._installed_at = None


def _check_momentum(optimizer: torch.optim.Optimizer, schedule: Schedule) -> None:
    """Check that an optimizer has what it needs for the momentum that a new schedule has set.

    Raises:
        UsageError: for RMSprop, which makes its momentum's buffers in its first step only.
    """
    for part in parts_of(optimizer):
        if not isinstance(part, torch.optim.RMSprop):
            continue
        for group in part.param_groups:
            begun = [part.state[parameter] for parameter in group["params"] if parameter in part.state]
            if group["momentum"] > 0 and any("momentum_buffer" not in state for state in begun):
                raise UsageError(
                    f"{schedule.name} cycles the momentum, for which RMSprop(momentum=0) has no buffers after its "
                    "first step: add cycle_momentum=False"
                )
