"""Not finite: the loss has ceased to be a number; back to where it was one, with half the lr."""

from __future__ import annotations

import math

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.epoch_results import epoch_results
from lrtui.analysis.advice.lr_too_high import HALVED
from lrtui.run.events import EpochDone, ScheduleSwitched
from lrtui.run.state import RunState

UNSOUND = 2.0
"""How many times the best test's loss a test's may be; beyond it the model was being lost already."""


def not_finite(state: RunState) -> Advice | None:
    """Return the advice where the run ended as diverged: a branch from its last good epoch, or else a fresh start."""
    if state.outcome is None or state.outcome.outcome != "diverged":
        return None
    good = last_good_epoch(state)
    # a branch at half the lr goes on with its parent's schedule; one that was switched has more than one
    if good is not None and any(
        isinstance(change, ScheduleSwitched) and change.step <= good.step for change in state.changes
    ):
        good = None
    return Advice(
        code="not-finite",
        title="loss not finite",
        brief="the model is lost",
        text=f"the loss is no number any more after step {state.step:,}",
        action="branch" if good else "restart",
        does=f"branches after epoch {good.epoch}, with the lr halved" if good else "starts anew with the lr halved",
        command=HALVED,
        step=state.step,
        changes=len(state.changes),
        epoch=good.epoch if good else None,
    )


def last_good_epoch(state: RunState) -> EpochDone | None:
    """Return the last epoch at whose end the model was still sound, or None.

    A test whose loss is not finite, or beyond UNSOUND times the best test's, is of a model that was lost already.
    """
    best, good = math.inf, None
    for tested in epoch_results(state):
        loss = tested.result.loss
        if not math.isfinite(loss):
            continue
        best = min(best, loss)
        if loss <= UNSOUND * best:
            good = tested.epoch
    return good
