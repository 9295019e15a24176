"""Which settings a run under way takes at once, by which commands; the others need a restart."""

from __future__ import annotations

from lrtui.run.commands import Command, Extend, SwitchSchedule
from lrtui.run.spec import RunSpec

AT_ONCE = {
    "schedule": "switched to at once in the run under way",
    "epochs": "more of them make the run under way longer at once",
}
"""What happens with these settings where a run is under way."""


def commands_for(before: RunSpec, after: RunSpec, going: RunSpec) -> tuple[list[Command], list[str]]:
    """Return what brings changed settings into a run under way, and the names of those that nothing brings there.

    Args:
        before: the settings of the next run as they were.
        after: as they are now.
        going: those of the run under way, as long as it is by now.
    """
    commands: list[Command] = []
    left: list[str] = []
    for name in before.differences(after):
        if name == "epochs" and after.epochs > going.epochs:
            # before the schedule: what that fills in counts the new epochs
            commands.insert(0, Extend(after.epochs - going.epochs))
        elif name == "schedule":
            commands.append(SwitchSchedule(after.schedule, "base"))
        elif getattr(after, name) != getattr(going, name):
            left.append(name.replace("_", " "))
    return commands, left
