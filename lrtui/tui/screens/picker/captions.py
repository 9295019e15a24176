"""The picker's title and its lines of keys."""

from __future__ import annotations

from lrtui.text.format import counted
from lrtui.tui.screens.picker.state import PickerContext, PickerState


def picker_title(state: PickerState) -> str:
    """Return the title: what the schedule is chosen for."""
    context, step = state.context, f"step {state.start_step:,}"
    if context.branch_epoch is not None:
        return f"Branch from run {context.key} after epoch {context.branch_epoch}, {step}"
    if context.replaces is not None:
        return (
            f"Replace run {context.replaces} with a new run for the remaining {counted(context.spec.epochs, 'epoch')}"
        )
    if context.live is not None:
        return f"Switch the schedule of run {context.key} at {step} (epoch {context.live.epoch})"
    return "Schedule of the next run"


def picker_keys(context: PickerContext) -> str:
    """Return two lines of keys: for choosing, and for comparing."""
    if context.branch_epoch is not None:
        choosing = "enter start branch   tab fields   ctrl+o anchor   esc back"
    elif context.replaces is not None:
        choosing = f"enter stop run {context.replaces} and start   tab fields   ↑ ↓ schedulers   esc back"
    elif context.live is not None:
        choosing = "enter switch now   tab fields   ctrl+o anchor   ctrl+r restart   esc back"
    else:
        choosing = "enter apply   tab fields   ↑ ↓ schedulers   ctrl+r start run   esc back"
    # a race can't start while a run is in progress
    race = "   ctrl+t race" if context.live is None and context.replaces is None else ""
    return f"{choosing}\nf1 help   ctrl+k keep candidate   ctrl+n next candidate{race}"
