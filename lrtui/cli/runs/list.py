"""`lrtui runs list`: lists the runs of a store."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from lrtui.cli.command import Command, argument, option
from lrtui.cli.stored_runs import folder_of, reading, store_option
from lrtui.cli.terminal import terminal_width
from lrtui.run.evaluations import ACCURACY, shown_loss
from lrtui.run.events import GLYPHS
from lrtui.store.columns import Column, column_named, epochs_done, epochs_of, record_of, value_text
from lrtui.store.filters import read_filters
from lrtui.store.reader import StoredRun, all_runs
from lrtui.text.format import MISSING, counted, duration, figure, four_digits, printable
from lrtui.text.table import Heading, table_lines

EPILOG = """\
Examples:
  lrtui runs list
  lrtui runs list "accuracy>0.9 schedule~Cosine" state=done --sort -best
  lrtui runs list "created>2026-11-20" --sort seed --json
"""

HEADINGS = {
    "id": Heading("id", "."),
    "state": Heading("state"),
    "schedule": Heading("schedule"),
    "epochs": Heading("epochs", "/"),
    "best_value": Heading("best", "."),
    "test_loss": Heading("test_loss", "."),
    "seconds": Heading("time", " "),
    "name": Heading("name"),
}
"""The columns shown."""

MIN_WIDTHS = {"schedule": 12, "name": 6}
"""Columns that are cut on a narrow terminal, with their minimum widths."""

REMOVABLE = ("time", "test_loss")
"""Columns that are left out if that does not suffice."""


@click.command(cls=Command, epilog=EPILOG)
@argument("filters", metavar="[FILTER]...", nargs=-1, help='Filters, such as "accuracy>0.9" or schedule~Cosine.')
@option("--sort", metavar="COLUMN|-COLUMN", help="sort by a column, with - in descending order")
@option("--json", "as_json", is_flag=True, help="print a JSON object per run, with all columns")
@store_option()
def command(filters: tuple[str, ...], sort: str | None, as_json: bool, store: str | None) -> int:
    """A FILTER is COLUMN, one of = != > >= < <= ~ (contains, ignoring case), and a value; only runs that meet all
    filters are listed. Put filters with > or < in quotes. A run without the value matches only !=.

    Columns are those that --json prints; best, time and done are short for best_value, seconds and epochs_done. The
    best value is that of the metric that the task names as best, or else of the accuracy; --sort -best puts the best
    runs first also where a low value is better. The table shows the lowest test loss as the best value of a run without
    either.
    """
    conditions = read_filters(filters)
    column = None if sort is None else column_named(sort.removeprefix("-"))
    with reading(folder_of(store)) as connection:
        every = all_runs(connection)
    chosen = [run for run in every if all(condition.matches_run(run) for condition in conditions)]
    if sort is not None and column is not None:
        chosen = _sorted(chosen, column, descending=sort.startswith("-"))
    if as_json:
        for run in chosen:
            print(json.dumps(record_of(run), allow_nan=False))
        return 0
    if chosen:
        _print_table(chosen, column)
    if not every:
        print("the store has no runs yet", file=sys.stderr)
    elif conditions:
        print(f"{len(chosen):,} of {counted(len(every), 'run')}", file=sys.stderr)
    return 0


def _sorted(runs: Sequence[StoredRun], column: Column, *, descending: bool) -> list[StoredRun]:
    """Return the runs in order: among equal values the newer first, runs without the value last in either order."""

    def key(run: StoredRun) -> Any:
        value = column.value(run)
        if column.name == "best_value":
            metric = run.best_metric or ACCURACY
            return metric == ACCURACY, metric, -value if run.best_mode == "min" else value
        return value_text(column, value).lower() if column.kind == "text" else value

    by_presence: dict[bool, list[StoredRun]] = {True: [], False: []}
    for run in runs:
        value = column.value(run)
        # NaN, which differs from itself, counts as no value
        by_presence[value is not None and value == value].append(run)
    # reverse=True keeps the order of equal values
    return [*sorted(by_presence[True], key=key, reverse=descending), *by_presence[False]]


def _print_table(runs: Sequence[StoredRun], sorted_by: Column | None) -> None:
    headings = dict(HEADINGS)
    if sorted_by is not None and sorted_by.name not in headings:
        # without the column that it is sorted by, the order would look random
        name = headings.pop("name")
        headings |= {sorted_by.name: Heading(sorted_by.name, "." if sorted_by.kind == "number" else ""), "name": name}
    rows = [[_cell(run, name) for name in headings] for run in runs]
    for line in table_lines(list(headings.values()), rows, terminal_width(), MIN_WIDTHS, REMOVABLE):
        print(line)


def _cell(run: StoredRun, name: str) -> str:
    match name:
        case "state":
            return f"{GLYPHS[run.state]} {run.state}"
        case "epochs":
            epochs = epochs_of(run)
            if run.spec.is_log and epochs is None and not epochs_done(run):
                return MISSING
            return f"{epochs_done(run)}/{'?' if epochs is None else epochs}"
        case "best_value":
            is_loss = run.best_value is None and run.best_metric is None
            return figure(run.best_loss if is_loss else run.best_value)
        case "loss" if run.loss is not None:
            return figure(shown_loss(run.loss, is_log=run.spec.is_log))
        case "accuracy" | "best_accuracy" | "test_loss" | "loss" | "best_loss":
            return figure(getattr(run, name))
        case "seconds":
            # a log may have no times
            return MISSING if run.spec.is_log and not run.seconds else duration(run.seconds)
        case "name":
            return printable(run.name or "")
    column = column_named(name)
    value = column.value(run)
    if isinstance(value, float) and column.kind == "number":
        return four_digits(value)
    return MISSING if value is None else printable(value_text(column, value))
