"""What can be drawn on a chart; the first layer lies at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lrtui.run.series import Series, Summary, index_at, value_at

LINE_COLOURS = 8
"""How many runs are told apart by colour; those beyond have letters of their own, and colours again."""

FADED = " faded"
"""Behind a component class: its colour, but dim, for what is to come."""

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
        xs: x of each value, rising, in place of `start` and `rate`.
        name: what it is, for an export.
        first: index of the first value that is drawn.
        factor: what each value is multiplied by; positive.
    """

    series: Series
    start: float
    rate: float
    style: str
    form: Form = "line"
    xs: Series | None = None
    name: str = ""
    first: int = 0
    factor: float = 1.0

    def columns(self, low: float, high: float, count: int) -> tuple[Floats, Floats]:
        """Return least and greatest value in each of `count` columns between two x; NaN where nothing is drawn.

        A column between two values is on the straight line between them, be they inside or outside.
        """
        indices = self._indices(low, high, count)
        summary = self.series.summary(indices)
        known = np.flatnonzero(np.diff(indices) > 0)
        places, values = known.astype(np.float64), summary.low[known] / 2 + summary.high[known] / 2
        before, after = int(indices[0]) - 1, int(indices[-1])
        if high > low and max(self.first, self.series.known_from) <= before:
            places, values = (
                np.append(self._place(before, low, high, count), places),
                np.append(self.series[before], values),
            )
        if high > low and self.series.known_from <= after < len(self.series):
            places, values = (
                np.append(places, self._place(after, low, high, count)),
                np.append(values, self.series[after]),
            )
        lows, highs = _joined(summary, known, places, values)
        return lows * self.factor, highs * self.factor

    def summary(self, low: float, high: float, count: int) -> Summary:
        """Return what lies in each of `count` columns between two x."""
        plain = self.series.summary(self._indices(low, high, count))
        return Summary(plain.low * self.factor, plain.high * self.factor, plain.mean * self.factor, plain.count)

    def _indices(self, low: float, high: float, count: int) -> NDArray[np.int64]:
        """Return the index of the first value at or after each edge of the columns."""
        edges = np.linspace(low, high, count + 1)
        if self.xs is None:
            indices = np.ceil((edges - self.start) * self.rate - 1e-9)
        else:
            # the last value stands on the right edge, and is in the last column
            edges[-1] = np.nextafter(edges[-1], np.inf)
            indices = index_at(self.xs, edges).astype(np.float64)
        return np.clip(indices, min(self.first, len(self.series)), len(self.series)).astype(np.int64)

    def _place(self, index: int, low: float, high: float, count: int) -> float:
        """Return in which column a value is, counted on to the left and right of them."""
        x = self.start + index / self.rate if self.xs is None else value_at(self.xs, index)
        return (x - low) / (high - low) * count - 0.5


def _joined(summary: Summary, known: NDArray[np.int64], places: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return the columns with those between two values put on the line between them; bad values stay gaps.

    Args:
        summary: of the columns.
        known: those with values in them.
        places: where there are values, rising; beyond the columns too.
        values: what they are.
    """
    low, high = summary.low, summary.high
    if len(places) < 2:
        return low, high
    between = np.arange(max(0, int(np.ceil(places[0]))), min(len(low) - 1, int(np.floor(places[-1]))) + 1)
    between = between[~np.isin(between, known)]
    if not len(between):
        return low, high
    # a NaN on either side makes the line between NaN: a gap
    filled = np.interp(between, places, values)
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
        name: what it is, for an export; nothing where its marks say it.
    """

    xs: Sequence[float]
    ys: Sequence[float]
    style: str
    name: str = ""

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
        name: what it is, for an export.
    """

    xs: Sequence[float]
    ys: Sequence[float]
    style: str
    sign: str = "●"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A thin vertical line through the chart: now, the cursor."""

    x: float
    style: str = "chart--now"
    sign: str = "│"


@dataclass(frozen=True, slots=True)
class Flag:
    """A sign on the x axis: a switch, a nudge."""

    x: float
    style: str = "chart--flag"
    sign: str = "▲"


@dataclass(frozen=True, slots=True)
class Sign:
    """A sign at the upper edge, over all else: a run diverged."""

    x: float
    style: str
    sign: str = "!"


Layer = Curve | Line | Marks | Rule | Flag | Sign
