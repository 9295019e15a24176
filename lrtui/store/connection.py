"""Connections to a store's database."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lrtui.run.errors import StoreError
from lrtui.store.location import DATABASE, is_on_network, prepare_folder
from lrtui.store.migrations import LATEST, migrate

APPLICATION_ID = 0x6C727475
"""Marks the file as a store ("lrtu", sqlite.org/pragma.html#pragma_application_id)."""

BUSY_SECONDS = 30.0
"""How long a process waits for the write lock; others hold it for a few milliseconds."""


RETRY_SECONDS = 0.02
"""Pause between two attempts to open a database that another process is creating."""

LOCKED = "another process keeps it locked"


def file_id(folder: Path) -> tuple[int, int] | None:
    """Return the device and inode of the folder's database; None if there is none."""
    try:
        found = os.stat(folder / DATABASE)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def open_for_writing(folder: Path) -> sqlite3.Connection:
    """Return a connection to the folder's database, which is created and migrated if need be.

    Used by one thread; transactions are explicit.

    Raises:
        StoreError: if the folder can't be written, or the file is not a store or was written by a newer lrtui.
    """
    prepare_folder(folder)
    path = folder / DATABASE
    with readable_errors(path):
        if not path.exists():
            # readable by its owner only from the start; SQLite gives its other files the same mode
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        end = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return _connect_for_writing(path, "DELETE" if is_on_network(folder) else "WAL")
            except sqlite3.OperationalError as error:
                # SQLite does not wait for a lock when it changes the journal mode (sqlite.org/c3ref/busy_handler.html)
                if "is locked" not in str(error) or time.monotonic() >= end:
                    raise
                time.sleep(RETRY_SECONDS)


def _connect_for_writing(path: Path, journal_mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _check(connection, path)
        connection.execute(f"PRAGMA journal_mode = {journal_mode}").fetchone()
        # a commit that has returned survives a crash of the machine
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection, APPLICATION_ID)
    except BaseException:
        connection.close()
        raise
    return connection


def open_for_reading(folder: Path, busy_seconds: float = BUSY_SECONDS) -> sqlite3.Connection:
    """Return a read-only connection.

    Args:
        busy_seconds: how long it waits for a database that another process keeps locked.

    Raises:
        StoreError: if there is no store, or it can't be read.
    """
    path = folder / DATABASE
    if not path.exists():
        raise StoreError(
            f"there is no store in {folder}: no run has been recorded there yet (--store DIR names another)"
        )
    with readable_errors(path):
        # in a read-only folder SQLite can't create the shared-memory file of its WAL; no process writes there either
        immutable = "" if os.access(folder, os.W_OK) else "&immutable=1"
        uri = f"{path.absolute().as_uri()}?mode=ro{immutable}"
        connection = sqlite3.connect(uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False)
        try:
            _check(connection, path)
            if connection.execute("PRAGMA user_version").fetchone()[0] < LATEST and not immutable:
                connection.close()
                # written by an older lrtui: migrate it first
                open_for_writing(folder).close()
                connection = sqlite3.connect(
                    uri, uri=True, timeout=busy_seconds, isolation_level=None, check_same_thread=False
                )
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def transaction(folder: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection in a transaction, which is committed at the end and rolled back on an error.

    Raises:
        StoreError: if the store can't be written.
    """
    connection = open_for_writing(folder)
    try:
        with readable_errors(folder / DATABASE):
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


@contextmanager
def readable_errors(path: Path) -> Iterator[None]:
    """Turn the errors of SQLite and the file system into a StoreError that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{path}: {describe(error)}") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror or error}") from error


def describe(error: sqlite3.Error) -> str:
    """Return what an SQLite error means, for the user."""
    message = str(error)
    meanings = {
        "not a database": "this is not an SQLite database, or it is damaged",
        "malformed": "the database is damaged",
        "disk is full": "the disk is full",
        "readonly": "it can't be written (read-only)",
        "unable to open": "it can't be opened",
        "is locked": LOCKED,
        "disk I/O": "the disk is failing or full (disk I/O error)",
    }
    return next((meaning for part, meaning in meanings.items() if part in message), message)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is not a store, or was written by a newer lrtui."""
    # in one transaction: another process may create the store between two reads
    connection.execute("BEGIN")
    try:
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    if application != APPLICATION_ID:
        if tables or version or application:
            raise StoreError(f"{path} is another program's database, not an lrtui store")
        return
    if version > LATEST:
        raise StoreError(
            f"{path} was written by a newer lrtui (schema {version}; this one knows {LATEST}): update lrtui, or name "
            "another store with --store"
        )
