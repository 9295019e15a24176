"""Line charts on standard output, and the curves of runs in them."""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lrtui.cli.terminal import has_unicode, terminal_width
from lrtui.run.events import EvalDone
from lrtui.run.series import Series
from lrtui.run.state import RunState
from lrtui.text.format import four_digits, wrapped

LARGEST = 1e30
"""Values beyond this are drawn at the edge."""

COLOURS = ("blue+", "orange", "green+", "magenta+", "yellow", "red+", "cyan+", "gray")
MARKERS = ("braille", "o", "x", "+", "*", "#", "%", "&")

SIGNS = {"braille": "⠒"}
"""Legend text for the markers that are not single characters."""

PLAIN_MARKERS = {"braille": "*"}
"""Markers for a reader without Unicode; the legend has the same ones."""

MAX_COLUMNS = 120
AXIS = 8
"""Approximate width of the y axis with its labels, in columns."""

ROWS = 22


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of a curve; NaN values are left out.

    Args:
        epochs: x coordinates.
        values: y coordinates.
        index: index of its colour in COLOURS.
        marker: one of MARKERS.
        joined: whether the points are joined by lines.
    """

    epochs: Sequence[float]
    values: Sequence[float]
    index: int = 0
    marker: str = MARKERS[0]
    joined: bool = True


def chart_columns() -> int:
    """Return the width of a chart: that of the terminal, up to MAX_COLUMNS."""
    return min(MAX_COLUMNS, shutil.get_terminal_size((100, 30)).columns)


def marker_of(index: int, count: int) -> str:
    """Return the marker of a curve; a single one is drawn in Braille."""
    return MARKERS[index % len(MARKERS)] if count > 1 else MARKERS[0]


def print_chart(
    curves: Sequence[Curve],
    ticks: Sequence[int] | Mapping[float, str],
    *,
    from_zero: bool,
    is_share: bool = False,
    rows: int = ROWS,
    x_label: str = "epoch",
) -> None:
    """Draw the curves over each other.

    Args:
        curves: later ones are drawn over earlier ones.
        ticks: epochs on the x axis, or labels by position.
        from_zero: whether the y axis includes 0.
        is_share: whether the values are shares, from 0 to 1 or in percent; if all are the same share of at most 1, the
            axis ends at 1.
        rows: height in lines of text.
        x_label: label of the x axis.
    """
    # plotext takes 60 ms to import, and only a chart needs it
    import plotext

    width = chart_columns()
    plotext.clear_figure()
    # otherwise plotext clips the chart to the terminal size that it detects
    plotext.limitsize(False, False)
    plotext.plotsize(width, rows)
    plotext.theme("clear")
    # plotext draws every point: all must be finite and within the axes; an infinite one would leave no room for others
    parts = [
        [(epoch, min(max(value, -LARGEST), LARGEST)) for epoch, value in points if math.isfinite(value)]
        for points in (zip(curve.epochs, curve.values, strict=True) for curve in curves)
    ]
    values = [value for points in parts for _, value in points] or [0.0]
    low, high = min(values), max(values)
    if from_zero:
        low = min(0.0, low)
    if high - low < 1e-300:
        # if all values are equal, the axis extends 5 % of the value to either side
        room = abs(high) / 20 or 0.5
        low, high = low - room, high + room
        if is_share and high - room <= 1.0 < high:
            high = 1.0
    is_unicode = has_unicode(sys.stdout)
    # as fractions of the axis: plotext can't resolve very small numbers
    fractions = [[(epoch, (value - low) / (high - low)) for epoch, value in points] for points in parts]
    for curve, points in [*zip(curves, fractions, strict=True), *_interleaved_marks(curves, fractions, width)]:
        if points:
            (plotext.plot if curve.joined else plotext.scatter)(
                [epoch for epoch, _ in points],
                [value for _, value in points],
                color=COLOURS[curve.index % len(COLOURS)],
                marker=curve.marker if is_unicode else PLAIN_MARKERS.get(curve.marker, curve.marker),
            )
    plotext.xticks(list(ticks), list(ticks.values()) if isinstance(ticks, Mapping) else None)
    shares = [share / 4 for share in range(5)]
    plotext.yticks(shares, [four_digits(low + share * (high - low)) for share in shares])
    plotext.ylim(0, 1.02)
    chart = plotext.build()
    print(chart if has_colour() else plotext.uncolorize(chart))
    print(f"{x_label:>{width}}\n")


def has_colour() -> bool:
    """Return whether standard output is a terminal with colours, and the user wants them."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def coloured(text: str, index: int) -> str:
    """Return the text in the colour of a curve, if there are colours."""
    if not has_colour():
        return text
    import plotext

    return str(plotext.colorize(text, COLOURS[index % len(COLOURS)]))


