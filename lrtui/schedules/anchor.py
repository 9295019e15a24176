"""The anchors of a switch: the lr that the new schedule starts from, and the step that it counts from."""

from __future__ import annotations

from collections.abc import Sequence

from lrtui.run.errors import UsageError
from lrtui.schedules.schedule import Schedule

ANCHORS = {
    "base": "the configured lr, over the steps left",
    "current": "this moment's lr, over the steps left",
    "start": "the configured lr, as if from step 0",
}
"""The anchors of a switch, each with the lr and steps that the new schedule starts from; the first is the default."""


def check_anchor(schedule: Schedule, anchor: str, current_lrs: Sequence[float]) -> None:
    """Check that a switch does not leave the lr at 0 for the rest of the run.

    Args:
        schedule: the new schedule.
        anchor: `base`, `current` or `start`.
        current_lrs: lr of each parameter group before the switch.

    Raises:
        UsageError: if the schedule multiplies a current lr of 0; names the anchor to use.
    """
    if anchor == "current" and current_lrs and not any(current_lrs) and schedule.only_multiplies:
        raise UsageError(
            f"the lr is 0 at this point, and {schedule} from current would leave it at 0: switch from base instead"
        )


def anchor_warnings(schedule: Schedule, anchor: str, current_lrs: Sequence[float]) -> list[str]:
    """Return a warning of a switch that may leave the lr at 0, since a user's class decides that; else nothing.

    Args:
        schedule: the new schedule.
        anchor: `base`, `current` or `start`.
        current_lrs: lr of each parameter group before the switch.
    """
    if anchor != "current" or not current_lrs or any(current_lrs) or not schedule.is_users_own:
        return []
    return [
        f"the lr is 0 at this point, and {schedule} from current starts from it: if it only multiplies, the lr stays "
        "at 0; switch from base instead"
    ]
