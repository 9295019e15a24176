"""A training loss that has risen far above its best for a while, in what a run has recorded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lrtui.analysis.advice.lr_too_high import FACTOR, LOST_PROGRESS, SPANS
from lrtui.run.minmax_pyramid import BLOCK
from lrtui.run.series import Series
from lrtui.run.smoothing import Smoothed
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats

MAX_POINTS = 20_000
"""Maximum number of losses that are examined; of more than that the means of neighbours are."""


BEFORE = 5
"""How many spans before the rise show what losses are usual."""

USUAL = 90
"""Percentile of those losses that most of the risen ones exceed."""

LEAST = 0.4
"""Share of the risen ones that need not: with every second loss huge, training has broken down as well."""


@dataclass(frozen=True, slots=True)
class LoggedLosses:
    """The training losses that a run has recorded.

    Args:
        steps: the step of each; of a mean the first of its steps.
        values: the losses; infinite or NaN if the run logged such a loss.
    """

    steps: Floats
    values: Floats

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True, slots=True)
class RisenLoss:
    """A smoothed loss that is far above its best.

    Args:
        step: the step from which on it is.
        until: the step at which it has come back; None if it has not.
        highest: the highest value in between.
        best: its lowest value before.
    """

    step: int
    until: int | None
    highest: float
    best: float


def logged_losses(state: RunState) -> LoggedLosses:
    """Return the losses that were logged; steps that are known as blocks only are one value, their mean."""
    series = state.loss
    blocks, values = series.blocks, series.values
    with np.errstate(all="ignore"):
        means = blocks.sum / blocks.count
    of_blocks = np.flatnonzero(blocks.count > 0)
    has_every = state.started is not None and state.started.has_every_loss
    known = np.arange(len(values)) if has_every else np.flatnonzero(~np.isnan(values))
    steps = np.concatenate([of_blocks * BLOCK, series.known_from + known]) + state.first_step
    return LoggedLosses(steps.astype(np.float64), np.concatenate([means[of_blocks], values[known]]))


def risen_loss(state: RunState) -> RisenLoss | None:
    """Return where the smoothed loss first rose too far and stayed there for its span; None if it never did."""
    losses = _at_most(MAX_POINTS, logged_losses(state))
    span = min(max(len(losses) // 50, SPANS[0]), SPANS[1])
    first = span // 4
    if len(losses) < first + span:
        return None
    means = Smoothed(Series(losses.values), span).series.values[first:]
    # the mean of the first few is too noisy
    steps, values = losses.steps[first:], losses.values[first:]
    best = np.minimum.accumulate(means)
    limit = best + (FACTOR - 1) * np.abs(best)
    far = (means > limit) & (means - best > LOST_PROGRESS * (means[0] - best))
    edges = np.flatnonzero(np.diff(np.concatenate([[False], far, [False]]).astype(np.int8)))
    for start, end in edges.reshape(-1, 2).tolist():
        if end - start < span:
            continue
        # a few huge losses raise the mean while most losses are normal; with heavy tails even several in a row
        before = values[max(0, start - BEFORE * span) : start]
        usual = max(float(limit[start]), float(np.percentile(before, USUAL)) if len(before) else 0.0)
        if np.quantile(sliding_window_view(values[start:end], span), LEAST, axis=1).max() > usual:
            last = int(steps[end]) if end < len(steps) else None
            return RisenLoss(int(steps[start]), last, float(means[start:end].max()), float(best[start]))
    return None


def _at_most(count: int, losses: LoggedLosses) -> LoggedLosses:
    finite = np.isfinite(losses.values)
    steps, values = losses.steps[finite], losses.values[finite]
    if len(steps) <= count:
        return LoggedLosses(steps, values)
    starts = np.linspace(0, len(steps), count + 1).astype(np.int64)[:-1]
    sizes = np.diff(np.append(starts, len(steps)))
    return LoggedLosses(steps[starts], np.add.reduceat(values, starts) / sizes)
