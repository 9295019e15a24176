"""How runs compare, in words: what differs in their settings, and tables of their results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lrtui.run.comparison import Comparison, Figures
from lrtui.run.evaluations import metric_of
from lrtui.run.event_lines import change_line
from lrtui.run.state import RunState
from lrtui.text.format import MISSING, figure, printable
from lrtui.text.numbers import duration
from lrtui.text.table import Heading, table_lines

MOST_EPOCHS = 12
"""Epochs in a table; `lrtui runs compare --json` has them all."""


def comparison_lines(
    labels: Sequence[str], states: Sequence[RunState], comparison: Comparison, width: int | None = None
) -> list[str]:
    """Return all of it, block under block.

    Args:
        labels: what the runs are called, in a few characters each.
        width: that the tables fit into; None for any.
    """
    blocks = [
        *difference_blocks(labels, states, comparison),
        *moment_blocks(labels, comparison, width),
        result_block(labels, states, comparison),
    ]
    return [line for block in blocks for line in ("", *block)]


def difference_blocks(labels: Sequence[str], states: Sequence[RunState], comparison: Comparison) -> list[list[str]]:
    """Return the settings that differ, and what was changed in mid-run, each under a title."""
    differences = [*_differences(labels, comparison.settings), *_differences(labels, comparison.circumstances)]
    blocks = [["settings that differ" if differences else "no setting differs", *differences]]
    changes = [
        f"  {label}  step {change.step:,}: {printable(change_line(change) or '')}"
        for label, state in zip(labels, states, strict=True)
        for change in state.changes
    ]
    return [*blocks, ["changes in mid-run", *changes]] if changes else blocks


def moment_blocks(labels: Sequence[str], comparison: Comparison, width: int | None = None) -> list[list[str]]:
    """Return tables of every metric at equal epochs, then at equal seconds; a `*` marks the best of each row."""
    blocks = []
    for name in comparison.metrics:
        by_epoch = {f"{at}": row for at, row in _thinned(comparison.by_epoch[name]).items()}
        blocks.append(_table(f"test {name} at equal epochs", "epoch", labels, by_epoch, width))
    for name, means in comparison.step_metrics.items():
        by_epoch = {f"{at}": row for at, row in _thinned(means).items()}
        blocks.append(_table(f"mean {printable(name)} of the steps at equal epochs", "epoch", labels, by_epoch, width))
    for name in comparison.metrics:
        by_seconds = {_moment(at): row for at, row in comparison.by_seconds[name].items()}
        blocks.append(_table(f"test {name} at equal seconds", "time", labels, by_seconds, width))
    return [block for block in blocks if block]


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


def _table(title: str, moment: str, labels: Sequence[str], rows: Mapping[str, Figures], width: int | None) -> list[str]:
    """Return a table with a column a run; as many tables below each other as the width asks for."""
    if not rows:
        return []
    columns = len(labels) if width is None else max(1, (width - 12) // 13)
    lines = [title]
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


def result_block(labels: Sequence[str], states: Sequence[RunState], comparison: Comparison) -> list[str]:
    """Return a table of each run's last and best results."""
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
        return ["no test has been made yet"]
    return ["last and best results on the test set", *(f"  {line}" for line in table_lines(headings, rows))]
