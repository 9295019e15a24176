"""Still improving: the run is over while its tests went better with every epoch; the schedule was too short."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.epoch_results import LOSS_NOISE, epoch_results, fall, gained
from lrtui.analysis.advice.lr_used import means, peaks
from lrtui.run.commands import Extend
from lrtui.run.state import RunState

EPOCHS = 3
"""Epochs at the end that must each have gone better than the one before."""

ALIVE_SHARE = 0.1
"""Share of its peak that the lr must still have in the last epoch: at nothing a schedule has come to its end."""

STEADY = 2.0
"""By what factor the lr may have fallen within those epochs: an lr that falls fast makes every test better by taking
the noise out, and longer would not do more of that."""


def still_improving(state: RunState) -> Advice | None:
    """Return the advice where the run is done, and each of its last tests was better than the one before."""
    if state.outcome is None or state.outcome.outcome != "done" or state.started is None:
        return None
    tests = epoch_results(state, EPOCHS + 1)
    if len(tests) <= EPOCHS or tests[-1].is_perfect:
        return None
    if not all(later.result.loss < earlier.result.loss for earlier, later in pairwise(tests)):
        return None
    # the last epoch alone by more than noise, and all of them together by much more
    if not gained(tests[-2:-1], tests[-1:]) or not gained(tests[:1], tests[-1:], noise=EPOCHS):
        return None
    if fall([tests[0].train_loss], [tests[-1].train_loss]) <= LOSS_NOISE:
        return None
    first, last = (
        means(state, *steps)
        for steps in ((tests[0].epoch.step, tests[1].epoch.step), (tests[-2].epoch.step, state.step))
    )
    if not np.any(last >= ALIVE_SHARE * peaks(state)) or not np.any(last >= first / STEADY):
        return None
    more = state.started.spec.epochs
    return Advice(
        code="still-improving",
        title="still improving",
        brief="the run was too short",
        text=f"each of the last {EPOCHS} epochs went better than the one before, and the lr is as alive as ever: the "
        "run was too short",
        action="restart",
        does=f"starts anew with {2 * more:,} epochs",
        command=Extend(more),
        step=state.step,
        changes=len(state.changes),
    )
