"""What the command line does for the optimizers that a task makes: a schedule for each, and their lr before a run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lrtui.cli.command import option
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.spec import RunSpec

_NAMED = re.compile(r"\s*([A-Za-z_]\w*)\s*=(?!=)\s*(.*)", re.DOTALL)


def schedule_by_optimizer_option() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--schedule NAME=SCHEDULE`, for tasks with several optimizers."""
    return option(
        "--schedule",
        "by_optimizer",
        multiple=True,
        metavar="NAME=SCHEDULE",
        help="the schedule of one of the task's optimizers; SCHEDULE is that of the others (can be repeated)",
    )


def joined_schedule(schedule: str | None, options: Mapping[str, Any], *, needed: bool = True) -> str | None:
    """Return the schedule of the run: the argument, with those that `--schedule` gives to single optimizers.

    Raises:
        UsageError: for a `--schedule` without a name, one given twice, and if there is no schedule but one is needed.
    """
    named: dict[str, str] = {}
    for text in options.get("by_optimizer") or ():
        match = _NAMED.fullmatch(text)
        if match is None:
            raise UsageError(f"--schedule takes NAME=SCHEDULE, not {text[:40]!r}; a schedule for all is the argument")
        if match[1] in named:
            raise UsageError(f"--schedule {match[1]}=... is given twice")
        named[match[1]] = match[2]
    if not named:
        if schedule is None and needed:
            raise UsageError("a schedule is needed: the argument SCHEDULE, or --schedule NAME=SCHEDULE")
        return schedule
    each = [*([schedule] if schedule is not None else []), *(f"{name}={text}" for name, text in named.items())]
    return f"PerOptimizer({', '.join(each)})"


def joined_schedules(schedules: tuple[str, ...], options: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the schedules of a command that takes several, each with those of `--schedule`.

    Raises:
        UsageError: as `joined_schedule` does.
    """
    each = [joined_schedule(schedule, options) for schedule in schedules or (None,)]
    return tuple(schedule for schedule in each if schedule is not None)


def with_task_optimizer(spec: RunSpec) -> RunSpec:
    """Return the settings with the optimizer that the task makes, if it makes one and `--optimizer` is not given.

    A task whose file does not mention an optimizer is not executed to find out. Imports torch otherwise.

    Raises:
        UsageError: if the optimizer can't be made before a run.
        TaskError: if the task's file or module fails.
    """
    if spec.optimizer != RunSpec().optimizer or not _may_make_optimizer(spec.task):
        return spec
    from lrtui.tasks.registry import find_task
    from lrtui.training.task_optimizer import described, makes_optimizer, optimizer_of_task
    from lrtui.training.user_task import UserTask

    task = find_task(spec.task)
    if not makes_optimizer(task):
        return spec
    try:
        optimizer = optimizer_of_task(task, UserTask(task, spec.task).model())
    except LrtuiError as error:
        # a model may depend on the data, which only a run loads
        raise UsageError(f"the optimizer of {spec.task} is not known before a run, set --optimizer: {error}") from error
    return replace(spec, optimizer=str(described(optimizer)))


def _may_make_optimizer(task: str) -> bool:
    place, _, name = task.rpartition(":")
    if not name or not place:
        return False
    if not place.endswith(".py"):
        return True
    try:
        return re.search(r"\boptimizer\b", Path(place).expanduser().read_text(encoding="utf-8")) is not None
    except (OSError, UnicodeDecodeError):
        # the run will say what is wrong with the file
        return False
