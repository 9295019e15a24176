"""How a scheduler is stepped: the one definition, for the training loop and for every preview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lrtui.run.errors import NotationError, TaskError
from lrtui.run.user_error import describe_exception
from lrtui.schedules.schedule import Schedule


def step_scheduler(scheduler: Any, schedule: Schedule, results: Mapping[str, float] | None) -> None:
    """Call the scheduler's `step()`; a ReduceLROnPlateau is given its metric, and not stepped where there is none.

    Args:
        scheduler: what `build` made of the schedule.
        schedule: what it was built from, filled in.
        results: figures of the epoch's test by name, for schedules that follow one.

    Raises:
        NotationError: for a schedule that has no next lr, such as one that grows beyond what a float holds.
        TaskError: where the user's own class fails; names their line.
    """
    try:
        if schedule.metric is None:
            scheduler.step()
        elif results is not None and results.get(schedule.metric) is not None:
            scheduler.step(results[schedule.metric])
    except NotationError:
        raise
    except Exception as error:  # PyTorch's and users' schedulers fail with whatever exception they like
        calls = getattr(scheduler, "last_epoch", None)
        where = f" at its step() call {calls}" if isinstance(calls, int) else ""
        if schedule.own or any(child.own for child in schedule.walk()):
            raise TaskError(f"{schedule.name} fails{where}: {describe_exception(error)}") from error
        message = f"{schedule.name} fails{where}: {type(error).__name__}: {error}"
        raise NotationError(message, str(schedule)) from error
