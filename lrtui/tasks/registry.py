"""Tasks by name: a registered one, or one of a user's file or module; and how long their epochs are."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from types import ModuleType
from typing import Any

from lrtui.plugins import is_plugin, load_plugin, plugin_names
from lrtui.run.errors import TaskError, UsageError, describe_exception, source_location
from lrtui.run.spec import LOG, SCRIPT, RunSpec
from lrtui.schedules.user_module import import_user_module, load_user_file, user_file
from lrtui.tasks.task import Task

GROUP = "lrtui.tasks"
"""The entry-point group in which packages register tasks."""

MAIN, LOCAL = "__main__", "<locals>"
"""The module of a notebook or a script, and what the name of a class within a function contains."""

AS_OBJECT = "in Python, pass the task as an object: Run(spec, TASK), Run.resume(RUN, task=TASK)"

MEMBERS = ("model", "training_data")


def find_task(notation: str, seed: int = 0) -> Task:
    """Return the task.

    Args:
        notation: a registered name such as `fashion-mnist`, `FILE.py:Name` or `package.module:Name`.
        seed: of the run, from which all that the task draws when it is imported and created follows. A file that draws
            random numbers is run again.

    Raises:
        UsageError: if there is no such task, or it stands for a script that lrtui was attached to, or for a log.
        TaskError: if its file or module fails, or it is not a task.
    """
    if notation.startswith(f"{SCRIPT}:"):
        script = notation.partition(":")[2][:60]
        raise UsageError(
            f"{script} is a script whose runs are recorded, not a task: only the script can train its model; start it "
            "again"
        )
    if notation.startswith(f"{LOG}:"):
        path = notation.partition(":")[2][:60]
        raise UsageError(f"{path} is a log of runs, not a task: only the program that wrote it can train its model")
    if ":" not in notation:
        if notation not in plugin_names(GROUP):
            known = ", ".join(plugin_names(GROUP))
            raise UsageError(f"unknown task {notation[:60]!r}; available: {known}, FILE.py:Name, package.module:Name")
        found = load_plugin(GROUP, notation)
    else:
        place, _, name = notation.rpartition(":")
        is_file = place.endswith(".py")
        if place == MAIN or LOCAL in name:
            with _seeded(seed):
                return checked_task(_instance(_typed_in_class(name), notation), notation)
        if not name.isidentifier() or not (is_file or all(part.isidentifier() for part in place.split("."))):
            raise UsageError(f"a task is FILE.py:Name or package.module:Name, not {notation[:60]!r}")
        if is_file and not user_file(place).is_file():
            raise UsageError(f"there is no file {place}")
        with _seeded(seed):
            module = _run_file(place) if is_file else _import(place)
        if not hasattr(module, name):
            raise UsageError(f"{place} has no {name[:60]}")
        found = getattr(module, name)
        # again, since a module that is imported already draws nothing
        with _seeded(seed):
            return checked_task(_instance(found, notation) if isinstance(found, type) else found, notation)
    return checked_task(_instance(found, notation) if isinstance(found, type) else found, notation)


def _typed_in_class(name: str) -> type[Any]:
    """Return the class that a notebook or a script of this process has defined.

    Raises:
        UsageError: if there is none: another process can't import it.
    """
    found = getattr(sys.modules.get(MAIN), name, None)
    if isinstance(found, type):
        return found
    short_name = name.rpartition(".")[2][:60]
    raise UsageError(
        f"the class {short_name} was defined in a notebook, a script or a function, so it can't be imported: "
        f"{AS_OBJECT}; or move it to a file and name it FILE.py:Name"
    )


def task_notation(task: Any) -> str:
    """Return the name of an object's class, as `package.module:Name`."""
    kind = task if isinstance(task, type) else type(task)
    return f"{kind.__module__}:{kind.__qualname__}"


def checked_task(task: Any, notation: str) -> Task:
    """Return the object if it is a task.

    Raises:
        TaskError: names the missing methods.
    """
    if isinstance(task, (str, PathLike)):
        raise TaskError(f"a task is an object, not the text {task!r:.60}: RunSpec(task=...) takes the name of a task")
    if isinstance(task, type):
        raise TaskError(f"{notation} is a class; pass an object of it: {task.__name__}()")
    missing = [member for member in MEMBERS if not callable(getattr(task, member, None))]
    if missing:
        raise TaskError(
            f"{notation} is not a task: it has no {', '.join(f'{name}()' for name in missing)}"
            f"{source_location(type(task))}; "
            "a task has the methods model(), training_data(), usually test_data() and, unless its model returns the "
            "loss, loss(outputs, targets) or step(model, batch)"
        )
    return task  # type: ignore[no-any-return]


def expected_batches_per_epoch(spec: RunSpec) -> int | None:
    """Return the optimizer steps of an epoch before any data is loaded, or None if it is unknown.

    A user's task is not executed to find out.
    """
    samples = None
    if is_plugin(GROUP, spec.task):
        samples = getattr(load_plugin(GROUP, spec.task), "training_samples", None)
    known = [int(count) for count in (samples, spec.train_samples) if count is not None]
    return steps_per_epoch(-(-min(known) // spec.batch_size), spec.accumulate) if known else None


def steps_per_epoch(batches: int, accumulate: int) -> int:
    """Return the optimizer steps of an epoch of so many batches; the last step may have fewer than the others."""
    return -(-batches // accumulate)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed all global generators within the block.

    What a file draws when it is imported, such as its data or the weights of a model, must not depend on what the
    process did before, and be the same for a resumed run.
    """
    # 1 s, which the task's file takes anyway
    import numpy as np
    import torch

    python_state, numpy_state = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            np.random.seed(seed % 2**32)
            random.seed(seed)
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)


def _import(name: str) -> ModuleType:
    try:
        return import_user_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"{name} can't be imported: {error}") from None
        raise TaskError(f"{name} fails when it is imported: {describe_exception(error)}") from error
    except (Exception, SystemExit) as error:  # a user's module can raise anything
        raise TaskError(f"{name} fails when it is imported: {describe_exception(error)}") from error


def _run_file(place: str) -> ModuleType:
    try:
        return load_user_file(user_file(place), repeat_random=True)
    except (Exception, SystemExit) as error:  # a user's file can raise anything
        raise TaskError(f"{place} fails when it is imported: {describe_exception(error)}") from error


def _instance(task: type[Any], notation: str) -> Any:
    try:
        return task()
    except (Exception, SystemExit) as error:  # a user's class can raise anything
        raise TaskError(
            f"{notation} can't be created without arguments: {describe_exception(error)}; {AS_OBJECT}"
        ) from error
