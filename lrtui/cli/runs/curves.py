"""Curves of runs, for charts on standard output."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lrtui.cli.line_chart import Curve, chart_columns, epoch_ticks
from lrtui.run.events import EvalDone
from lrtui.run.series import Series
from lrtui.run.state import RunState


def steps_an_epoch(state: RunState) -> int:
    """Return how many optimizer steps an epoch of the run has."""
    started = state.started
    return max(1, started.total_steps // started.spec.epochs) if started else 1


def curve_ticks(*states: RunState) -> list[int]:
    """Return the epochs to write below a chart of all that the runs have done."""
    return epoch_ticks(
        min(state.first_step / steps_an_epoch(state) for state in states),
        max(state.step / steps_an_epoch(state) for state in states),
    )


def lr_curves(state: RunState) -> list[Curve]:
    """Return the lr of each parameter group."""
    return [_means(state, series, index) for index, series in enumerate(state.lrs)]


def loss_curve(state: RunState) -> Curve:
    """Return the training loss, as the mean of each of the chart's columns."""
    return _means(state, state.loss, 0)


def metric_curve(state: RunState, name: str) -> Curve:
    """Return a metric of the training steps, as the mean of each of the chart's columns."""
    return _means(state, state.metrics[name], 0)


def result_curve(state: RunState, value: Callable[[EvalDone], float | None] = lambda result: result.loss) -> Curve:
    """Return a result of the tests, a point each."""
    points = [
        (result.step / steps_an_epoch(state), found)
        for result in state.evaluations
        if not result.averaged and (found := value(result)) is not None and found == found
    ]
    return Curve([epoch for epoch, _ in points], [value for _, value in points], 1, "o", joined=False)


def _means(state: RunState, series: Series, index: int) -> Curve:
    # two points a column: a character of the chart is two dots wide
    edges = np.linspace(0, len(series), min(len(series), 2 * chart_columns()) + 1).astype(np.int64)
    means = series.summary(edges).mean
    steps = state.first_step + edges[:-1]
    kept = np.isfinite(means)
    return Curve((steps[kept] / steps_an_epoch(state)).tolist(), means[kept].tolist(), index)
