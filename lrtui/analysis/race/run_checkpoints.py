"""The checkpoints of a race's runs: where an interrupted run is resumed, and what a finished one keeps."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from lrtui.analysis.race.plan import Cell, RacePlan
from lrtui.analysis.race.results import find_run_of
from lrtui.engine.resume import ResumePlan, plan_resume
from lrtui.run.errors import CheckpointError, UsageError
from lrtui.store.connection import open_for_reading
from lrtui.store.location import DATABASE
from lrtui.store.reader import checkpoint_folder, stores_event
from lrtui.store.removal import BranchCheckpoints, remove_files
from lrtui.training.checkpoint.files import saved_files

WAIT_SECONDS = 30.0
"""Seconds to wait for a run that is ending in another process."""

POLL_SECONDS = 0.05


def resume_plan_of(folder: Path, plan: RacePlan, cell: Cell) -> ResumePlan | None:
    """Return how to resume an interrupted run; None for a new one, and without a checkpoint whose steps are stored.

    Args:
        folder: folder of the store.

    Raises:
        UsageError: if the run is still training in another process.
        StoreError: if the store can't be read.
    """
    until = time.monotonic() + WAIT_SECONDS
    if not (folder / DATABASE).exists():
        return None
    while True:
        with closing(open_for_reading(folder)) as connection:
            found = find_run_of(connection, plan, cell)
        if found is None:
            return None
        if not found.is_live:
            break
        if time.monotonic() > until:
            raise UsageError(f"{found.title} is still running in process {found.process.pid}; wait for it to end")
        time.sleep(POLL_SECONDS)
    try:
        resume_plan = plan_resume(folder, str(found.id))
    except CheckpointError:
        return None
    with closing(open_for_reading(folder)) as connection:
        # a worker that survives the race's process saves the run, but the steps since the last batch of events are lost
        is_stored = stores_event(connection, found.id, resume_plan.file.seq)
    return resume_plan if is_stored else None


def keep_last_checkpoint(folder: Path, run: int) -> None:
    """Remove all checkpoints of a run except the last one and those that a branch needs.

    The last one allows the run to be extended, or branched from its end.

    Raises:
        StoreError: if the store can't be read, or a file can't be removed.
    """
    with closing(open_for_reading(folder)) as connection:
        points = BranchCheckpoints(connection)
    older = [file.path for file in saved_files(checkpoint_folder(folder, run))[:-1]]
    remove_files([path for path in older if path not in points])
