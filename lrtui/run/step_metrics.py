"""Series of step metrics by name: each starts with its first finite value and has NaN at the steps before it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from lrtui.run.feed import StepBlock, SummaryBlock
from lrtui.run.minmax_pyramid import BLOCK, Blocks
from lrtui.run.series import Series

MetricSeries = dict[str, Series]


def append_metrics(series: MetricSeries, values: Mapping[str, float], loss: Series) -> None:
    """Append the metrics of a step.

    Args:
        loss: the run's losses, including that of this step.
    """
    for name in sorted(values.keys() - series.keys()):
        if math.isfinite(values[name]):
            series[name] = Series.without_values(len(loss) - 1, loss.known_from)
    for name, metric in series.items():
        metric.append(values.get(name, math.nan))


def extend_metrics(series: MetricSeries, block: StepBlock, loss: Series) -> None:
    """Append the metrics of a block of steps.

    Args:
        loss: the run's losses, including those of the block.
    """
    for name, metric in series.items():
        metric.extend(block.metrics.get(name, np.full(len(block), np.nan)))
    for name in sorted(block.metrics.keys() - series.keys()):
        values = block.metrics[name]
        finite = np.flatnonzero(np.isfinite(values))
        if len(finite):
            before = len(loss) - len(values) + int(finite[0])
            series[name] = Series.without_values(before, loss.known_from)
            series[name].extend(values[finite[0] :])


def extend_summarized_metrics(series: MetricSeries, block: SummaryBlock, steps_before: int) -> None:
    """Append the metrics of summarized steps.

    Args:
        steps_before: number of steps of the run before the block.
    """
    for name in (*series, *sorted(block.metrics.keys() - series.keys())):
        blocks = block.metrics.get(name, Blocks.without_values(block.steps // BLOCK))
        series.setdefault(name, Series.without_values(steps_before, steps_before)).extend_blocks(blocks)
