"""The curve of a range test: the loss at each lr, smoothed, whether it diverges, and its description."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lrtui.run.lr_rules import Suggestions, format_factor, suggest
from lrtui.run.range_feed import RangeEnd, RangeOutcome, Sweep
from lrtui.run.series import Series
from lrtui.text.format import counted, four_digits

Floats = NDArray[np.float64]

SMOOTHED_OVER = 0.1
"""Span of the smoothed loss as a fraction of the sweep. The smoothed curve lags by half its span."""

SETTLED_AFTER = 0.1
"""Fraction of the sweep after which the smoothed loss averages enough batches to detect divergence."""

DIVERGED_AT = 4.0
"""The test has diverged when the smoothed loss exceeds this many times its minimum, as in fastai's lr_find."""


@dataclass(frozen=True, slots=True)
class RangePoint:
    """One step of a range test.

    Args:
        step: index of the step, from 0.
        lr: lr of the first parameter group.
        loss: loss of the batch before the step.
        smoothed: exponential mean of the losses so far; NaN while none was finite.
    """

    step: int
    lr: float
    loss: float
    smoothed: float


class RangeCurve:
    """The losses of a range test, added step by step.

    Args:
        sweep: the lrs of the test.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep
        self.lrs = Series()
        """The lr of each step done."""
        self.losses = Series()
        """The loss of each batch."""
        self.smoothed = Series()
        """The bias-corrected exponential mean of the losses."""
        self.span = max(2, round(sweep.steps * SMOOTHED_OVER))
        """Span of the mean, in steps."""
        self._total = self._weight = 0.0
        self._settled_after = max(5, round(sweep.steps * SETTLED_AFTER))
        self._best = math.inf

    def add(self, lr: float, loss: float) -> RangePoint:
        """Add the next step."""
        self.lrs.append(lr)
        self.losses.append(loss)
        smoothed = self._mean(loss)
        self.smoothed.append(smoothed)
        if len(self) > self._settled_after:
            self._best = min(self._best, smoothed)
        return RangePoint(len(self) - 1, lr, loss, smoothed)

    def _mean(self, loss: float) -> float:
        """Return the mean of all losses so far; equals `smoothing.Smoothed`, at a fiftieth of its cost per step."""
        keep, is_finite = 1 - 2 / (self.span + 1), math.isfinite(loss)
        self._total = keep * self._total + (loss if is_finite else 0.0)
        self._weight = keep * self._weight + is_finite
        return self._total / self._weight if self._weight else math.nan

    def __len__(self) -> int:
        return len(self.losses)

    @property
    def has_diverged(self) -> bool:
        """Whether the loss is not finite, or its mean is more than DIVERGED_AT times its minimum.

        A negative minimum has a limit as far above it as a positive one of the same size.
        """
        if not len(self):
            return False
        last = self.smoothed.last
        if not (math.isfinite(self.losses.last) and math.isfinite(last)):
            return True
        return math.isfinite(self._best) and last > self._best + (DIVERGED_AT - 1) * abs(self._best)

    # -- drawing ------------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> int:
        """Number of steps that are drawn: those before the first loss that is not finite."""
        bad = np.flatnonzero(~np.isfinite(self.losses.values))
        return int(bad[0]) if len(bad) else len(self)

    @property
    def top(self) -> float:
        """Upper limit of the drawn loss, so that the final rise does not flatten the rest; NaN if nothing is drawn."""
        smoothed = self.smoothed.values[: self.shown]
        if not len(smoothed):
            return math.nan
        place = int(smoothed.argmin())
        low, high = float(smoothed[place]), float(smoothed[: place + 1].max())
        wanted = max(high + 0.25 * (high - low), low + (DIVERGED_AT - 1) * abs(low))
        return min(wanted, float(max(smoothed.max(), self.losses.values[: self.shown].max())))

    def loss_at(self, lr: float) -> float:
        """Return the smoothed loss at an lr, interpolated between two steps; at most `top`."""
        shown = self.shown
        places = np.log(self.lrs.values[:shown])
        return min(self.top, float(np.interp(math.log(lr), places, self.smoothed.values[:shown])))

    def suggest(self, outcome: RangeOutcome = "done") -> Suggestions:
        """Return the lrs that the four rules suggest for the curve so far, and which one is recommended.

        Args:
            outcome: how the test ended; a test that was stopped or failed recommends no lr.
        """
        columns = self.lrs.values, self.losses.values, self.smoothed.values
        found = suggest(*columns, steps=self.sweep.steps, span=self.span)
        if outcome in ("stopped", "failed"):
            return replace(found, doubt="the test ended early: it recommends no lr", stable=None)
        return found


def outcome_line(curve: RangeCurve, end: RangeEnd) -> str:
    """Return how many steps a range test did, and why it ended."""
    steps = f"{len(curve):,} of {counted(curve.sweep.steps, 'step')}"
    if not len(curve):
        return f"stopped before its first step of {curve.sweep.steps:,}" if end.outcome == "stopped" else steps
    last = four_digits(curve.lrs.last)
    if end.outcome == "diverged":
        return f"{steps}: the loss diverges at lr {last}"
    return f"{steps}: stopped at lr {last}" if end.outcome == "stopped" else f"{steps}, up to lr {last}"


def compare_lr(current_lr: float, suggestions: Suggestions) -> str:
    """Return how the current lr compares with the suggested one."""
    text = f"the lr in use is {four_digits(current_lr)}"
    suggested = suggestions.suggested
    if suggestions.stable is not None and current_lr > suggestions.stable:
        return f"{text}, above the largest stable one"
    if suggested is None or current_lr <= 0:
        return text
    factor = current_lr / suggested
    if 1 / 1.5 < factor < 1.5:
        return f"{text}, about the same as suggested"
    times = format_factor(max(factor, 1 / factor))
    return f"{text}: {times} times {'higher' if factor > 1 else 'lower'} than suggested"
