"""Deleting runs and their checkpoints, except for the checkpoints that branches started from."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lrtui.run.errors import LrtuiError, StoreError
from lrtui.store.command_output import unused_files
from lrtui.store.connection import transaction
from lrtui.store.location import store_option
from lrtui.store.reader import StoredRun, checkpoint_folder, reload


@dataclass(frozen=True, slots=True)
class Removed:
    """What was deleted along with runs.

    Args:
        files: how many.
        size: size of all of them, in bytes.
        in_use: files that a branch started from; they stay.
    """

    files: int
    size: int
    in_use: tuple[Path, ...]


def delete_runs(folder: Path, runs: Collection[int]) -> Removed:
    """Delete runs, all or none of them, and then their checkpoints; their branches stay, without a parent.

    Raises:
        LrtuiError: if one of them is still training.
        StoreError: if the store can't be written, or a file can't be deleted.
    """
    with transaction(folder) as connection:
        # a run may have been resumed since the caller checked
        refuse_deletion(folder, [run for run in (reload(connection, run_id) for run_id in runs) if run is not None])
        marks = ", ".join("?" * len(runs))
        # a branch records the folder of its parent even after the parent is deleted
        connection.execute(
            f"""
            UPDATE runs SET branched_from = parent || '/' || branched_from
            WHERE parent IN ({marks}) AND id NOT IN ({marks}) AND branched_from NOT LIKE '%/%'
            """,
            (*runs, *runs),
        )
        before = outputs_of_runs(connection)
        connection.executemany("DELETE FROM runs WHERE id = ?", [(run_id,) for run_id in runs])
        outputs = unused_files(folder, outputs_of_runs(connection))
        # what no run had referred to before may be of a command that has just been started
        outputs = [path for path in outputs if path not in unused_files(folder, before)]
        branch_checkpoints = BranchCheckpoints(connection)
    # files that a crash leaves behind here belong to no run, and gc finds them
    folders = [checkpoint_folder(folder, run_id) for run_id in runs]
    files = [path for each in folders for path in files_under(each)]
    in_use = [path for path in files if path in branch_checkpoints]
    removed = [*(path for path in files if path not in branch_checkpoints), *outputs]
    size = remove_files(removed)
    remove_empty(folders)
    return Removed(len(removed), size, tuple(in_use))


def outputs_of_runs(connection: sqlite3.Connection) -> set[str | None]:
    """Return the files of commands' output that runs refer to, as they record them."""
    return {row[0] for row in connection.execute("SELECT json_extract(data, '$.output') FROM runs")}


def refuse_deletion(folder: Path, runs: Iterable[StoredRun]) -> None:
    """Refuse if one of the runs is still training.

    Raises:
        LrtuiError: says which one, and what to do.
    """
    for run in runs:
        if run.is_live:
            raise LrtuiError(
                f"#{run.id} is {run.state} and can't be deleted; stop it first: "
                f"lrtui send {run.id} stop{store_option(folder)}"
            )


class BranchCheckpoints:
    """The checkpoints that branches started from.

    `branched_from` is the name of a file in the parent's folder, with that folder in front if the parent was deleted:
    `3/0000000151-step-150.pt`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT parent, branched_from FROM runs WHERE branched_from NOT NULL").fetchall()
        self._files = {name if "/" in name else f"{parent}/{name}" for parent, name in rows}
        # the parent was deleted by another program, without its folder: the file may be in any folder
        self._names = {name for parent, name in rows if parent is None and "/" not in name}

    def __contains__(self, path: Path) -> bool:
        return f"{path.parent.name}/{path.name}" in self._files or path.name in self._names


def files_under(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and its subfolders; links are not followed."""
    if folder.is_symlink():
        yield folder
        return
    for where, folders, names in os.walk(folder):
        yield from (Path(where, name) for name in names)
        yield from (path for name in folders if (path := Path(where, name)).is_symlink())


def size_of(path: Path) -> int:
    """Return the size of a file in bytes; 0 if it is gone."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def remove_files(paths: Collection[Path]) -> int:
    """Remove files, and the folders that are empty without them; return their size in bytes.

    Raises:
        StoreError: if one can't be removed; the others are.
    """
    size, error_text = 0, ""
    for path in paths:
        file_size = size_of(path)
        try:
            path.unlink(missing_ok=True)
            size += file_size
        except OSError as error:
            error_text = f"{path} can't be removed: {error.strerror or error}"
    remove_empty(sorted({path.parent for path in paths}, reverse=True))
    if error_text:
        raise StoreError(error_text)
    return size


def remove_empty(folders: Collection[Path]) -> None:
    """Remove the folders that are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            continue
