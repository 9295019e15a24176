"""Curves over epochs, or something else, drawn for standard output."""

from __future__ import annotations

import io
import math
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrtui.text.numbers import four_digits

LARGEST = 1e30
"""Values beyond are drawn at the edge."""

COLOURS = ("blue+", "orange", "green+", "magenta+", "yellow", "red+", "cyan+", "gray")
MARKERS = ("braille", "o", "x", "+", "*", "#", "%", "&")

SIGNS = {"braille": "⠒"}
"""What stands for a marker in a legend, where it is not the marker itself."""

MOST_COLUMNS = 120
ROWS = 22


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of a curve; those whose value is no number are left out.

    Args:
        epochs: where they are.
        values: at these places.
        index: which of COLOURS it has.
        marker: one of MARKERS.
        joined: whether lines lead from each point to the next.
    """

    epochs: Sequence[float]
    values: Sequence[float]
    index: int = 0
    marker: str = MARKERS[0]
    joined: bool = True


def chart_columns() -> int:
    """Return how wide a chart is: as the terminal, up to a width."""
    return min(MOST_COLUMNS, shutil.get_terminal_size((100, 30)).columns)


def marker_of(index: int, count: int) -> str:
    """Return the marker of one of so many curves: one alone is drawn finest."""
    return MARKERS[index % len(MARKERS)] if count > 1 else MARKERS[0]


def print_chart(
    curves: Sequence[Curve],
    ticks: Sequence[int] | Mapping[float, str],
    *,
    from_zero: bool,
    rows: int = ROWS,
    x_label: str = "epoch",
) -> None:
    """Draw the curves over each other.

    Args:
        curves: the later ones over the earlier ones.
        ticks: epochs that are written below; or what is written there, by place.
        from_zero: whether 0 is on the axis whatever the values are.
        rows: of text.
        x_label: what the curves are over.
    """
    # 60 ms, and nothing but a chart needs it
    import plotext

    width = chart_columns()
    plotext.clear_figure()
    # else it makes itself as narrow as what it takes for the terminal
    plotext.limitsize(False, False)
    plotext.plotsize(width, rows)
    plotext.theme("clear")
    # plotext draws whatever it is given dot by dot: all of it has to be finite and within the axes
    parts = [
        [(epoch, min(max(value, -LARGEST), LARGEST)) for epoch, value in points if not math.isnan(value)]
        for points in (zip(curve.epochs, curve.values, strict=True) for curve in curves)
    ]
    values = [value for points in parts for _, value in points] or [0.0]
    low, high = min(values), max(values)
    if from_zero:
        low = min(0.0, low)
    if high - low < 1e-300:
        # adding 1 to a very large number leaves it as it is
        high = low + max(1.0, abs(low))
    for curve, points in zip(curves, parts, strict=True):
        if points:
            (plotext.plot if curve.joined else plotext.scatter)(
                [epoch for epoch, _ in points],
                # as shares of the axis: plotext can't tell very small numbers apart
                [(value - low) / (high - low) for _, value in points],
                color=COLOURS[curve.index % len(COLOURS)],
                marker=curve.marker,
            )
    plotext.xticks(list(ticks), list(ticks.values()) if isinstance(ticks, Mapping) else None)
    shares = [share / 4 for share in range(5)]
    plotext.yticks(shares, [four_digits(low + share * (high - low)) for share in shares])
    plotext.ylim(0, 1.02)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # where there are no such characters a row of question marks still shows the curve
        sys.stdout.reconfigure(errors="replace")
    chart = plotext.build()
    print(chart if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else plotext.uncolorize(chart))
    print(f"{x_label:>{width}}\n")


def epoch_ticks(first: float, last: float) -> list[int]:
    """Return about ten whole epochs from one to the other."""
    begin, end = math.ceil(first), math.floor(last)
    return list(range(begin, end + 1, max(1, (end - begin) // 10)))
