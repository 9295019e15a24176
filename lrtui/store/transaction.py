"""One change of a store from a process that has no run of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lrtui.store.connection import open_for_writing, told
from lrtui.store.location import DATABASE


@contextmanager
def transaction(folder: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection in a transaction that is committed at the end, or leaves nothing behind.

    Raises:
        StoreError: where the store can't be written.
    """
    connection = open_for_writing(folder)
    try:
        with told(folder / DATABASE):
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
    finally:
        connection.close()
