"""What the picker says of itself: what it is for, and its keys."""

from __future__ import annotations

from lrtui.text.format import counted
from lrtui.tui.screens.picker.choice import PickerContext

KEYS: tuple[tuple[str, str], ...] = (
    ("enter", "apply: to the next run, or to the running one, at once"),
    ("ctrl+r", "start a run with it, in place of one that is going"),
    ("ctrl+o", "on a running run: what a switch builds on (the anchor)"),
    ("tab", "from field to field; ↑ ↓ go through the schedulers"),
    ("ctrl+f", "take the corrected notation that stands beside a finding"),
    ("ctrl+k", "keep it as a candidate, A to D; pressed again, take it away"),
    ("ctrl+n", "go to the next candidate"),
    ("ctrl+t", "race the candidates and the schedule that is chosen"),
    ("f1", "this page"),
    ("esc", "back, nothing changed"),
)
"""Each key with what it does, as the picker's help has them."""


def title_of(context: PickerContext) -> str:
    """Return what the schedule is chosen for."""
    if context.branch_epoch is not None:
        return f"Branch from run #{context.number} after epoch {context.branch_epoch}, step {context.start_step:,}"
    if context.in_place_of is not None:
        left = counted(context.epochs, "epoch")
        return f"Begin anew in place of run #{context.in_place_of}, over the {left} left of it"
    if context.live is not None:
        epoch = context.live.epoch
        return f"Switch the schedule of run #{context.number} at step {context.start_step:,} (epoch {epoch})"
    return "Schedule of the next run"


def keys_of(context: PickerContext) -> str:
    """Return two lines of keys: those that choose, and those that compare."""
    if context.branch_epoch is not None:
        choose = "enter start the branch   tab fields   ctrl+o anchor   esc back"
    elif context.in_place_of is not None:
        choose = f"enter stop run #{context.in_place_of} and begin   tab fields   ↑ ↓ schedulers   esc back"
    elif context.live is not None:
        choose = "enter switch now   tab fields   ctrl+o anchor   ctrl+r restart   esc back"
    else:
        choose = "enter apply   tab fields   ↑ ↓ schedulers   ctrl+r start with it   esc back"
    # none can be started beside a run
    race = "   ctrl+t race" if context.live is None and context.in_place_of is None else ""
    return f"{choose}\nf1 help   ctrl+k keep to compare   ctrl+n next one kept{race}"
