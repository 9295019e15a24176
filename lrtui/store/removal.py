"""Runs that are taken out of a store."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from lrtui.run.errors import LrtuiError
from lrtui.store.checkpoint_files import BranchCheckpoints, files_under, keep_folders, remove_empty, remove_files
from lrtui.store.reader import StoredRun, checkpoint_folder, reload
from lrtui.store.transaction import transaction


@dataclass(frozen=True, slots=True)
class Removed:
    """What went with deleted runs.

    Args:
        files: how many.
        size: of them, in bytes.
        kept: files that a branch began with.
    """

    files: int
    size: int
    kept: tuple[Path, ...]


def delete_runs(folder: Path, runs: Collection[int]) -> Removed:
    """Delete runs, all of them or none, and then their checkpoints; branches live on without a parent.

    Raises:
        LrtuiError: where one of them is going on.
        StoreError: where the store can't be written, or a file can't be removed.
    """
    with transaction(folder) as connection:
        # one may have been resumed since somebody looked
        refuse_live(run for run in (reload(connection, run_id) for run_id in runs) if run is not None)
        keep_folders(connection, runs)
        connection.executemany("DELETE FROM runs WHERE id = ?", [(run_id,) for run_id in runs])
        points = BranchCheckpoints(connection)
    # a file that is left behind by a crash here belongs to no run, and gc finds it
    folders = [checkpoint_folder(folder, run_id) for run_id in runs]
    files = [path for each in folders for path in files_under(each)]
    doomed = [path for path in files if not points.needs(path)]
    size = remove_files(doomed)
    remove_empty(folders)
    return Removed(len(doomed), size, tuple(path for path in files if points.needs(path)))


def refuse_live(runs: Iterable[StoredRun]) -> None:
    """Refuse where one of the runs goes on.

    Raises:
        LrtuiError: says which, and what to do.
    """
    for run in runs:
        if run.is_live:
            raise LrtuiError(f"#{run.id} is {run.state} and not deleted; lrtui send {run.id} stop ends it first")
