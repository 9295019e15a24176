"""`lrtui runs list`: the runs of a store as a table."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from lrtui.cli.runs.opened_store import folder_of, reading
from lrtui.run.status import GLYPHS
from lrtui.store.columns import Column, ListedRun, column_named, epochs_done, listed_runs, record_of, value_text
from lrtui.store.filters import read_filters
from lrtui.text.format import MISSING, counted, figure, printable
from lrtui.text.numbers import duration, four_digits
from lrtui.text.table import Heading, table_lines

EPILOG = """\
a FILTER is COLUMN, one of = != > >= < <= ~ (contains, whatever the case), and a value; a run has to meet them all. The
shell has its own use of > and <: put them into quotes. What a run does not have meets nothing but !=.

columns are those that --json prints; best, time and done are short for best_accuracy, seconds and epochs_done.

examples:
  lrtui runs list
  lrtui runs list "accuracy>0.9 schedule~Cosine" state=done --sort -best
  lrtui runs list "created>2026-11-20" --sort seed --json
"""

HEADINGS = {
    "id": Heading("id", "."),
    "state": Heading("state"),
    "schedule": Heading("schedule"),
    "epochs": Heading("epochs", "/"),
    "best_accuracy": Heading("best", "."),
    "test_loss": Heading("test_loss", "."),
    "seconds": Heading("time", " "),
    "name": Heading("name"),
}
"""What is shown, by column."""

LEAST = {"schedule": 12, "name": 6}
"""What is cut where the terminal is narrow, and how short it may become."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommand's words."""
    parser.add_argument("filters", metavar="FILTER", nargs="*", help='such as "accuracy>0.9" or schedule~Cosine')
    parser.add_argument("--sort", metavar="COLUMN|-COLUMN", help="any column; - in front: the largest first")
    parser.add_argument("--json", action="store_true", help="print one JSON object a run, with all columns")
    read = parser.parse_known_args

    def read_options_first(args: Any = None, namespace: Any = None) -> Any:
        return read(_options_first(args), namespace)

    # argparse would take -accuracy for an option, and the filters of one place only
    parser.parse_known_args = read_options_first  # type: ignore[method-assign]


def _options_first(words: Iterable[str]) -> list[str]:
    options: list[str] = []
    filters: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in ("--sort", "--store") and (value := next(rest, None)) is not None:
            options.append(f"{word}={value}")
        else:
            (options if word.startswith("-") else filters).append(word)
    return [*options, *filters]


def main(namespace: argparse.Namespace) -> int:
    """Print the list, and return the exit status."""
    filters = read_filters(namespace.filters)
    sort = namespace.sort
    column = None if sort is None else column_named(sort.removeprefix("-"))
    with reading(folder_of(namespace.store)) as connection:
        every = listed_runs(connection)
    chosen = [listed for listed in every if all(each.takes(listed) for each in filters)]
    if column is not None:
        chosen = _sorted(chosen, column, falling=sort.startswith("-"))
    if namespace.json:
        for listed in chosen:
            print(json.dumps(record_of(listed), allow_nan=False))
        return 0
    if chosen:
        _print_table(chosen, column)
    if not every:
        print("the store has no runs yet", file=sys.stderr)
    elif filters:
        print(f"{len(chosen):,} of {counted(len(every), 'run')}", file=sys.stderr)
    return 0


def _sorted(runs: Sequence[ListedRun], column: Column, *, falling: bool) -> list[ListedRun]:
    """Return the runs in order, those that do not have the value last either way; of equals the newer first."""

    def key(listed: ListedRun) -> Any:
        value = column.value(listed)
        return value_text(column, value).lower() if column.kind == "text" else value

    parted: dict[bool, list[ListedRun]] = {True: [], False: []}
    for listed in runs:
        value = column.value(listed)
        parted[value is not None and value == value].append(listed)
    # reverse keeps the order of equals
    return [*sorted(parted[True], key=key, reverse=falling), *parted[False]]


def _print_table(runs: Sequence[ListedRun], sorted_by: Column | None) -> None:
    headings = dict(HEADINGS)
    if sorted_by is not None and sorted_by.name not in headings:
        # an order whose reason can't be seen would look like none
        name = headings.pop("name")
        headings |= {sorted_by.name: Heading(sorted_by.name, "." if sorted_by.kind == "number" else ""), "name": name}
    rows = [[_cell(listed, name) for name in headings] for listed in runs]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in table_lines(list(headings.values()), rows, width, LEAST):
        print(line)


def _cell(listed: ListedRun, name: str) -> str:
    run = listed.run
    match name:
        case "state":
            return f"{GLYPHS[run.state]} {run.state}"
        case "epochs":
            return f"{epochs_done(run)}/{run.spec.epochs}"
        case "best_accuracy" | "accuracy" | "test_loss" | "loss":
            return figure(getattr(run, name))
        case "seconds":
            return duration(run.seconds)
        case "name":
            return printable(run.name or "")
    column = column_named(name)
    value = column.value(listed)
    if isinstance(value, float) and column.kind == "number":
        return four_digits(value)
    return MISSING if value is None else printable(value_text(column, value))
