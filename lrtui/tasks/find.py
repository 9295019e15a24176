"""Tasks by name: a registered one, a file's or a module's."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from lrtui.plugins import load_plugin, plugin_names
from lrtui.run.errors import TaskError, UsageError, describe_exception, place_of
from lrtui.schedules.user_module import import_user_module, load_user_file
from lrtui.tasks.task import Task

GROUP = "lrtui.tasks"

MEMBERS = ("model", "training_data", "test_data", "loss")


def find_task(words: str) -> Task:
    """Return the task.

    Args:
        words: a registered name such as `fashion-mnist`, `FILE.py:Name` or `package.module:Name`.

    Raises:
        UsageError: where there is no such task.
        TaskError: where its file or module fails, or it is no task.
    """
    if ":" not in words:
        if words not in plugin_names(GROUP):
            known = ", ".join(plugin_names(GROUP))
            raise UsageError(f"unknown task {words[:60]!r}; there are {known}, FILE.py:Name and package.module:Name")
        found = load_plugin(GROUP, words)
    else:
        place, _, name = words.rpartition(":")
        is_file = place.endswith(".py")
        if not name.isidentifier() or not (is_file or all(part.isidentifier() for part in place.split("."))):
            raise UsageError(f"a task is FILE.py:Name or package.module:Name, not {words[:60]!r}")
        module = _run_file(place) if is_file else _import(place)
        if not hasattr(module, name):
            raise UsageError(f"{place} has no {name[:60]}")
        found = getattr(module, name)
    return checked_task(_made(found, words) if isinstance(found, type) else found, words)


def _import(name: str) -> ModuleType:
    try:
        return import_user_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise UsageError(f"{name} can't be imported: {error}") from None
        raise TaskError(f"{name} fails when it is imported: {describe_exception(error)}") from error
    except (Exception, SystemExit) as error:  # a user's module can raise anything when it is run
        raise TaskError(f"{name} fails when it is imported: {describe_exception(error)}") from error


def _run_file(place: str) -> ModuleType:
    path = Path(place)
    if not path.expanduser().is_file():
        raise UsageError(f"there is no file {place}")
    try:
        return load_user_file(path)
    except (Exception, SystemExit) as error:  # a user's file can raise anything when it is run
        raise TaskError(f"{place} fails when it is imported: {describe_exception(error)}") from error


def _made(task: type[Any], words: str) -> Any:
    try:
        return task()
    except (Exception, SystemExit) as error:  # a user's class can raise anything when it is called
        raise TaskError(f"{words} can't be made without arguments: {describe_exception(error)}") from error


def checked_task(task: Any, words: str) -> Task:
    """Return the task, if it is one.

    Raises:
        TaskError: for what has not the methods of one; names those that are missing.
    """
    if isinstance(task, type):
        raise TaskError(f"{words} is a class, and a task is an object of it: {task.__name__}()")
    missing = [member for member in MEMBERS if not callable(getattr(task, member, None))]
    if missing:
        raise TaskError(
            f"{words} is no task: it has no {', '.join(f'{member}()' for member in missing)}{place_of(type(task))}; "
            "a task has the methods model(), training_data(), test_data() and loss(outputs, targets)"
        )
    return task  # type: ignore[no-any-return]
