"""Schedule exhausted: the remaining lr is too low to train the model any further."""

from __future__ import annotations

import numpy as np

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.epoch_records import epoch_records, improved, peak_lrs_used
from lrtui.analysis.advice.proposal import propose_schedule, propose_schedule_for_restart
from lrtui.run.events import DeadLayer, EpochDone
from lrtui.run.state import RunState
from lrtui.schedules.forecast import RemainingLrs
from lrtui.schedules.lr_curve import DEAD_SHARE, MIN_DEAD_SHARE, ROUNDING
from lrtui.text.format import counted, four_digits

DEAD_UNITS = 0.75
"""Share of dead units from which a layer limits the whole network. In the case study an epoch at an lr of 0.01 leaves 3
to 9 of the 64 channels of the second convolution alive (five seeds). A run with 3 live channels reached an accuracy of
at most 0.893 with every max_lr from 0.001 to 0.01; a new run over the remaining seven epochs reached 0.927."""

MIN_UNITS = 8
"""Layers with fewer units are ignored: a single dead output does not limit a network."""

MIN_SHARE_LEFT = 0.5
"""Minimum remaining share of the run for a restart, since the new run has only the remaining steps."""


def schedule_exhausted(state: RunState, remaining: RemainingLrs) -> Advice | None:
    """Return the advice for a run whose remaining lr is too low while the test results no longer improve.

    Call it when an epoch has ended. The remaining lr is not higher than that of the last epoch, so if the last epoch
    did not improve the test result by more than noise, the remaining epochs won't either.
    """
    tests, left = epoch_records(state, 2), state.total_steps - state.step
    # a single wasted step does not matter, however short the run
    if len(tests) < 2 or left < max(2, MIN_DEAD_SHARE * state.total_steps) or tests[-1].is_perfect:
        return None
    if improved(tests[-2:-1], tests[-1:]):
        return None
    lrs = remaining(state)
    if lrs is None or not len(lrs):
        return None
    switch = state.last_switch
    highest = lrs.max(axis=0)
    peak = np.maximum(peak_lrs_used(state, switch.step if switch else 0), highest)
    if np.any(highest > DEAD_SHARE * peak * (1 + ROUNDING)) or not np.any(peak > 0):
        return None
    text = (
        f"in the remaining {left:,} of {state.total_steps:,} steps the lr is {four_digits(float(highest.max()))} or "
        f"lower, a thousandth of its peak {four_digits(float(peak.max()))}, and the test result no longer improves"
    )
    brief, command, epochs = "the remaining lr is too low to train", propose_schedule(state), None
    effect = f"switches to {command.schedule}"
    if layer := _dead_layer(state, tests[-1].epoch):
        command, epochs = propose_schedule_for_restart(state), _epochs_left(state, tests[-1].epoch)
        text += f"; {layer.dead} of the {layer.units} units of layer {layer.name} get no gradient at any lr"
        brief = f"most of layer {layer.name} is dead, and no lr can revive it"
        effect = f"restarts with {command.schedule} for {counted(epochs, 'epoch')}"
    return Advice(
        code="schedule-exhausted",
        title="schedule exhausted",
        brief=brief,
        text=text,
        action="schedule",
        effect=effect,
        command=command,
        step=state.step,
        changes=len(state.changes),
        restart_epochs=epochs,
    )


def _dead_layer(state: RunState, epoch: EpochDone) -> DeadLayer | None:
    """Return the layer because of which a restart is better than the rest of the run, as of the end of the epoch."""
    layer = epoch.dead_layer
    if layer is None or layer.units < MIN_UNITS or layer.share < DEAD_UNITS:
        return None
    return layer if state.total_steps - epoch.step >= MIN_SHARE_LEFT * state.total_steps else None


def _epochs_left(state: RunState, epoch: EpochDone) -> int:
    return (state.total_steps - epoch.step) // state.started.batches_per_epoch if state.started else 0
