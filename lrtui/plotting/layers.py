"""The layers of a chart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lrtui.run.series import Series, Summary, index_at, value_at

LINE_COLOURS = 8
"""Number of line colours; further runs reuse them and are marked by letters."""

FADED = " faded"
"""Suffix of a component class: the same colour dimmed, for lrs to come."""

Floats = NDArray[np.float64]

Form = Literal["line", "band", "dotted", "dashed", "ghost"]
"""How a curve is drawn: solid for the past, a band of all batches, dotted for the future, dashed for a candidate, and
a ghost, dashed as well, for a course that a change has replaced. Bands and ghosts are below all lines."""


@dataclass(frozen=True, slots=True)
class Curve:
    """A series along the x axis.

    Args:
        series: the values.
        start: x of the first value.
        rate: values per unit of x.
        style: component class of the colour.
        form: how it is drawn.
        xs: x of each value, increasing; replaces `start` and `rate`.
        name: name in an export.
        first: index of the first value that is drawn.
        factor: positive factor of all values.
        joins_gaps: whether NaN stands for no value, so that the line goes on to the next one.
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
    joins_gaps: bool = False

    def columns(self, low: float, high: float, count: int) -> tuple[Floats, Floats]:
        """Return the minimum and the maximum in each of `count` columns from x `low` to `high`; NaN for no line.

        Columns between two values are interpolated, also from values just outside the range.
        """
        indices = self._indices(low, high, count)
        summary = self.series.summary(indices)
        known = np.flatnonzero(summary.count if self.joins_gaps else np.diff(indices) > 0)
        places, values = known.astype(np.float64), summary.low[known] / 2 + summary.high[known] / 2
        before, after = self._neighbours(int(indices[0]) - 1, int(indices[-1]))
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
        """Return the summary of each of `count` columns from x `low` to `high`."""
        plain = self.series.summary(self._indices(low, high, count))
        return Summary(plain.low * self.factor, plain.high * self.factor, plain.mean * self.factor, plain.count)

    def _indices(self, low: float, high: float, count: int) -> NDArray[np.int64]:
        """Return the index of the first value at or after each edge of the columns, shape (count + 1,)."""
        edges = np.linspace(low, high, count + 1)
        if self.xs is None:
            indices = np.ceil((edges - self.start) * self.rate - 1e-9)
        else:
            # a value on the right edge belongs to the last column
            edges[-1] = np.nextafter(edges[-1], np.inf)
            indices = index_at(self.xs, edges).astype(np.float64)
        return np.clip(indices, min(self.first, len(self.series)), len(self.series)).astype(np.int64)

    def _neighbours(self, before: int, after: int) -> tuple[int, int]:
        """Return the indices of the values that the line comes from and goes to; -1 and the length for none."""
        if not self.joins_gaps:
            return before, after
        left, right = self.series.known_place(before), self.series.known_place(after, 1)
        return -1 if left is None else left, len(self.series) if right is None else right

    def _place(self, index: int, low: float, high: float, count: int) -> float:
        """Return the column of a value, as a float; outside [0, count) if it is outside the range."""
        x = self.start + index / self.rate if self.xs is None else value_at(self.xs, index)
        return (x - low) / (high - low) * count - 0.5


def _joined(summary: Summary, known: NDArray[np.int64], places: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return the minimum and the maximum of each column, interpolated in those without values; NaN and inf stay gaps.

    Args:
        summary: summary of the columns.
        known: columns that contain values.
        places: column of each value, increasing; may lie outside the chart.
        values: the values.
    """
    low, high = summary.low, summary.high
    if len(places) < 2:
        return low, high
    between = np.arange(max(0, int(np.ceil(places[0]))), min(len(low) - 1, int(np.floor(places[-1]))) + 1)
    between = between[~np.isin(between, known)]
    if not len(between):
        return low, high
    # interpolation from a NaN is NaN, which leaves a gap
    filled = np.interp(between, places, values)
    low, high = low.copy(), high.copy()
    low[between] = high[between] = filled
    return low, high


@dataclass(frozen=True, slots=True)
class Line:
    """Straight lines between a few points.

    Args:
        xs: x of each point, increasing.
        ys: the values.
        style: component class of the colour.
        name: name in an export; empty if the points are exported as marks.
    """

    xs: Sequence[float]
    ys: Sequence[float]
    style: str
    name: str = ""

    def columns(self, low: float, high: float, count: int) -> tuple[Floats, Floats]:
        """Return the value, twice, in each of `count` columns from x `low` to `high`; NaN beyond the points."""
        if not self.xs:
            nothing = np.full(count, np.nan)
            return nothing, nothing
        middles = low + (np.arange(count) + 0.5) * (high - low) / count
        values = np.interp(middles, self.xs, self.ys, left=np.nan, right=np.nan)
        return values, values


@dataclass(frozen=True, slots=True)
class Marks:
    """A character at each of several points, such as test results.

    Args:
        xs: x of each point.
        ys: the values.
        style: component class of the colour.
        glyph: one character.
        name: name in an export.
    """

    xs: Sequence[float]
    ys: Sequence[float]
    style: str
    glyph: str = "●"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A vertical line through the chart, such as the cursor."""

    x: float
    style: str = "chart--now"
    glyph: str = "│"


@dataclass(frozen=True, slots=True)
class Flag:
    """A character on the x axis, such as at a change of the lr."""

    x: float
    style: str = "chart--flag"
    glyph: str = "▲"


@dataclass(frozen=True, slots=True)
class Sign:
    """A character at the upper edge, above all other layers: where a run diverged."""

    x: float
    style: str
    glyph: str = "!"


@dataclass(frozen=True, slots=True)
class Label:
    """Text beside a character at x, such as the name of a change of the lr; left out if there is no free place.

    Args:
        x: where.
        text: the text.
        style: component class of the colour.
        glyph: one character that points at x; the text is right of it, or left of it near the right end.
        top: whether it stays in the uppermost line, at the nearest free place.
    """

    x: float
    text: str
    style: str = "chart--flag"
    glyph: str = "▾"
    top: bool = False


Layer = Curve | Line | Marks | Rule | Flag | Sign | Label
