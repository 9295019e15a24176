"""Tasks by name: a registered one, a file's or a module's."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from lrtui.plugins import load_plugin, plugin_names
from lrtui.run.errors import TaskError, UsageError
from lrtui.tasks.task import Task

GROUP = "lrtui.tasks"

MEMBERS = ("name", "training_samples", "has_accuracy", "load", "model", "loss", "correct")


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
        module = _module(place)
        if not hasattr(module, name):
            raise UsageError(f"{place} has no {name[:60]}")
        found = getattr(module, name)
    return _checked(found() if isinstance(found, type) else found, words)


def _module(place: str) -> Any:
    try:
        if not place.endswith(".py"):
            if "" not in sys.path:
                sys.path.insert(0, "")
            return importlib.import_module(place)
        path = Path(place).expanduser().resolve()
        if not path.is_file():
            raise UsageError(f"there is no file {place}")
        spec = importlib.util.spec_from_file_location(f"lrtui_task_{path.stem}", path)
        if spec is None or spec.loader is None:
            raise UsageError(f"{place} is no Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    except ModuleNotFoundError as error:
        raise UsageError(f"{place} can't be imported: {error}") from None
    except UsageError:
        raise
    except Exception as error:  # a user's file can raise anything when it is run
        raise TaskError(f"{place} fails when it is imported: {type(error).__name__}: {error}") from error


def _checked(task: Any, words: str) -> Task:
    missing = [member for member in MEMBERS if not hasattr(task, member)]
    if missing:
        raise TaskError(f"{words} is no task: it has no {', '.join(missing)} (see lrtui.tasks.task.Task)")
    return task  # type: ignore[no-any-return]
