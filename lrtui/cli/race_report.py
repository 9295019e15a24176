"""What a race has come to, on standard output: a table and a chart, or JSON."""

from __future__ import annotations

import json
import shutil
import statistics
import sys
from collections.abc import Sequence

from lrtui.analysis.race.plan import Cell
from lrtui.analysis.race.report import standing_lines, standing_records
from lrtui.analysis.race.results import CellResult
from lrtui.analysis.race.standing import Standing
from lrtui.cli.line_chart import MARKERS, Curve, epoch_ticks, print_chart
from lrtui.text.format import printable

# one marker an entrant: the fine dots of a single curve would not tell them apart
ENTRANT_MARKERS = MARKERS[1:]


def print_report(standing: Standing, results: Sequence[CellResult], *, as_json: bool) -> None:
    """Print how the race standing.

    Args:
        results: of all its runs, in the order of the plan's cells.
    """
    if as_json:
        for record in standing_records(standing, results):
            print(json.dumps(record, allow_nan=False))
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in standing_lines(standing, width):
        print(line)
    _print_chart_of(standing, results)


def _print_chart_of(standing: Standing, results: Sequence[CellResult]) -> None:
    """Draw every entrant's results by epoch, means over the seeds that have come so far."""
    by_cell = {result.cell: result for result in results}
    curves, labels = [], []
    for index, entrant in enumerate(standing.plan.entrants):
        runs = [by_cell[Cell(index, seed)] for seed in standing.seeds or standing.plan.seeds]
        runs = [run for run in runs if run.tests]
        epochs = sorted(set.intersection(*(set(run.tests) for run in runs))) if runs else []
        values = [
            [value for run in runs if (value := run.value(standing.metric, epoch)) is not None] for epoch in epochs
        ]
        if not epochs:
            continue
        marker = ENTRANT_MARKERS[index % len(ENTRANT_MARKERS)]
        curves.append(Curve(epochs, [statistics.fmean(each) for each in values], index, marker))
        labels.append(f"{marker} {printable(entrant.label)}")
    if not curves:
        return
    last = max(epoch for curve in curves for epoch in curve.epochs)
    print(f"\ntest {standing.metric} by epoch")
    print_chart(curves, epoch_ticks(1, last), from_zero=False)
    for label in labels:
        print(label)
