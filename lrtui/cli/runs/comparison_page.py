"""What `lrtui runs compare` says of runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import Any

from lrtui.cli.line_chart import MARKERS, Curve, print_chart
from lrtui.cli.runs.curves import curve_ticks, result_curve
from lrtui.cli.runs.opened_store import title_of
from lrtui.run.comparison import Comparison
from lrtui.run.comparison_lines import comparison_lines
from lrtui.run.evaluations import ACCURACY, metric_of
from lrtui.run.event_json import plain
from lrtui.run.state import RunState
from lrtui.run.status import GLYPHS
from lrtui.store.reader import StoredRun
from lrtui.text.format import printable
from lrtui.text.numbers import duration

# one marker a run: the fine dots of a single curve would not tell them apart
RUN_MARKERS = MARKERS[1:]


def page_record(runs: Sequence[StoredRun], states: Sequence[RunState], comparison: Comparison) -> dict[str, Any]:
    """Return all of it as plain JSON values; every list has an entry a run, in the order of `runs`."""
    return {
        "runs": [
            {"id": run.id, "name": run.name, "state": run.state, "step": run.step, "seconds": state.elapsed}
            for run, state in zip(runs, states, strict=True)
        ],
        **plain(comparison),
    }


def page_lines(runs: Sequence[StoredRun], states: Sequence[RunState], comparison: Comparison) -> list[str]:
    """Return all of it in words, but for the chart."""
    heads = [
        f"{title_of(run)}: {GLYPHS[run.state]} {run.state}, {printable(run.schedule)}, {run.step:,} steps, "
        f"{duration(state.elapsed)}"
        for run, state in zip(runs, states, strict=True)
    ]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    labels = [f"#{run.id}" for run in runs]
    return [*heads, *comparison_lines(labels, states, comparison, width), ""]


def print_chart_of(runs: Sequence[StoredRun], states: Sequence[RunState], comparison: Comparison) -> None:
    """Draw the test accuracies, or the test losses where a task has no accuracy."""
    if not comparison.metrics:
        return
    name = ACCURACY if ACCURACY in comparison.metrics else comparison.metrics[0]
    curves = []
    for index, state in enumerate(states):
        points = result_curve(state, lambda result: metric_of(result, name))
        curves.append(Curve(points.epochs, points.values, index, RUN_MARKERS[index % len(RUN_MARKERS)]))
    print(f"test {name}")
    print_chart(curves, curve_ticks(*states), from_zero=False)
    for index, run in enumerate(runs):
        print(f"{RUN_MARKERS[index % len(RUN_MARKERS)]} {title_of(run)} {printable(run.schedule)}")
