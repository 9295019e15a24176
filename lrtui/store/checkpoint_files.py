"""The files of a store's checkpoint folders: which of them branches need, and how the rest is removed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path

from lrtui.run.errors import StoreError


class BranchCheckpoints:
    """The checkpoints that runs of the store began with.

    `branched_from` is the name of a file in the parent's folder; where the parent was deleted it has that folder in
    front: `3/0000000151-step-150.pt`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        rows = connection.execute("SELECT parent, branched_from FROM runs WHERE branched_from NOT NULL").fetchall()
        self._files = {name if "/" in name else f"{parent}/{name}" for parent, name in rows}
        # a branch whose parent was deleted by something else than us says no folder: any may be meant
        self._names = {name for parent, name in rows if parent is None and "/" not in name}

    def needs(self, path: Path) -> bool:
        """Say whether a branch began with the file."""
        return f"{path.parent.name}/{path.name}" in self._files or path.name in self._names


def keep_folders(connection: sqlite3.Connection, deleted: Collection[int]) -> None:
    """Write the parent's folder to its branches' starting points, before the parent is deleted."""
    marks = ", ".join("?" * len(deleted))
    connection.execute(
        f"""
        UPDATE runs SET branched_from = parent || '/' || branched_from
        WHERE parent IN ({marks}) AND id NOT IN ({marks}) AND branched_from NOT LIKE '%/%'
        """,
        (*deleted, *deleted),
    )


def files_under(folder: Path) -> Iterator[Path]:
    """Yield the files in a folder and the folders in it; nothing that a link leads to."""
    if folder.is_symlink():
        yield folder
        return
    for where, folders, names in os.walk(folder):
        yield from (Path(where, name) for name in names)
        yield from (path for name in folders if (path := Path(where, name)).is_symlink())


def size_of(path: Path) -> int:
    """Return how many bytes a file has; 0 where it is gone."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def remove_files(paths: Collection[Path]) -> int:
    """Remove files, and the folders that are empty without them; return how many bytes they had.

    Raises:
        StoreError: where one can't be removed; the rest is.
    """
    size, trouble = 0, ""
    for path in paths:
        its = size_of(path)
        try:
            path.unlink(missing_ok=True)
            size += its
        except OSError as error:
            trouble = f"{path} can't be removed: {error.strerror or error}"
    remove_empty(sorted({path.parent for path in paths}, reverse=True))
    if trouble:
        raise StoreError(trouble)
    return size


def remove_empty(folders: Collection[Path]) -> None:
    """Remove those of the folders that are empty."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            continue
