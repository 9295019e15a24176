"""The lr that a run has used, as figures of a stretch of its steps."""

from __future__ import annotations

import numpy as np

from lrtui.analysis.advice.remaining import Floats
from lrtui.run.state import RunState


def peaks(state: RunState, begin: int = 0) -> Floats:
    """Return each group's highest lr from that step on; 0 where it has used none."""
    return _figures(state, begin, state.step, "high")


def means(state: RunState, begin: int, end: int) -> Floats:
    """Return each group's mean lr from one step to another; 0 where it has used none."""
    return _figures(state, begin, end, "mean")


def extent(state: RunState, begin: int) -> tuple[float, float]:
    """Return the first group's lowest and highest lr from that step on."""
    return float(_figures(state, begin, state.step, "low")[0]), float(peaks(state, begin)[0])


def _figures(state: RunState, begin: int, end: int, figure: str) -> Floats:
    # a series may begin with blocks alone: what a stretch of it comes to is known all the same
    edges = np.array([max(0, begin - state.first_step), max(0, end - state.first_step)])
    found = [getattr(series.summary(edges), figure)[0] for series in state.lrs]
    return np.nan_to_num(np.array(found, dtype=np.float64))