def print_legend(marker: str, index: int, text: str) -> None:
    """Print a curve's mark in its colour, and what the curve is."""
    sign = SIGNS.get(marker, marker)
    first, *more = wrapped(f"{sign} {text}", terminal_width())
    print("\n".join([coloured(sign, index) + first[len(sign) :], *more]))


def _interleaved_marks(
    curves: Sequence[Curve], parts: Sequence[Sequence[tuple[float, float]]], columns: int
) -> list[tuple[Curve, list[tuple[float, float]]]]:
    """Return single marks of each joined curve, in every n-th column, for n curves.

    Drawn over the lines, they show every curve where several coincide.
    """
    lines = [(curve, points) for curve, points in zip(curves, parts, strict=True) if curve.joined and len(points) > 1]
    if len(lines) < 2 or len({curve.marker for curve, _ in lines}) < 2:
        return []
    places = np.linspace(
        min(points[0][0] for _, points in lines), max(points[-1][0] for _, points in lines), max(2, columns - AXIS)
    )
    marks = []
    for number, (curve, points) in enumerate(lines):
        epochs, values = np.array(points).T
        own = places[number :: len(lines)]
        own = own[(epochs[0] <= own) & (own <= epochs[-1])]
        single = replace(curve, joined=False)
        marks.append((single, list(zip(own.tolist(), np.interp(own, epochs, values).tolist(), strict=True))))
    return marks


def epoch_ticks(first: float, last: float) -> list[int]:
    """Return about ten whole epochs between the first and the last."""
    start, end = math.ceil(first), math.floor(last)
    return list(range(start, end + 1, max(1, (end - start) // 10)))


# -- curves of runs ----------------------------------------------------------------------------------------------------


def steps_per_epoch(state: RunState) -> int:
    """Return the optimizer steps in an epoch of the run."""
    return state.started.batches_per_epoch if state.started else 1


def run_ticks(*states: RunState) -> list[int]:
    """Return the epochs on the x axis of a chart of these runs."""
    return epoch_ticks(
        min(state.first_step / steps_per_epoch(state) for state in states),
        max(state.step / steps_per_epoch(state) for state in states),
    )


def run_label(*states: RunState) -> str:
    """Return what the x axis counts: steps where no run says how long its epochs are."""
    return "epoch" if any(state.started is None or state.started.knows_epochs for state in states) else "step"


def lr_curves(state: RunState) -> list[Curve]:
    """Return the lr of each parameter group."""
    return [_means(state, series, index) for index, series in enumerate(state.lrs)]


def loss_curve(state: RunState) -> Curve:
    """Return the training loss, averaged over each column of the chart."""
    return _means(state, state.loss, 0)


def metric_curve(state: RunState, name: str) -> Curve:
    """Return a metric of the training steps, averaged over each column of the chart."""
    return _means(state, state.metrics[name], 0)


def result_curve(state: RunState, value: Callable[[EvalDone], float | None] = lambda result: result.loss) -> Curve:
    """Return a test result, a point per test."""
    points = [
        (result.step / steps_per_epoch(state), found)
        for result in state.evaluations
        if not result.averaged and (found := value(result)) is not None and math.isfinite(found)
    ]
    return Curve([epoch for epoch, _ in points], [value for _, value in points], 1, "o", joined=False)


def _means(state: RunState, series: Series, index: int) -> Curve:
    # two points per column: a Braille character is two dots wide
    edges = np.linspace(0, len(series), min(len(series), 2 * chart_columns()) + 1).astype(np.int64)
    means = series.summary(edges).mean
    steps = state.first_step + edges[:-1]
    finite = np.isfinite(means)
    return Curve((steps[finite] / steps_per_epoch(state)).tolist(), means[finite].tolist(), index)
