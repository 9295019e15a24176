"""Lr too high: the training loss, smoothed, has gone far above its best, and stays there."""

from __future__ import annotations

import math

import numpy as np

from lrtui.analysis.advice.advice import Advice
from lrtui.run.commands import ScaleLr
from lrtui.run.state import RunState
from lrtui.text.numbers import four_digits

FACTOR = 3.0
"""How many times its best the smoothed loss must be."""

WON_BACK = 0.2
"""Share of what training had won that the loss must have given back: near nothing a loss rises threefold and more
from one step to the next, and no harm is done."""

SPANS = (10, 100)
"""Least and greatest span of the smoothing, in steps; between them it is a fiftieth of the run."""

HALVED = ScaleLr(0.5)


class TooHigh:
    """Looks at each step once; one for each run."""

    def __init__(self) -> None:
        self._seen = 0
        self._best = self._first = math.inf
        self._beyond = 0
        """Steps in a row at which the loss was too far above its best."""

    def look(self, state: RunState) -> Advice | None:
        """Return the advice where the loss has been beyond FACTOR times its best for as many steps as its span."""
        span = span_of(state)
        series = state.smoothed_loss(span)
        if len(series) < self._seen:
            # the run goes on from a checkpoint: what came after it is forgotten
            self._seen, self._best, self._first, self._beyond = 0, math.inf, math.inf, 0
        self._seen = max(self._seen, series.known_from)
        for value in series.values[self._seen - series.known_from :].tolist():
            self._seen += 1
            if not math.isfinite(value) or self._seen < span // 4:
                # the mean of the first few steps is luck
                continue
            if self._first == math.inf:
                self._first = value
            self._best = min(self._best, value)
            far = value > FACTOR * self._best and value - self._best > WON_BACK * (self._first - self._best)
            self._beyond = self._beyond + 1 if far else 0
            if self._beyond >= span and self._is_no_spike(state, span):
                return self._advice(state, value)
        return None

    def _is_no_spike(self, state: RunState, span: int) -> bool:
        """Say whether most of the steps themselves are that bad: one huge loss stays in the mean for many steps."""
        first = max(0, self._seen - span - state.loss.known_from)
        steps = state.loss.values[first : self._seen - state.loss.known_from]
        return not len(steps) or bool(np.median(np.nan_to_num(steps, nan=np.inf)) > FACTOR * self._best)

    def _advice(self, state: RunState, loss: float) -> Advice:
        lrs = state.current_lrs
        return Advice(
            code="lr-too-high",
            title="lr too high",
            brief="the loss has gone far above its best",
            text=f"the training loss, smoothed, is {four_digits(loss)}, over {FACTOR:g} times its best "
            f"{four_digits(self._best)}" + (f", at lr {four_digits(max(lrs))}" if lrs else ""),
            action="nudge_down",
            does="takes the lr down",
            command=HALVED,
            step=state.step,
            changes=len(state.changes),
        )


def span_of(state: RunState) -> int:
    """Return the span of the smoothing in steps."""
    return min(max(state.total_steps // 50, SPANS[0]), SPANS[1])
