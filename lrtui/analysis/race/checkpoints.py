"""What stays of a race's checkpoints: a race of fifteen runs would else leave gigabytes behind."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from lrtui.store.checkpoint_files import BranchCheckpoints, remove_files
from lrtui.store.connection import open_for_reading
from lrtui.store.reader import checkpoint_folder
from lrtui.training.checkpoint.files import saved_files


def keep_last_checkpoint(folder: Path, run: int) -> None:
    """Remove a run's checkpoints but for its last, and those that somebody has branched from meanwhile.

    The last one is what makes the run longer, or branches from its end.

    Raises:
        StoreError: where the store can't be read, or a file can't be removed.
    """
    with closing(open_for_reading(folder)) as connection:
        points = BranchCheckpoints(connection)
    older = [file.path for file in saved_files(checkpoint_folder(folder, run))[:-1]]
    remove_files([path for path in older if not points.needs(path)])
