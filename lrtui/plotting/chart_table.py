"""The numbers of a chart as a CSV table."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence

import numpy as np

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Curve, Line, Marks

Cells = Sequence[float | None]


def chart_csv(chart: Chart, columns: int) -> str:
    """Return the numbers of a chart as CSV.

    There is one row per column of the chart, with its first x and the minimum, mean and maximum of each curve, then
    one row per mark. Missing and non-finite values are empty cells.

    Args:
        columns: width of the chart on screen.
    """
    columns = max(1, columns)
    edges = np.linspace(chart.x_low, chart.x_high, columns + 1)
    names: list[str] = []
    values: list[Cells] = []
    marks: list[Marks] = []
    for layer in chart.layers:
        if isinstance(layer, Curve):
            summary = layer.summary(chart.x_low, chart.x_high, columns)
            names += [f"{layer.name} {what}" for what in ("low", "mean", "high")]
            values += [summary.low.tolist(), summary.mean.tolist(), summary.high.tolist()]
        elif isinstance(layer, Line) and layer.name:
            low, _ = layer.columns(chart.x_low, chart.x_high, columns)
            names.append(layer.name)
            values.append(low.tolist())
        elif isinstance(layer, Marks) and layer.xs and layer.name:
            marks.append(layer)
    rows: list[list[float | None]] = []
    for column in range(columns):
        cells = [series[column] for series in values]
        if any(_is_number(cell) for cell in cells):
            rows.append([float(edges[column]), *cells, *[None] * len(marks)])
    for index, layer in enumerate(marks):
        for x, y in zip(layer.xs, layer.ys, strict=True):
            if chart.x_low <= x <= chart.x_high:
                cells = [None] * len(marks)
                cells[index] = y
                rows.append([x, *[None] * len(values), *cells])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([chart.axis if chart.axis != "time" else "seconds", *names, *(layer.name for layer in marks)])
    writer.writerows([cell if _is_number(cell) else "" for cell in row] for row in rows)
    return text.getvalue()


def _is_number(cell: float | None) -> bool:
    return cell is not None and math.isfinite(cell)
