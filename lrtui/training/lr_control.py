"""The only writer of lr.

The optimizer's lr is always the unscaled lr times the scale, and the scheduler sees the unscaled one alone: before
`scheduler.step()` it is put back into the parameter groups, after it unscaled x scale is written. So a nudge is exact
for every scheduler, also for those that read the group's lr, those that read `base_lrs`, nested ones and the user's
own; editing their state in place is exact for none of them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lrtui.run.errors import UsageError
from lrtui.schedules.build import build, step_scheduler
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import ANCHORS, Horizon, Schedule, fill_in
from lrtui.training.checkpoint.scheduler_state import scheduler_state
from lrtui.training.lr_scale import LrScale
from lrtui.training.parameter_groups import group_settings, set_groups

_KEPT = ("_epochs", "_test_results", "_unscaled", "_installed_at", "step_calls")
"""What a checkpoint has of the control itself."""


class LrControl:
    """Steps the schedule of one optimizer, scales its lr and switches it for another.

    Args:
        optimizer: as configured; its lr, momentum and betas are what a switch goes back to.
        schedule: the schedule to begin with; lengths left out are filled in from the horizon.
        horizon: the run's length; `start_step` is where it begins.

    Raises:
        NotationError: for a schedule that PyTorch can't build on this optimizer.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, schedule: Schedule, horizon: Horizon) -> None:
        self._optimizer = optimizer
        self._epochs, self._batches_per_epoch = horizon.epochs, horizon.batches_per_epoch
        self._configured = group_settings(optimizer)
        self._test_results: list[Mapping[str, float]] = []
        self._scale = LrScale(len(optimizer.param_groups))
        self._unscaled: list[float] = []
        self.step_calls = 0
        """`step()` calls that the schedule in force has had."""
        self._install(schedule, horizon)

    @property
    def lrs(self) -> tuple[float, ...]:
        """The lr that the optimizer has, one per parameter group."""
        return tuple(float(group["lr"]) for group in self._optimizer.param_groups)

    @property
    def scale(self) -> tuple[float, ...]:
        """What the schedule's own lr is multiplied with, one per parameter group."""
        return tuple(self._scale.factors)

    @property
    def schedule(self) -> Schedule:
        """The schedule in force, filled in."""
        return self._schedule

    @property
    def horizon(self) -> Horizon:
        """The length of the whole run."""
        return Horizon(self._epochs, self._batches_per_epoch)

    @property
    def test_results(self) -> Sequence[Mapping[str, float]]:
        """What the tests at the epochs' ends said, the first epoch's first."""
        return self._test_results

    def extend(self, epochs: int) -> None:
        """Make the run longer by so many epochs; what is filled in from now on counts them, too."""
        self._epochs += epochs

    # -- the schedule's own course ------------------------------------------------------------------------------------

    def after_step(self) -> None:
        """Take the schedule's step, if it is one with per="batch"; called after each `optimizer.step()`.

        With accumulation that is one call for several batches: schedules count optimizer steps.
        """
        if self._schedule.per == "batch":
            self._step(None)

    def after_epoch(self, step: int, results: Mapping[str, float]) -> bool:
        """Take the schedule's step, if it is one that steps per epoch; called after the epoch's test.

        Args:
            step: optimizer steps done.
            results: `loss` and all of the task's metrics on the test set, by name.

        Returns:
            Whether a plateau made the schedule cut the lr.
        """
        self._test_results.append(results)
        # during this epoch's test: the epoch was trained under the schedule before, and its end is not this one's
        if self._schedule.per != "epoch" or self._installed_at == step:
            return False
        before = list(self._unscaled)
        self._step(results)
        return self._schedule.metric is not None and self._unscaled != before

    def _step(self, results: Mapping[str, float] | None) -> None:
        groups = self._optimizer.param_groups
        for group, raw in zip(groups, self._unscaled, strict=True):
            group["lr"] = raw
        step_scheduler(self._scheduler, self._schedule, results)
        self.step_calls += 1
        self._unscaled = [float(group["lr"]) for group in groups]
        self._write()

    def _write(self) -> None:
        for group, raw, scale in zip(self._optimizer.param_groups, self._unscaled, self._scale.factors, strict=True):
            group["lr"] = raw * scale

    # -- the user's hand ----------------------------------------------------------------------------------------------

    def scale_by(self, factor: float) -> None:
        """Multiply the lr by `factor`, now and for the rest of the schedule.

        Raises:
            UsageError: for a factor that is not finite and positive.
        """
        self._scale.multiply(factor, self._unscaled)
        self._write()

    def set_lr(self, lr: float, group: int | None = None) -> None:
        """Make the lr this value now; the rest of the schedule follows in proportion.

        Args:
            lr: the lr of the next step.
            group: index of one parameter group, or None for all.

        Raises:
            UsageError: as `LrScale.make` does.
        """
        self._scale.make(lr, self._unscaled, group)
        self._write()

    def undo(self) -> None:
        """Restore the scale before the last change of it; a switch clears what can be undone.

        Raises:
            UsageError: where there is nothing to undo.
        """
        self._scale.undo()
        self._write()

    # -- another schedule ---------------------------------------------------------------------------------------------

    def switch(self, schedule: Schedule, anchor: str, step: int) -> None:
        """Put another schedule in place, from this step on, with every trace of the old one removed.

        Args:
            schedule: the new one; lengths left out are filled in with what remains of the run.
            anchor: `base` builds on the configured lr over what remains, `current` on this moment's lr, `start` on
                the configured lr and steps from the run's start to now.
            step: optimizer steps done.

        Raises:
            NotationError: for a schedule that can't be built here; the old one then stays in force, untouched.
            UsageError: for an unknown anchor.
        """
        if anchor not in ANCHORS:
            raise UsageError(f"unknown anchor {anchor!r}; there are {', '.join(ANCHORS)}")
        kept_groups = group_settings(self._optimizer)
        kept = dict(vars(self))
        current = self.lrs
        try:
            set_groups(self._optimizer, self._configured, current if anchor == "current" else None)
            self._scale = LrScale(len(current))
            start = 0 if anchor == "start" else step
            self._install(schedule, Horizon(self._epochs, self._batches_per_epoch, start))
            if anchor == "start":
                self._catch_up(step)
        except Exception:
            vars(self).update(kept)
            set_groups(self._optimizer, kept_groups)
            raise

    def _install(self, schedule: Schedule, horizon: Horizon) -> None:
        self._schedule, _ = fill_in(schedule, horizon)
        self._built_on = self.lrs
        self._scheduler = build(self._schedule, self._optimizer, horizon)
        # PyTorch warns of a scheduler that steps before its optimizer, and takes that to be so where the one before was
        # a ReduceLROnPlateau, which does not look, and where fp16 left the first step out
        self._optimizer._opt_called = True  # type: ignore[attr-defined]
        self.step_calls = 0
        self._installed_at: int | None = horizon.start_step
        self._unscaled = [float(group["lr"]) for group in self._optimizer.param_groups]

    def _catch_up(self, step: int) -> None:
        """Take the steps that the schedule would have taken had it been there from the run's start."""
        if self._schedule.per == "batch":
            for _ in range(step):
                self._step(None)
        else:
            epochs_done = step // self._batches_per_epoch
            results: Sequence[Mapping[str, float] | None] = self._test_results[:epochs_done]
            for result in results:
                self._step(result)
            if len(results) < epochs_done:
                # an epoch's test goes on: whoever follows its result waits for it, the others are not kept waiting
                if self._schedule.metric is not None:
                    self._installed_at = None
                    return
                self._step(None)
        self._installed_at = step

    # -- checkpoints --------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return all but the parameter groups as plain values: those are the optimizer's own state."""
        return {
            "schedule": str(self._schedule),
            "built_on": self._built_on,
            "scheduler": scheduler_state(self._scheduler.state_dict(), self._schedule),
            "factors": self._scale.factors,
            "earlier_factors": self._scale.earlier,
            **{name: getattr(self, name) for name in _KEPT},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over what `state` returned; the optimizer's own state, its groups' lrs with it, is loaded afterwards.

        Raises:
            NotationError: for a schedule that can't be built any more, such as a user's own that is gone.
        """
        set_groups(self._optimizer, self._configured, state["built_on"])
        self._install(parse_schedule(state["schedule"]), self.horizon)
        self._scheduler.load_state_dict(state["scheduler"])
        self._scale.factors, self._scale.earlier = state["factors"], state["earlier_factors"]
        for name in _KEPT:
            setattr(self, name, state[name])
