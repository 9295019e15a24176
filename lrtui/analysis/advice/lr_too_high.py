"""Lr too high: the smoothed training loss has risen far above its best and stays there."""

from __future__ import annotations

import math

import numpy as np

from lrtui.analysis.advice.advice import Advice
from lrtui.run.commands import ScaleLr
from lrtui.run.state import RunState
from lrtui.text.format import four_digits

FACTOR = 3.0
"""The smoothed loss must exceed its best by this factor."""

LOST_PROGRESS = 0.2
"""Share of the loss's decrease so far that must be lost again: a loss close to 0 may triple within a step without
harm."""

SPANS = (10, 100)
"""Minimum and maximum span of the smoothing, in steps; between them it is a fiftieth of the run."""

HALVE_LR = ScaleLr(0.5)


class LrTooHighRule:
    """Examines each step of one run once."""

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._seen = 0
        self._best = self._first = math.inf
        self._steps_above = 0
        """Consecutive losses too far above the best."""

    def examine(self, state: RunState) -> Advice | None:
        """Return the advice if as many losses as the span have been above FACTOR times the best."""
        span = min(max(state.total_steps // 50, SPANS[0]), SPANS[1])
        series = state.smoothed(state.loss, span, growth=0.0)
        if len(series) < self._seen:
            # the run was resumed from an earlier checkpoint
            self._reset()
        losses = state.loss
        self._seen = max(self._seen, series.known_from, losses.known_from)
        means, steps = series.values[self._seen - series.known_from :], losses.values[self._seen - losses.known_from :]
        for value, loss in zip(means.tolist(), steps.tolist(), strict=True):
            self._seen += 1
            # a script may log only some losses; the mean of the first few is too noisy
            if math.isnan(loss) or not math.isfinite(value) or self._seen < span // 4:
                continue
            if self._first == math.inf:
                self._first = value
            self._best = min(self._best, value)
            far = value > self._limit and value - self._best > LOST_PROGRESS * (self._first - self._best)
            self._steps_above = self._steps_above + 1 if far else 0
            if self._steps_above >= span and not self._is_spike(state, span):
                return self._advice(state, value)
        return None

    @property
    def _limit(self) -> float:
        """The loss above which the lr is too high: the best loss plus FACTOR - 1 times its absolute value."""
        return self._best + (FACTOR - 1) * abs(self._best)

    def _is_spike(self, state: RunState, span: int) -> bool:
        """Return whether a few huge losses raise the mean while most losses are normal."""
        losses = state.loss.values[: self._seen - state.loss.known_from]
        newest = losses[~np.isnan(losses)][-span:]
        return bool(len(newest)) and bool(np.median(newest) <= self._limit)

    @property
    def _distance(self) -> str:
        return f"more than {FACTOR:g} times" if self._best > 0 else "far above"

    def _advice(self, state: RunState, loss: float) -> Advice:
        lrs = state.current_lrs
        return Advice(
            code="lr-too-high",
            title="lr too high",
            brief="the loss has risen far above its best",
            text=f"the smoothed training loss is {four_digits(loss)}, {self._distance} its lowest value "
            f"{four_digits(self._best)}" + (f", at lr {four_digits(max(lrs))}" if lrs else ""),
            action="nudge_down",
            effect="lowers the lr",
            command=HALVE_LR,
            step=state.step,
            changes=len(state.changes),
        )
