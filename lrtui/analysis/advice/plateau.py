"""Plateau: no progress at this lr, which the schedule will not lower."""

from __future__ import annotations

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.epoch_records import (
    LOSS_NOISE,
    epoch_records,
    improved,
    lr_range_used,
    relative_decrease,
)
from lrtui.run.commands import ScaleLr
from lrtui.run.state import RunState
from lrtui.schedules.forecast import RemainingLrs, follows_metric
from lrtui.schedules.lr_curve import MIN_DEAD_SHARE, trained_lrs
from lrtui.text.format import four_digits

EPOCHS = 4
"""Number of tests on either side of the comparison; fewer tests may stop improving by chance."""

CONSTANT = 2.0
"""Factor by which an lr that counts as constant may vary in those epochs and in the rest of the run."""


def plateau(state: RunState, remaining: RemainingLrs) -> Advice | None:
    """Return the advice if neither the latest test results nor the training loss improve at a constant lr.

    Call it when an epoch has ended. If the training loss still falls while the test results don't improve, the model
    overfits, which a lower lr doesn't change; if the schedule lowers the lr later, no advice is needed.
    """
    tests, left = epoch_records(state, 2 * EPOCHS), state.total_steps - state.step
    if len(tests) < 2 * EPOCHS or left < MIN_DEAD_SHARE * state.total_steps or tests[-1].is_perfect:
        return None
    before, after = tests[-2 * EPOCHS : -EPOCHS], tests[-EPOCHS:]
    train_decrease = relative_decrease([item.train_loss for item in before], [item.train_loss for item in after])
    if improved(before, after) or train_decrease > LOSS_NOISE or follows_metric(state):
        return None
    lowest, highest = lr_range_used(state, tests[0].start)
    lrs = remaining(state)
    if lowest <= 0 or highest > CONSTANT * lowest or lrs is None or not len(lrs):
        return None
    if trained_lrs(lrs).min() < highest / CONSTANT:
        return None
    return Advice(
        code="plateau",
        title="plateau",
        brief="no progress at this lr",
        text=f"neither the test results nor the training loss improved in {EPOCHS} epochs at lr "
        f"{four_digits(highest)}, and the schedule does not lower it",
        action="nudge_down",
        effect="lowers the lr",
        command=ScaleLr(0.3),
        step=state.step,
        changes=len(state.changes),
    )
