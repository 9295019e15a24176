"""The base class of lrtui's own schedulers: a linear warmup to each group's lr, then a curve down to `min_lr`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lrtui.schedules.step_count import steps_of


class WarmupThenCurve(LRScheduler):
    """Base class: raises the lr from 0 in a straight line, then follows `curve` between `min_lr` and the peak.

    The peak of each parameter group is the lr that it has in the optimizer. After `step` calls of `step()` its lr is

        peak * step / warmup                             if step < warmup
        min_lr + (peak - min_lr) * curve(step)           otherwise

    It follows from `step` and the peak alone, as that of LambdaLR, so in a ChainedScheduler it must come first. A group
    that is added later has the lr that it was added with as its peak.

    Args:
        optimizer: the optimizer whose lr is written.
        warmup: steps of the warmup; a number below 1 is a share of `total_steps`, rounded to whole steps.
        min_lr: the lowest lr, reached at the end; a list has one per parameter group.
        total_steps: `step()` calls of the whole run. May be left out where only shares need it.
        last_epoch: `step()` calls made before, less one; -1 for a new run.

    Raises:
        TypeError: for an optimizer that is none, and arguments that are not numbers.
        ValueError: for an argument that is out of range, or `total_steps` missing; names the argument.
    """

    has_end = True
    """Whether the curve ends, so that `total_steps` is needed."""

    def __init__(
        self,
        optimizer: Optimizer,
        warmup: float,
        min_lr: float | Sequence[float] = 0.0,
        total_steps: int | None = None,
        last_epoch: int = -1,
    ) -> None:
        if self.has_end and total_steps is None:
            raise ValueError(f"{type(self).__name__} needs total_steps, the number of step() calls of the whole run")
        if total_steps is not None and (
            isinstance(total_steps, bool) or not isinstance(total_steps, int) or total_steps < 1
        ):
            raise ValueError(f"total_steps takes a whole number of at least 1, not {total_steps!r}")
        self.total_steps = total_steps
        self.warmup = steps_of("warmup", warmup, total_steps)
        lows: list[Any] = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr]
        for low in lows:
            check_number("min_lr", low, minimum=0)
        if isinstance(min_lr, (list, tuple)) and len(lows) != len(optimizer.param_groups):
            raise ValueError(f"min_lr has {len(lows)} values for {len(optimizer.param_groups)} parameter groups")
        self.min_lr: float | list[float] = lows if isinstance(min_lr, (list, tuple)) else lows[0]
        super().__init__(optimizer, last_epoch)

    def curve(self, step: int) -> float:
        """Return the share of the way from `min_lr` up to the peak; 1 is the peak.

        Args:
            step: `step()` calls made before, at least `warmup`.
        """
        raise NotImplementedError

    def get_lr(self) -> list[Any]:
        """Return the lr of each parameter group after `last_epoch` calls of `step()`."""
        for group in self.optimizer.param_groups[len(self.base_lrs) :]:
            # a copy, since the lr may be a tensor that the scheduler writes into
            self.base_lrs.append(group.setdefault("initial_lr", group["lr"] * 1))
        step = self.last_epoch
        if step < self.warmup:
            share = step / self.warmup
            return [peak * share for peak in self.base_lrs]
        share = self.curve(step)
        return [low + (peak - low) * share for peak, low in zip(self.base_lrs, self._lows, strict=True)]

    def _get_closed_form_lr(self) -> list[Any]:
        return self.get_lr()

    @property
    def _lows(self) -> list[float]:
        groups = len(self.base_lrs)
        if not isinstance(self.min_lr, list):
            return [self.min_lr] * groups
        # a group that was added later has no floor of its own
        return [*self.min_lr, *[0.0] * (groups - len(self.min_lr))]

    def _start_of(self, steps: int) -> int:
        """Return where the last so many steps of the run start, at the earliest after the warmup."""
        assert self.total_steps is not None
        return max(self.warmup, self.total_steps - steps)

    def _progress(self, step: int, start: int) -> float:
        """Return the share of the way from a step to the end, at most 1."""
        assert self.total_steps is not None
        return min(1, (step - start) / max(1, self.total_steps - start))


def check_number(name: str, value: Any, *, minimum: float, maximum: float = math.inf, above: bool = False) -> None:
    """Check that an argument is a number in its range.

    Raises:
        TypeError: for anything but a number.
        ValueError: for a number out of range.
    """
    allowed = f"a number {'above' if above else 'of at least'} {minimum:g}"
    if maximum < math.inf:
        allowed = f"a number from {minimum:g} to {maximum:g}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} takes {allowed}, not {value!r}")
    if not math.isfinite(value) or value < minimum or value > maximum or (above and value == minimum):
        raise ValueError(f"{name} takes {allowed}, not {value!r}")
