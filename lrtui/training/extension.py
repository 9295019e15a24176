"""Whether a run can be made longer."""

from __future__ import annotations

from dataclasses import fields

from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec, check_option
from lrtui.schedules.schedule import Schedule


def check_number_of_epochs(epochs: int) -> None:
    """Refuse what no run may have.

    Raises:
        UsageError: says how many it may.
    """
    for item in fields(RunSpec):
        if item.name == "epochs":
            check_option(item, epochs)


def check_length_is_open(schedule: Schedule, remedy: str) -> None:
    """Refuse a schedule that was made for so many steps and no more: what comes after its end was never meant.

    Args:
        remedy: what can be done, as the end of a sentence.

    Raises:
        UsageError: names the schedule.
    """
    for part in schedule.walk():
        if part.entry and part.entry.has_given_length(part.arguments):
            raise UsageError(f"{part} has its length built in; {remedy}")
