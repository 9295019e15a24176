"""Plateau: nothing gets better at this lr, and the schedule is not going to lower it."""

from __future__ import annotations

from lrtui.analysis.advice.advice import Advice
from lrtui.analysis.advice.epoch_results import LOSS_NOISE, epoch_results, fall, gained
from lrtui.analysis.advice.lr_used import extent
from lrtui.analysis.advice.remaining import Remaining, follows_a_metric
from lrtui.run.commands import ScaleLr
from lrtui.run.state import RunState
from lrtui.schedules.dead import LEAST_DEAD
from lrtui.text.numbers import four_digits

EPOCHS = 4
"""Tests on either side that are compared: fewer may stand still by luck."""

STEADY = 2.0
"""By what factor the lr may differ within those epochs, and in all that remains, and still count as the same."""


def plateau(state: RunState, remaining: Remaining) -> Advice | None:
    """Return the advice where the last tests are no better than those before them, and training is not either.

    Looked at when an epoch is over. A test that stands still while the training loss falls is no plateau of the lr,
    but a model that learns its data by heart; and where the schedule lowers the lr by itself there is nothing to do.
    """
    tests, left = epoch_results(state, 2 * EPOCHS), state.total_steps - state.step
    if len(tests) < 2 * EPOCHS or left < LEAST_DEAD * state.total_steps or tests[-1].is_perfect:
        return None
    before, after = tests[-2 * EPOCHS : -EPOCHS], tests[-EPOCHS:]
    if (
        gained(before, after)
        or fall([item.train_loss for item in before], [item.train_loss for item in after]) > LOSS_NOISE
        or follows_a_metric(state)
    ):
        return None
    begin = tests[0].epoch.step - (state.started.batches_per_epoch if state.started else 0)
    low, high = extent(state, begin)
    lrs = remaining(state)
    if low <= 0 or high > STEADY * low or lrs is None or not len(lrs):
        return None
    if lrs[:, 0].min() < high / STEADY:
        return None
    return Advice(
        code="plateau",
        title="plateau",
        brief="nothing gets better at this lr",
        text=f"neither test nor training got better over {EPOCHS} epochs at lr {four_digits(high)}, and the schedule "
        "does not lower it",
        action="nudge_down",
        does="takes the lr down",
        command=ScaleLr(0.3),
        step=state.step,
        changes=len(state.changes),
    )
