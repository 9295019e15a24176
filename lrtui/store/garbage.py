"""Garbage collection: what a store holds that no run needs any more."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lrtui.store.command_output import unused_files
from lrtui.store.connection import describe, open_for_writing, transaction
from lrtui.store.location import CHECKPOINTS, DATABASE
from lrtui.store.migrations import has_step_metrics
from lrtui.store.reader import all_runs
from lrtui.store.removal import (
    BranchCheckpoints,
    files_under,
    outputs_of_runs,
    remove_empty,
    remove_files,
    size_of,
)

TEMPORARY = (".unfinished", ".part", ".tmp")
"""Suffixes of files that are being written."""

TEMPORARY_SECONDS = 3600.0
"""Age after which the process that wrote a temporary file counts as dead."""

ANSWERED_SECONDS = 86400.0
"""Age after which no process waits for the answer to a command any more."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What can be deleted.

    Args:
        rows: superseded rows of batches, events, lrs and metrics.
        folders: checkpoint folders of deleted runs.
        checkpoints: files in these folders that no branch started from.
        temporary: files that were never completed.
        outputs: files with the output of commands of deleted runs.
        commands: those answered long ago, and those never taken by a run that has ended.
        file_size: size of all these files, in bytes.
    """

    rows: int
    folders: tuple[Path, ...]
    checkpoints: tuple[Path, ...]
    temporary: tuple[Path, ...]
    outputs: tuple[Path, ...]
    commands: int
    file_size: int


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What was deleted.

    Args:
        freed: disk space, in bytes.
        trouble: why the database file could not be shrunk; empty if it was.
    """

    leftovers: Garbage
    freed: int
    trouble: str


_SUPERSEDED = (
    # before the batches, whose flag also applies to the group lrs and metrics of the same step
    "step_metrics WHERE run = ?1 AND seq IN (SELECT seq FROM batches WHERE run = ?1 AND superseded)",
    "group_lrs WHERE run = ?1 AND seq IN (SELECT seq FROM batches WHERE run = ?1 AND superseded)",
    "batches WHERE run = ?1 AND superseded",
    "events WHERE run = ?1 AND superseded",
)


def find_garbage(connection: sqlite3.Connection, folder: Path) -> Garbage:
    """Return what can be deleted; runs that are still training are left out.

    Raises:
        sqlite3.Error: if the store can't be read.
    """
    # before the runs are read: a folder is created after its run, so that the folder of a new run is never garbage
    folders = sorted(path for path in (folder / CHECKPOINTS).glob("*") if path.name.isascii() and path.name.isdigit())
    runs = all_runs(connection)
    known, live = {str(run.id) for run in runs}, {run.id for run in runs if run.is_live}
    in_use = BranchCheckpoints(connection)
    gone = [each for each in folders if each.name not in known]
    checkpoints = [path for each in gone for path in files_under(each) if path not in in_use]
    # a store of schema 1 in a read-only folder is not migrated
    superseded = _SUPERSEDED if has_step_metrics(connection) else _SUPERSEDED[1:]
    idle = [folder, folder / CHECKPOINTS, *(each for each in folders if each.name in known - set(map(str, live)))]
    temporary = _temporary(idle)
    # a command that has just been started has a file before it has a run
    unused = unused_files(folder, outputs_of_runs(connection))
    outputs = [path for path in unused if _age(path) > TEMPORARY_SECONDS]
    return Garbage(
        rows=sum(
            connection.execute(f"SELECT count(*) FROM {rows}", (run.id,)).fetchone()[0]
            for run in runs
            if not run.is_live
            for rows in superseded
        ),
        folders=tuple(gone),
        checkpoints=tuple(checkpoints),
        temporary=tuple(temporary),
        outputs=tuple(outputs),
        commands=connection.execute(f"SELECT count(*) FROM {_old_commands(live)}").fetchone()[0],
        file_size=sum(map(size_of, [*checkpoints, *temporary, *outputs])),
    )


def collect_garbage(folder: Path) -> Cleaned:
    """Delete the garbage and shrink the database file.

    Raises:
        StoreError: if the store can't be written, or a file can't be removed.
    """
    before = _database_size(folder)
    with transaction(folder) as connection:
        leftovers = find_garbage(connection, folder)
        live = set()
        for run in all_runs(connection):
            if run.is_live:
                live.add(run.id)
                continue
            for rows in _SUPERSEDED:
                connection.execute(f"DELETE FROM {rows}", (run.id,))
        connection.execute(f"DELETE FROM {_old_commands(live)}")
    size = remove_files([*leftovers.checkpoints, *leftovers.temporary, *leftovers.outputs])
    remove_empty(leftovers.folders)
    trouble = _shrink(folder)
    return Cleaned(leftovers, size + max(0, before - _database_size(folder)), trouble)


def _temporary(folders: Collection[Path]) -> list[Path]:
    """Return the files directly in these folders that were never completed and are old."""
    found = []
    for folder in folders:
        for path in folder.glob("*"):
            if path.name.endswith(TEMPORARY) and not path.is_dir() and _age(path) > TEMPORARY_SECONDS:
                found.append(path)
    return found


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return 0.0


def _old_commands(live: Collection[int]) -> str:
    old = time.time() - ANSWERED_SECONDS
    # commands that were never taken: their run is over, and would carry them out if it was resumed
    dead = f"(sent < {old!r} AND run NOT IN ({', '.join(map(str, sorted(live)))}))"
    return f"inbox WHERE answered < {old!r} OR {dead}"


def _shrink(folder: Path) -> str:
    """Shrink the database file; return why that failed, or an empty string."""
    connection = open_for_writing(folder)
    try:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error as error:
        return describe(error)
    finally:
        connection.close()
    return ""


def _database_size(folder: Path) -> int:
    return sum(size_of(folder / f"{DATABASE}{end}") for end in ("", "-wal", "-journal"))
