"""The curve of a range test: the loss at each lr, smoothed, where it diverges, and lines about it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrtui.run.lr_rules import Suggestions, format_factor, suggest
from lrtui.run.range_feed import RangeEnd, Sweep
from lrtui.run.series import Series
from lrtui.text.format import four_digits

Floats = NDArray[np.float64]

SMOOTHED_OVER = 0.1
"""Share of the sweep that the smoothed loss is the mean of, roughly: what is found is too high by half of that."""

SETTLED_AFTER = 0.1
"""Share of the sweep after which the smoothed loss is no longer a batch or two, and is judged."""

DIVERGED_AT = 4.0
"""Times its best at which the smoothed loss has left the curve, as fastai's lr_find has it."""


@dataclass(frozen=True, slots=True)
class RangePoint:
    """One step of a range test.

    Args:
        step: from 0.
        lr: it was made with, that of the first parameter group.
        loss: of its batch, before it.
        smoothed: of all losses up to it, that of the exponential mean; NaN while none was finite.
    """

    step: int
    lr: float
    loss: float
    smoothed: float


class RangeCurve:
    """Takes in a range test step by step.

    Args:
        sweep: the lrs it goes through.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.lrs = Series()
        """Of the steps made."""
        self.losses = Series()
        """Of their batches."""
        self.smoothed = Series()
        """The exponential mean of the losses, its beginning corrected."""
        self.span = max(2, round(sweep.steps * SMOOTHED_OVER))
        """Of that mean, in steps."""
        self._total = self._weight = 0.0
        self._settled_after = max(5, round(sweep.steps * SETTLED_AFTER))
        self._best = math.inf

    def add(self, lr: float, loss: float) -> RangePoint:
        """Take in the next step."""
        self.lrs.append(lr)
        self.losses.append(loss)
        smoothed = self._mean(loss)
        self.smoothed.append(smoothed)
        if len(self) > self._settled_after:
            self._best = min(self._best, smoothed)
        return RangePoint(len(self) - 1, lr, loss, smoothed)

    def _mean(self, loss: float) -> float:
        """Return the mean of all losses so far, as `lrtui.run.smoothing` has it, at a fiftieth of its cost a step."""
        keep, is_finite = 1 - 2 / (self.span + 1), math.isfinite(loss)
        self._total = keep * self._total + (loss if is_finite else 0.0)
        self._weight = keep * self._weight + is_finite
        return self._total / self._weight if self._weight else math.nan

    def __len__(self) -> int:
        return len(self.losses)

    @property
    def has_diverged(self) -> bool:
        """Whether going on tells nothing more: the loss is not finite, or smoothed is beyond four times its best.

        Of a best below 0 it is three times its size beyond.
        """
        if not len(self):
            return False
        last = self.smoothed.last
        if not (math.isfinite(self.losses.last) and math.isfinite(last)):
            return True
        return math.isfinite(self._best) and last > self._best + (DIVERGED_AT - 1) * abs(self._best)

    # -- as it is drawn -----------------------------------------------------------------------------------------------

    @property
    def shown(self) -> int:
        """How many steps have a place on a chart: those up to the first loss that is not finite."""
        bad = np.flatnonzero(~np.isfinite(self.losses.values))
        return int(bad[0]) if len(bad) else len(self)

    @property
    def top(self) -> float:
        """The loss beyond which the rise at the end would hide what comes before it; NaN where nothing is shown."""
        smoothed = self.smoothed.values[: self.shown]
        if not len(smoothed):
            return math.nan
        place = int(smoothed.argmin())
        low, high = float(smoothed[place]), float(smoothed[: place + 1].max())
        wanted = max(high + 0.25 * (high - low), low + (DIVERGED_AT - 1) * abs(low))
        return min(wanted, float(max(smoothed.max(), self.losses.values[: self.shown].max())))

    def loss_at(self, lr: float) -> float:
        """Return the smoothed loss at an lr, on the straight line between two steps; at most `top`."""
        shown = self.shown
        places = np.log(self.lrs.values[:shown])
        return min(self.top, float(np.interp(math.log(lr), places, self.smoothed.values[:shown])))

    def suggest(self) -> Suggestions:
        """Return what four rules make of the curve as it is now."""
        columns = self.lrs.values, self.losses.values, self.smoothed.values
        return suggest(*columns, steps=self.sweep.steps, span=self.span)


def outcome_line(curve: RangeCurve, end: RangeEnd) -> str:
    """Return how far a range test came, and why not further."""
    steps = f"{len(curve):,} of {curve.sweep.steps:,} steps"
    if not len(curve):
        return f"stopped before its first step of {curve.sweep.steps:,}" if end.outcome == "stopped" else steps
    last = four_digits(curve.lrs.last)
    if end.outcome == "diverged":
        return f"{steps}: the loss diverges at lr {last}"
    return f"{steps}: stopped at lr {last}" if end.outcome == "stopped" else f"{steps}, up to lr {last}"


def compare_lr(current_lr: float, suggestions: Suggestions) -> str:
    """Return how the lr in use compares with the one suggested."""
    words = f"the lr in use is {four_digits(current_lr)}"
    suggested = suggestions.suggested
    if suggested is None or current_lr <= 0:
        return words
    factor = current_lr / suggested
    if 1 / 1.5 < factor < 1.5:
        return f"{words}, much the same as suggested"
    times = format_factor(max(factor, 1 / factor))
    return f"{words}: {times} times {'higher' if factor > 1 else 'lower'} than suggested"
