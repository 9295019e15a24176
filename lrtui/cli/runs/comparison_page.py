"""What `lrtui runs compare` says of runs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lrtui.cli.line_chart import MARKERS, Curve, print_chart
from lrtui.cli.runs.cells import MISSING, figure, printable
from lrtui.cli.runs.curves import curve_ticks, result_curve
from lrtui.cli.runs.opened_store import title_of
from lrtui.cli.runs.table import Heading, table_lines
from lrtui.run.comparison import ACCURACY, Comparison, Figures, metric_of
from lrtui.run.event_json import plain
from lrtui.run.lines import change_line
from lrtui.run.numbers import duration
from lrtui.run.state import RunState
from lrtui.run.status import GLYPHS
from lrtui.store.reader import StoredRun

MOST_EPOCHS = 12
"""Epochs in a table; --json has them all."""

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
    labels = [f"#{run.id}" for run in runs]
    lines = [
        f"{title_of(run)}: {GLYPHS[run.state]} {run.state}, {printable(run.schedule)}, {run.step:,} steps, "
        f"{duration(state.elapsed)}"
        for run, state in zip(runs, states, strict=True)
    ]
    differences = [*_differences(labels, comparison.settings), *_differences(labels, comparison.circumstances)]
    lines += ["", "settings that differ" if differences else "no setting differs", *differences]
    changes = [
        f"  {label}  step {change.step:,}: {printable(change_line(change) or '')}"
        for label, state in zip(labels, states, strict=True)
        for change in state.changes
    ]
    if changes:
        lines += ["", "changes in mid-run", *changes]
    for name in comparison.metrics:
        by_epoch = _thinned(comparison.by_epoch[name])
        lines += _table(f"test {name} at equal epochs", "epoch", labels, {f"{at}": row for at, row in by_epoch.items()})
    for name in comparison.metrics:
        by_seconds = {_moment(at): row for at, row in comparison.by_seconds[name].items()}
        lines += _table(f"test {name} at equal seconds", "time", labels, by_seconds)
    return [*lines, *_result_lines(labels, states, comparison), ""]


def _differences(labels: Sequence[str], values: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return a line for each value of each run: schedules are too long to stand beside each other."""
    width = max(map(len, values), default=0)
    column = max(map(len, labels))
    lines = []
    for name, each in values.items():
        for index, (label, value) in enumerate(zip(labels, each, strict=True)):
            words = "; ".join(value) if isinstance(value, tuple) else MISSING if value is None else str(value)
            lines.append(f"  {name if not index else '':<{width}}  {label:<{column}}  {printable(words)}".rstrip())
    return lines


def _table(title: str, moment: str, labels: Sequence[str], rows: Mapping[str, Figures]) -> list[str]:
    """Return a table with a column a run; as many tables below each other as the terminal's width asks for."""
    if not rows:
        return []
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    columns = len(labels) if width is None else max(1, (width - 12) // 13)
    lines = ["", title]
    for begin in range(0, len(labels), columns):
        part = range(begin, min(begin + columns, len(labels)))
        headings = [Heading(moment, "."), *(Heading(labels[index], ".") for index in part)]
        cells = [[at, *(_marked(row, index) for index in part)] for at, row in rows.items()]
        lines += [f"  {line}" for line in table_lines(headings, cells)]
    return lines


def _marked(figures: Figures, index: int) -> str:
    return figure(figures.values[index]) + ("*" if index in figures.best else "")


def _thinned(rows: Mapping[int, Figures]) -> dict[int, Figures]:
    """Return at most so many rows at round epochs, the first and the last among them."""
    apart = next(size for size in _round_sizes() if len(rows) <= size * MOST_EPOCHS)
    last = max(rows, default=0)
    return {epoch: row for epoch, row in rows.items() if epoch % apart == 0 or epoch in (1, last)}


def _round_sizes() -> Iterable[int]:
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def _moment(seconds: float) -> str:
    return f"{seconds:g}s" if seconds < 1 else duration(seconds)


def _result_lines(labels: Sequence[str], states: Sequence[RunState], comparison: Comparison) -> list[str]:
    """Return the table of each run's last and best results."""
    headings = [Heading(""), Heading("epoch", ".")]
    headings += [Heading(printable(name), ".") for name in comparison.metrics]
    for name in comparison.best:
        headings += [Heading(f"best {printable(name)}", "."), Heading("epoch", ".")]
    averaged = any(state.last_averaged for state in states)
    if averaged:
        headings += [Heading(f"averaged {printable(name)}", ".") for name in comparison.metrics]
    rows = []
    for index, (label, state) in enumerate(zip(labels, states, strict=True)):
        row = [label, str(state.last_test.epoch) if state.last_test else MISSING]
        row += [_marked(comparison.final[name], index) for name in comparison.metrics]
        for name in comparison.best:
            epoch = comparison.best_epochs[name][index]
            row += [_marked(comparison.best[name], index), MISSING if epoch is None else str(epoch)]
        if averaged:
            row += [figure(metric_of(state.last_averaged, name)) for name in comparison.metrics]
        rows.append(row)
    if not comparison.metrics:
        return ["", "no test has been made yet"]
    return ["", "last and best results on the test set", *(f"  {line}" for line in table_lines(headings, rows))]


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
