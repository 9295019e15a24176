"""Still improving: the run ended while every epoch was better than the last; it was too short."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.epoch_records import (
    LOSS_NOISE,
    epoch_records,
    improved,
    mean_lrs_used,
    peak_lrs_used,
    relative_decrease,
)
from lrtui.run.commands import Extend
from lrtui.run.evaluations import is_finite
from lrtui.run.state import RunState
from lrtui.text.format import counted

EPOCHS = 3
"""Number of final epochs, each of which must be better than the one before."""

MIN_SHARE = 0.1
"""Minimum share of its peak that the lr has in the last epoch; below that the schedule is complete."""

STEADY = 2.0
"""Factor by which the lr may have fallen in those epochs: a fast fall removes noise and so improves every test, which a
longer run would not repeat."""


def still_improving(state: RunState) -> Advice | None:
    """Return the advice for a completed run whose last tests were each better than the one before."""
    if state.outcome is None or state.outcome.outcome != "done" or state.started is None or not is_improving(state):
        return None
    epochs = state.started.spec.epochs
    return Advice(
        code="still-improving",
        title="still improving",
        brief="the run was too short",
        text=f"each of the last {EPOCHS} epochs improved on the one before, and the lr is still high: the run was too "
        "short",
        action="restart",
        effect=f"restarts with {counted(2 * epochs, 'epoch')}",
        command=Extend(epochs),
        step=state.step,
        changes=len(state.changes),
    )


def is_improving(state: RunState) -> bool:
    """Return whether each of the last tests was better than the one before, at an lr that is still high."""
    tests = epoch_records(state, EPOCHS + 1)
    if len(tests) <= EPOCHS or tests[-1].is_perfect:
        return False
    losses = [test.result.loss for test in tests]
    if not all(is_finite(earlier) and is_finite(later) and later < earlier for earlier, later in pairwise(losses)):
        return False
    # the last epoch must improve by more than the noise, and all of them together by that much per epoch
    if not improved(tests[-2:-1], tests[-1:]) or not improved(tests[:1], tests[-1:], noise=EPOCHS):
        return False
    if relative_decrease([tests[0].train_loss], [tests[-1].train_loss]) <= LOSS_NOISE:
        return False
    first = mean_lrs_used(state, tests[0].epoch.step, tests[1].epoch.step)
    last = mean_lrs_used(state, tests[-2].epoch.step, state.step)
    peaks = peak_lrs_used(state)
    # a log may have no lr
    trained = peaks > 0
    return bool(np.any(trained & (last >= MIN_SHARE * peaks)) and np.any(trained & (last >= first / STEADY)))
