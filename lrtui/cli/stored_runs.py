"""The store and the runs that a command reads, and the options that select them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lrtui.cli.command import argument, option
from lrtui.cli.options import Decorator
from lrtui.run.errors import LrtuiError, StoreError, UsageError
from lrtui.store.connection import describe, open_for_reading
from lrtui.store.location import DATABASE, NOTHING, VARIABLE, store_folder
from lrtui.store.reader import LAST, StoredRun, all_runs, find_run
from lrtui.text.format import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


def run_argument(name: str = "run", help_text: str = "A run: its id, its name, or last.", **settings: Any) -> Decorator:
    """Add the RUN argument."""
    return argument(
        name,
        metavar="RUN" if "nargs" not in settings else "RUN...",
        help=help_text,
        shell_complete=complete_runs,
        **settings,
    )


def store_option() -> Decorator:
    """Add the option that names the store."""

    def complete(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(incomplete, type="dir")]

    text = "where the runs are stored (default: LRTUI_STORE, or .lrtui here)"
    return option("--store", metavar="DIR", help=text, shell_complete=complete)


def complete_runs(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return ids and names of the store's runs that match, the newest first."""
    from click.shell_completion import CompletionItem

    try:
        with reading(folder_of(ctx.params.get("store"))) as connection:
            runs = all_runs(connection)
    except LrtuiError:
        return []
    items = [CompletionItem(LAST, help="the newest run")]
    for run in runs:
        text = printable(f"{run.state}, {run.schedule}")
        items.append(CompletionItem(str(run.id), help=f"{printable(run.name)}: {text}" if run.name else text))
        if run.name and run.name.isprintable():
            items.append(CompletionItem(run.name, help=f"#{run.id}: {text}"))
    return [item for item in items if item.value.startswith(incomplete)]


def folder_of(store: str | None) -> Path:
    """Return the folder that `--store` names, or the default one.

    Raises:
        StoreError: if nothing is stored.
    """
    folder = store_folder(store)
    if folder is None:
        raise StoreError(f"--store {NOTHING} is not a store; name a folder with --store DIR or {VARIABLE}")
    return folder


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Yield a read-only connection; SQLite's errors become a StoreError.

    Raises:
        StoreError: if there is no store, or it can't be read.
    """
    connection = open_for_reading(folder)
    try:
        yield connection
    except sqlite3.Error as error:
        raise StoreError(f"{folder / DATABASE}: {describe(error)}") from error
    finally:
        connection.close()


def find(connection: sqlite3.Connection, run: str) -> StoredRun:
    """Return the run with that id or name.

    Raises:
        UsageError: if there is none; names the existing ones.
    """
    try:
        # stored names contain no bytes that are not UTF-8
        return find_run(connection, run.encode(errors="backslashreplace").decode())
    except UsageError as error:
        # names may contain any characters
        raise UsageError(printable(str(error))) from None


def find_all(connection: sqlite3.Connection, runs: Iterable[str]) -> list[StoredRun]:
    """Return the runs with these ids or names, without duplicates.

    Raises:
        UsageError: if one does not exist.
    """
    return list({run.id: run for run in (find(connection, text) for text in runs)}.values())


def title_of(run: StoredRun) -> str:
    """Return the run's number and name, with control characters escaped."""
    return printable(run.title)
