"""The schedule of a run: the one of the settings, or the one that the task has."""

from __future__ import annotations

from typing import Any

from lrtui.run.errors import LrtuiError, TaskError, describe_exception, source_location
from lrtui.run.spec import RunSpec
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Schedule
from lrtui.tasks.task import Say

DEFAULT = RunSpec().schedule
"""The setting that leaves the choice to the task, if it has a `schedule`."""


def schedule_of_run(spec: RunSpec, task: Any, horizon: Horizon, say: Say) -> Schedule:
    """Return the schedule of the settings; the task's own if they don't name any.

    Raises:
        NotationError: for a text that is no schedule.
        TaskError: if the task's method fails or returns something else.
    """
    is_asked = spec.schedule == DEFAULT
    found = getattr(task, "schedule", None)
    if callable(found):
        try:
            # called in any case, since it tells the task how long the run is
            found = found(horizon)
        except LrtuiError:
            if is_asked:
                raise
        except Exception as error:  # a user's code can raise anything
            raise TaskError(f"schedule(horizon) fails: {describe_exception(error)}") from error
    if not is_asked or found is None:
        return parse_schedule(spec.schedule)
    if not isinstance(found, str):
        raise TaskError(
            f"the schedule of {type(task).__name__}{source_location(type(task))} is a {type(found).__name__}; expected "
            'text such as "StepLR(step_size=3)", or a method schedule(horizon) that returns it'
        )
    schedule = parse_schedule(found)
    say(f"schedule: {schedule} from the task")
    return schedule


def stored_schedule(schedule: Schedule, task: Any) -> str:
    """Return the text of a run's schedule that the run stores, and can be resumed with."""
    text = str(schedule)
    # without the module's name it would stand for the task's
    return f"torch.optim.lr_scheduler.{text}" if text == DEFAULT and getattr(task, "schedule", None) else text
