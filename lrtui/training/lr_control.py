"""The only writer of lr.

The scheduler's world is kept raw and the scale outside it: before `scheduler.step()` the raw lr is put back into the
parameter groups, after it raw x scale is written. So a nudge is exact for every scheduler, also for those that read
the group's lr, those that read `base_lrs`, nested ones and the user's own; editing their state in place is exact for
none of them all.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from lrtui.run.errors import UsageError
from lrtui.schedules.anchors import ANCHORS
from lrtui.schedules.build import build
from lrtui.schedules.filling import fill_in
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.stepping import step_scheduler

# what schedulers leave behind in a parameter group; a successor would take it for its own
TRACES = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr")


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
        self._configured = [_lr_and_momenta(group) for group in optimizer.param_groups]
        self._test_results: list[Mapping[str, float]] = []
        self._scale = [1.0] * len(optimizer.param_groups)
        self._earlier_scales: list[list[float]] = []
        self._raw: list[float] = []
        self.calls = 0
        """`step()` calls that the schedule in force has had."""
        self._install(schedule, horizon)

    @property
    def lrs(self) -> tuple[float, ...]:
        """The lr that the optimizer has, one per parameter group."""
        return tuple(float(group["lr"]) for group in self._optimizer.param_groups)

    @property
    def scale(self) -> tuple[float, ...]:
        """What the schedule's raw lr is multiplied with, one per parameter group."""
        return tuple(self._scale)

    @property
    def schedule(self) -> Schedule:
        """The schedule in force, filled in."""
        return self._schedule

    # -- the schedule's own course ------------------------------------------------------------------------------------

    def after_batch(self) -> None:
        """Take the schedule's step, if it is one that steps per batch; called after `optimizer.step()`."""
        if self._schedule.per == "batch":
            self._step(None)

    def after_epoch(self, step: int, results: Mapping[str, float]) -> bool:
        """Take the schedule's step, if it is one that steps per epoch; called after the epoch's test.

        Args:
            step: optimizer steps done.
            results: `loss` and, where the task has one, `accuracy` on the test set.

        Returns:
            Whether a plateau made the schedule cut the lr.
        """
        self._test_results.append(results)
        # a schedule that was put in place during this epoch's test begins with the next epoch
        if self._schedule.per != "epoch" or self._installed_at == step:
            return False
        before = list(self._raw)
        self._step(results)
        return self._schedule.name == "ReduceLROnPlateau" and self._raw != before

    def _step(self, results: Mapping[str, float] | None) -> None:
        groups = self._optimizer.param_groups
        for group, raw in zip(groups, self._raw, strict=True):
            group["lr"] = raw
        step_scheduler(self._scheduler, self._schedule, results)
        self.calls += 1
        self._raw = [float(group["lr"]) for group in groups]
        self._write()

    def _write(self) -> None:
        for group, raw, scale in zip(self._optimizer.param_groups, self._raw, self._scale, strict=True):
            group["lr"] = raw * scale

    # -- the user's hand ----------------------------------------------------------------------------------------------

    def scale_by(self, factor: float) -> None:
        """Multiply the lr by `factor`, now and for the rest of the schedule.

        Raises:
            UsageError: for a factor that is not finite and positive.
        """
        if not (math.isfinite(factor) and factor > 0):
            raise UsageError(f"the lr is multiplied by a positive number, not {factor}")
        self._rescale([scale * factor for scale in self._scale])

    def set_lr(self, lr: float, group: int | None = None) -> None:
        """Make the lr this value now; the rest of the schedule follows in proportion.

        Args:
            lr: the lr of the next step.
            group: index of one parameter group, or None for all.

        Raises:
            UsageError: for a negative or non-finite lr, a group that is not there, or where the schedule's raw lr
                is 0, since no scale can make something of it.
        """
        if not (math.isfinite(lr) and lr >= 0):
            raise UsageError(f"an lr is a finite number of at least 0, not {lr}")
        if group is not None and not 0 <= group < len(self._raw):
            raise UsageError(f"there is no parameter group {group}; there are {len(self._raw)}, counted from 0")
        chosen = range(len(self._raw)) if group is None else [group]
        if any(self._raw[index] == 0 for index in chosen):
            raise UsageError("the schedule's own lr is 0 here and can't be scaled to another; switch the schedule")
        scale = list(self._scale)
        for index in chosen:
            scale[index] = _exact_ratio(lr, self._raw[index])
        self._rescale(scale)

    def undo(self) -> None:
        """Restore the scale before the last change of it; a switch clears what can be undone.

        Raises:
            UsageError: where there is nothing to undo.
        """
        if not self._earlier_scales:
            raise UsageError("nothing to undo: the lr was not changed since the schedule was put in place")
        self._scale = self._earlier_scales.pop()
        self._write()

    def _rescale(self, scale: list[float]) -> None:
        if not all(math.isfinite(raw * factor) for raw, factor in zip(self._raw, scale, strict=True)):
            raise UsageError("the lr would not be finite")
        self._earlier_scales.append(self._scale)
        self._scale = scale
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
        kept_groups = [{k: v for k, v in group.items() if k != "params"} for group in self._optimizer.param_groups]
        kept = dict(vars(self))
        current = self.lrs
        try:
            self._clear_groups()
            if anchor == "current":
                for group, lr in zip(self._optimizer.param_groups, current, strict=True):
                    group["lr"] = lr
            self._scale, self._earlier_scales = [1.0] * len(current), []
            start = 0 if anchor == "start" else step
            self._install(schedule, Horizon(self._epochs, self._batches_per_epoch, start))
            if anchor == "start":
                self._catch_up(step)
        except Exception:
            vars(self).update(kept)
            for group, settings in zip(self._optimizer.param_groups, kept_groups, strict=True):
                for name in [name for name in group if name != "params" and name not in settings]:
                    del group[name]
                group.update(settings)
            raise

    def _clear_groups(self) -> None:
        for group, configured in zip(self._optimizer.param_groups, self._configured, strict=True):
            for trace in TRACES:
                group.pop(trace, None)
            group.update(copy.deepcopy(configured))

    def _install(self, schedule: Schedule, horizon: Horizon) -> None:
        self._schedule, _ = fill_in(schedule, horizon)
        self._scheduler = build(self._schedule, self._optimizer, horizon)
        # PyTorch warns of a scheduler that steps before its optimizer, and takes that to be so where the one before was
        # a ReduceLROnPlateau, which does not look, and where fp16 left the first step out
        self._optimizer._opt_called = True  # type: ignore[attr-defined]
        self.calls = 0
        self._installed_at = horizon.start_step if horizon.start_step else None
        self._raw = [float(group["lr"]) for group in self._optimizer.param_groups]

    def _catch_up(self, step: int) -> None:
        """Take the steps that the schedule would have taken had it been there from the run's start."""
        if self._schedule.per == "batch":
            for _ in range(step):
                self._step(None)
        else:
            epochs_done = step // self._batches_per_epoch
            results: Sequence[Mapping[str, float] | None] = self._test_results[:epochs_done]
            # while an epoch's test goes on, its result is not there yet
            for result in [*results, *[None] * (epochs_done - len(results))]:
                self._step(result)
        self._installed_at = step


def _lr_and_momenta(group: Mapping[str, Any]) -> dict[str, Any]:
    """Return what schedulers write into a parameter group: lr, and momentum or betas where the optimizer has them."""
    return {name: copy.deepcopy(group[name]) for name in ("lr", "momentum", "betas") if name in group}


def _exact_ratio(lr: float, raw: float) -> float:
    """Return the factor that takes `raw` to `lr`, to the last bit where one of the nearest three does."""
    ratio = lr / raw
    neighbours = (ratio, math.nextafter(ratio, math.inf), math.nextafter(ratio, -math.inf))
    return next((factor for factor in neighbours if raw * factor == lr), ratio)
