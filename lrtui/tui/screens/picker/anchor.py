"""The line that says what a switched schedule builds on."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from lrtui.schedules.anchors import ANCHORS
from lrtui.schedules.schedule import Schedule
from lrtui.text.numbers import four_digits

LEAD = "from  "


def anchor_lines(chosen: str, schedule: Schedule | None, current_lrs: Sequence[float], width: int) -> Text:
    """Return the anchors in a line, the chosen one marked, and beneath it what that one does.

    Args:
        chosen: name of the anchor.
        schedule: the candidate, where there is one.
        current_lrs: this moment's lr, one per parameter group.
        width: columns that there are.
    """
    lrs = " ".join(four_digits(lr) for lr in current_lrs)
    line = Text()
    for anchor in ANCHORS:
        name = f"{anchor} {lrs}" if anchor == "current" else anchor
        line.append(f"{'●' if anchor == chosen else '○'} {name}  ", "bold" if anchor == chosen else "")
    line.rstrip()
    if len(LEAD) + len(line) <= width:
        line = Text(LEAD).append_text(line)
    words = ANCHORS[chosen]
    if schedule is not None and schedule.entry and schedule.entry.absolute and chosen != "start":
        words = "its lrs are its own: no difference"
    return line.append(f"\n{words}", "dim")
