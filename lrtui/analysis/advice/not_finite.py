"""Loss not finite: training has diverged; branch from the last sound epoch at half the lr."""

from __future__ import annotations

import math

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.epoch_records import epoch_records
from lrtui.analysis.advice.lr_too_high import HALVE_LR
from lrtui.run.events import EpochDone, ScheduleSwitched
from lrtui.run.state import RunState

UNSOUND = 2.0
"""How many times the best test loss a test loss may be; above that the model was already diverging."""


def not_finite(state: RunState) -> Advice | None:
    """Return the advice for a run that ended as diverged: a branch from its last sound epoch, or a restart."""
    if state.outcome is None or state.outcome.outcome != "diverged":
        return None
    sound = _last_sound_epoch(state)
    # a branch that only scales the lr continues its parent's schedule, and a run that was switched has more than one
    if sound is not None and any(
        isinstance(change, ScheduleSwitched) and change.step <= sound.step for change in state.changes
    ):
        sound = None
    return Advice(
        code="not-finite",
        title="loss not finite",
        brief="training has diverged",
        text=f"the loss is not finite after step {state.step:,}",
        action="branch" if sound else "restart",
        effect=f"branches after epoch {sound.epoch} with the lr halved" if sound else "restarts with the lr halved",
        command=HALVE_LR,
        step=state.step,
        changes=len(state.changes),
        branch_epoch=sound.epoch if sound else None,
    )


def _last_sound_epoch(state: RunState) -> EpochDone | None:
    """Return the last epoch whose test loss is finite and at most UNSOUND times the best one."""
    best, sound = math.inf, None
    for tested in epoch_records(state):
        loss = tested.result.loss
        if not math.isfinite(loss):
            continue
        best = min(best, loss)
        if loss <= UNSOUND * best:
            sound = tested.epoch
    return sound
