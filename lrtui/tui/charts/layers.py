"""What can be drawn on a chart; the first layer lies at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lrtui.run.series import Series

Floats = NDArray[np.float64]

Form = Literal["line", "band", "dotted", "dashed"]
"""How a curve is drawn: past solid, every batch as a band, future dotted, a candidate dashed."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A series along the x axis.

    Args:
        series: the values.
        start: x of the first one.
        rate: values per unit of x.
        style: component class of its colour.
        form: how it is drawn.
    """

    series: Series
    start: float
    rate: float
    style: str
    form: Form = "line"

    def columns(self, low: float, high: float, count: int) -> tuple[Floats, Floats]:
        """Return least and greatest value in each of `count` columns between two x; NaN where nothing is drawn.

        A column between two values is on the straight line between them.
        """
        edges = np.linspace(low, high, count + 1)
        indices = np.ceil((edges - self.start) * self.rate - 1e-9)
        indices = np.clip(indices, 0, len(self.series)).astype(np.int64)
        summary = self.series.summary(indices)
        return _joined(summary.low, summary.high, np.diff(indices) > 0)


def _joined(low: Floats, high: Floats, has_values: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return the columns with those between two values put on the line between them; bad values stay gaps."""
    known = np.flatnonzero(has_values)
    if len(known) < 2 or len(known) == known[-1] - known[0] + 1:
        return low, high
    between = np.arange(known[0], known[-1] + 1)
    between = between[~has_values[between]]
    middle = low[known] / 2 + high[known] / 2
    # a NaN on either side makes the line between NaN: a gap
    filled = np.interp(between, known, middle)
    low, high = low.copy(), high.copy()
    low[between] = high[between] = filled
    return low, high


@dataclass(frozen=True, slots=True)
class Line:
    """Straight lines from point to point, for a few points.

    Args:
        xs: where, rising.
        ys: the values.
        style: component class of the colour.
    """

    xs: Sequence[float]
    ys: Sequence[float]
    style: str

    def columns(self, low: float, high: float, count: int) -> tuple[Floats, Floats]:
        """Return the line's value in each of `count` columns between two x; NaN outside of the points."""
        if not self.xs:
            nothing = np.full(count, np.nan)
            return nothing, nothing
        middles = low + (np.arange(count) + 0.5) * (high - low) / count
        values = np.interp(middles, self.xs, self.ys, left=np.nan, right=np.nan)
        return values, values


@dataclass(frozen=True, slots=True)
class Marks:
    """Single signs at points, such as a test's result.

    Args:
        xs: where.
        ys: the values.
        style: component class of the colour.
        sign: one character.
    """

    xs: Sequence[float]
    ys: Sequence[float]
    style: str
    sign: str = "●"


@dataclass(frozen=True, slots=True)
class Rule:
    """A thin vertical line through the chart: now."""

    x: float
    style: str = "chart--now"
    sign: str = "│"


@dataclass(frozen=True, slots=True)
class Flag:
    """A sign on the x axis: a switch, a nudge."""

    x: float
    style: str = "chart--flag"
    sign: str = "▲"


Layer = Curve | Line | Marks | Rule | Flag
