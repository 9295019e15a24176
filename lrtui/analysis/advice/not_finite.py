"""Loss not finite: training has diverged; branch from the last good epoch with half the lr."""

from __future__ import annotations

import math

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.epoch_records import epoch_records
from lrtui.analysis.advice.lr_too_high import HALVE_LR
from lrtui.run.evaluations import is_finite
from lrtui.run.events import EpochDone, ScheduleSwitched
from lrtui.run.state import RunState

MAX_LOSS_RATIO = 2.0
"""Factor above the best test loss at which an epoch counts as diverging already."""


def not_finite(state: RunState) -> Advice | None:
    """Return the advice for a run that diverged: a branch from its last good epoch, or a restart."""
    if state.outcome is None or state.outcome.outcome != "diverged":
        return None
    good = _last_good_epoch(state)
    # a branch that only scales the lr continues its parent's schedule, which is ambiguous for a run that was switched
    if good is not None and any(
        isinstance(change, ScheduleSwitched) and change.step <= good.step for change in state.changes
    ):
        good = None
    return Advice(
        code="not-finite",
        title="loss not finite",
        brief="training has diverged",
        text=f"the loss is not finite after step {state.step:,}",
        action="branch" if good else "restart",
        effect=f"branches after epoch {good.epoch} with the lr halved" if good else "restarts with the lr halved",
        command=HALVE_LR,
        step=state.step,
        changes=len(state.changes),
        branch_epoch=good.epoch if good else None,
    )


def _last_good_epoch(state: RunState) -> EpochDone | None:
    """Return the last epoch whose test loss is finite and at most MAX_LOSS_RATIO times the best one."""
    best, good = math.inf, None
    for tested in epoch_records(state):
        loss = tested.result.loss
        if not is_finite(loss):
            continue
        best = min(best, loss)
        if loss <= best + (MAX_LOSS_RATIO - 1) * abs(best):
            good = tested.epoch
    return good
