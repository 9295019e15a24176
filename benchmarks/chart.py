"""Measures the cost of a chart of two series of 1,000,000 points at 72x17, beside plotext with the same decimated
points.

    python benchmarks/chart.py [--rounds 200]

Prints medians of CPU milliseconds: from points to rows; for the whole repaint in Textual, strips of every row included;
and for plotext with two points per column of dots, the minimum and the maximum, which is all its canvas can show.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Callable

import numpy as np
import plotext
from textual.app import App, ComposeResult
from textual.geometry import Region

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Curve
from lrtui.run.series import Series
from lrtui.run.smoothing import Smoothed
from lrtui.tui.panes.chart_view import ChartView

POINTS, COLUMNS, LINES = 1_000_000, 72, 17


def two_series() -> tuple[Series, Series]:
    """Return a noisy loss that falls, and its exponential mean."""
    steps = np.arange(POINTS)
    noise = np.random.default_rng(0).normal(0.0, 0.15, POINTS)
    loss = Series(2.0 * np.exp(-steps / (POINTS / 5)) + 0.3 + noise)
    return loss, Smoothed(loss, 100).series


def chart_of(loss: Series, mean: Series, *, low: float = 0.0, times: Series | None = None) -> Chart:
    """Return the pane's chart: every batch as a band, the mean as a line."""
    high = 10.0 if times is None else times.last
    band = Curve(loss, 0.0, POINTS / 10, "chart--band-1", "band", times)
    line = Curve(mean, 0.0, POINTS / 10, "chart--line-1", "line", times)
    return Chart([band, line], low, high, x_label="epoch")


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """Return the median CPU milliseconds of the work."""
    taken = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        taken.append((time.process_time() - start) * 1000)
    return statistics.median(taken)


def plotext_ms(chart: Chart, rounds: int) -> float:
    """Return the milliseconds of plotext for the same curves, decimated to two points per column of dots."""

    def build() -> None:
        plotext.clear_figure()
        plotext.plotsize(COLUMNS, LINES)
        for layer in chart.layers:
            assert isinstance(layer, Curve)
            count = chart.columns(COLUMNS) * 2
            low, high = layer.columns(chart.x_low, chart.x_high, count)
            xs = np.repeat(np.arange(count), 2).tolist()
            plotext.plot(xs, np.column_stack([low, high]).ravel().tolist(), marker="braille")
        plotext.build()

    return cpu_ms(build, rounds)


class OneChart(App[None]):
    """An app with one chart."""

    CSS = f"ChartView {{ width: {COLUMNS}; height: {LINES}; }}"

    def compose(self) -> ComposeResult:
        yield ChartView()


async def repaint_ms(loss: Series, mean: Series, rounds: int) -> float:
    """Return the milliseconds of the widget from a new chart to the strips of all rows."""
    app = OneChart()
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        await pilot.pause()
        view = app.screen.query_one(ChartView)
        charts = [chart_of(loss, mean, low=low) for low in (0.0, 0.3)]
        turn = iter(range(10**9))

        def paint() -> None:
            # alternate charts, so that no row is cached
            view.show(charts[next(turn) % 2])
            view.render_lines(Region(0, 0, COLUMNS, LINES))

        return cpu_ms(paint, rounds)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    loss, mean = two_series()
    chart = chart_of(loss, mean)
    by_time = chart_of(loss, mean, times=Series(np.cumsum(np.full(POINTS, 0.01))))
    zoomed = chart_of(loss, mean, low=9.99)
    print(f"two series of {POINTS:,} points at {COLUMNS}x{LINES}, CPU ms, medians of {rounds}")
    for label, one in (("points to rows", chart), ("the same over training time", by_time), ("zoomed in", zoomed)):
        print(f"{label:<44} {cpu_ms(lambda one=one: one.draw(COLUMNS, LINES), rounds):8.2f}")  # type: ignore[misc]
    print(f"{'whole repaint: rows and strips':<44} {asyncio.run(repaint_ms(loss, mean, rounds)):8.2f}")
    print(f"{'plotext, the same points decimated':<44} {plotext_ms(chart, max(10, rounds // 10)):8.2f}")


if __name__ == "__main__":
    main()
