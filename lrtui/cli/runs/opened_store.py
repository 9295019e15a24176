"""The store that a command's words name, and the runs in it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lrtui.run.errors import StoreError, UsageError
from lrtui.store.connection import describe, open_for_reading
from lrtui.store.location import DATABASE, NOTHING, VARIABLE, store_folder
from lrtui.store.reader import StoredRun, find_run
from lrtui.text.format import printable


def folder_of(option: str | None) -> Path:
    """Return the folder that `--store` names, or that holds without it.

    Raises:
        StoreError: where nothing is kept.
    """
    folder = store_folder(option)
    if folder is None:
        raise StoreError(f"nothing is kept where the store is {NOTHING}: --store DIR (or {VARIABLE}) names a folder")
    return folder


@contextmanager
def reading(folder: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that only reads; SQLite's errors become words, and those of standard output stay theirs.

    Raises:
        StoreError: where there is no store, or it can't be read.
    """
    connection = open_for_reading(folder)
    try:
        yield connection
    except sqlite3.Error as error:
        raise StoreError(f"{folder / DATABASE}: {describe(error)}") from error
    finally:
        connection.close()


def find(connection: sqlite3.Connection, words: str) -> StoredRun:
    """Return the run that is meant.

    Raises:
        UsageError: where there is none; names those there are.
    """
    try:
        # bytes of the command line that are no UTF-8 are in no database either
        return find_run(connection, words.encode(errors="backslashreplace").decode())
    except UsageError as error:
        # their names are whatever users have written
        raise UsageError(printable(str(error))) from None


def find_all(connection: sqlite3.Connection, all_words: list[str]) -> list[StoredRun]:
    """Return the runs that are meant, each once.

    Raises:
        UsageError: where one is not there.
    """
    return list({run.id: run for run in (find(connection, words) for words in all_words)}.values())


def title_of(run: StoredRun) -> str:
    """Return the run's number and name as a terminal may show them."""
    return printable(run.title)
