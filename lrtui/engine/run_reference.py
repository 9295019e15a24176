"""Resuming and branching from Python: a stored run is named by its id, its name, or the Run that trained it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lrtui.engine.resume import ResumePlan, plan_branch, plan_resume
from lrtui.run.arguments import check_argument
from lrtui.run.errors import UsageError
from lrtui.store.location import NOTHING, VARIABLE, store_folder
from lrtui.store.reader import LAST

if TYPE_CHECKING:
    from lrtui.engine.run import Run

Store: TypeAlias = str | os.PathLike[str] | None
RunReference: TypeAlias = "Run | int | str | os.PathLike[str]"


def plan_of_resume(
    run: RunReference,
    store: Store,
    *,
    schedule: str | None,
    lr: float | None,
    epochs: int | None,
    step: int | None,
    nproc: int | None,
) -> ResumePlan:
    """Return the plan of `Run.resume`, whose arguments these are, after checking their types."""
    call = "Run.resume"
    check_argument(call, "schedule", schedule, (str, type(None)), "the text of a schedule")
    check_argument(call, "lr", lr, (int, float, type(None)), "a number")
    check_argument(call, "epochs", epochs, (int, type(None)), "a whole number")
    check_argument(call, "step", step, (int, type(None)), "a whole number")
    check_argument(call, "nproc", nproc, (int, type(None)), "a whole number")
    folder, name = stored_run(call, run, store)
    return plan_resume(folder, name, schedule=schedule, lr=lr, epochs=epochs, step=step, nproc=nproc)


def plan_of_branch(
    run: RunReference, store: Store, *, epoch: int, schedule: str, name: str | None, nproc: int | None
) -> ResumePlan:
    """Return the plan of `Run.branch`, whose arguments these are, after checking their types."""
    call = "Run.branch"
    check_argument(call, "epoch", epoch, int, "a whole number")
    check_argument(call, "schedule", schedule, str, "the text of a schedule, lr*X or lr=X")
    check_argument(call, "name", name, (str, type(None)), "text")
    check_argument(call, "nproc", nproc, (int, type(None)), "a whole number")
    folder, parent = stored_run(call, run, store)
    return plan_branch(folder, parent, epoch, schedule, name, nproc)


def stored_run(call: str, run: RunReference, store: Store) -> tuple[Path, str]:
    """Return the folder of the store, and the run's id or name in it.

    Args:
        call: name of the function, for messages.
        run: id, name, "last", a Run that was recorded, or the folder of a store, for its last run.
        store: folder of the store; None for that of the Run, or the default one.

    Raises:
        UsageError: for an argument of another type, and for a run that is not recorded.
    """
    from lrtui.engine.run import Run

    if isinstance(run, os.PathLike):
        run, store = LAST, run
    check_argument(call, "run", run, (Run, int, str), 'the id or name of a stored run, "last", a Run, or a store')
    check_argument(call, "store", store, (str, os.PathLike, type(None)), "the folder of a store")
    if isinstance(run, Run):
        if run.store_folder is None:
            raise UsageError(f"{call}(): {run.title} is not recorded, so it has no checkpoint to continue from")
        if store is None:
            return run.store_folder, str(run.number)
    folder = store_folder(None if store is None else os.fspath(store))
    if folder is None:
        raise UsageError(f"{call}(): no store is selected, because {VARIABLE} is {NOTHING}: set store=FOLDER")
    return folder, str(run.number if isinstance(run, Run) else run)
