"""Schedule exhausted: what remains of the schedule can't move the model."""

from __future__ import annotations

import numpy as np

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.dead_network import dead_layer
from lrtui.analysis.advice.epoch_results import epoch_results, gained
from lrtui.analysis.advice.lr_used import peaks
from lrtui.analysis.advice.proposal import propose_anew, propose_schedule
from lrtui.analysis.advice.remaining import Remaining
from lrtui.run.events import EpochDone
from lrtui.run.state import RunState
from lrtui.schedules.dead import DEAD_SHARE, LEAST_DEAD, ROUNDING
from lrtui.text.format import counted
from lrtui.text.numbers import four_digits


def schedule_exhausted(state: RunState, remaining: Remaining) -> Advice | None:
    """Return the advice where the schedule is over long before the run is, and the tests stand still.

    Looked at when an epoch is over. The last epoch was trained with an lr at least as high as what remains: where its
    test went no better than the one before by more than noise, what remains can't do better.
    """
    tests, left = epoch_results(state, 2), state.total_steps - state.step
    # one step is no loss, however few the run has
    if len(tests) < 2 or left < max(2, LEAST_DEAD * state.total_steps) or tests[-1].is_perfect:
        return None
    if gained(tests[-2:-1], tests[-1:]):
        return None
    lrs = remaining(state)
    if lrs is None or not len(lrs):
        return None
    switch = state.last_switch
    most = lrs.max(axis=0)
    peak = np.maximum(peaks(state, switch.step if switch else 0), most)
    if np.any(most > DEAD_SHARE * peak * (1 + ROUNDING)) or not np.any(peak > 0):
        return None
    text = (
        f"all that remains of the schedule, {left:,} of {state.total_steps:,} steps, is at lr "
        f"{four_digits(float(most.max()))} or below, a thousandth of its peak {four_digits(float(peak.max()))}, and "
        "the test stands still"
    )
    brief, command, epochs = "what remains can't move the model", propose_schedule(state), None
    does = f"switches to {command.schedule}"
    if dead := dead_layer(state, tests[-1].epoch):
        command, epochs = propose_anew(state), _epochs_left(state, tests[-1].epoch)
        text += f"; {dead.dead} of the {dead.units} units of layer {dead.name} get no gradient: no lr brings them back"
        brief = f"most of layer {dead.name} is dead, and no lr brings it back"
        does = f"starts anew with {command.schedule}, {counted(epochs, 'epoch')}"
    return Advice(
        code="schedule-exhausted",
        title="schedule exhausted",
        brief=brief,
        text=text,
        action="schedule",
        does=does,
        command=command,
        step=state.step,
        changes=len(state.changes),
        epochs=epochs,
    )


def _epochs_left(state: RunState, epoch: EpochDone) -> int:
    return (state.total_steps - epoch.step) // state.started.batches_per_epoch if state.started else 0
