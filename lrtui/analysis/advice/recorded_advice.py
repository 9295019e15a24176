"""Advice on a run that takes no commands, from what it has recorded: what to do differently in the next run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from lrtui.analysis.advice import plateau, still_improving
from lrtui.analysis.advice.advice import Advice, Code
from lrtui.analysis.advice.epoch_records import (
    LOSS_NOISE,
    EpochRecord,
    epoch_records,
    improved,
    lr_range_used,
    peak_lrs_used,
    relative_decrease,
)
from lrtui.analysis.advice.lr_too_high import HALVE_LR
from lrtui.analysis.advice.risen_loss import logged_losses, risen_loss
from lrtui.analysis.advice.schedule_exhausted import propose_schedule_for_next
from lrtui.run.commands import Command, Extend, ScaleLr
from lrtui.run.evaluations import is_finite
from lrtui.run.minmax_pyramid import BLOCK
from lrtui.run.series import Series, value_at
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats, follows_metric
from lrtui.schedules.lr_curve import DEAD_SHARE, MIN_DEAD_SHARE, ROUNDING
from lrtui.text.format import counted, four_digits

LONG_TAIL = 1 / 3
"""Share of a run that must be dead if no test shows that training stood still."""

MAX_TESTS = 500
"""Maximum number of the latest tests that are compared."""

COMPLETE = 0.99
"""Share of its steps from which a run of known length counts as complete, if nothing says how it ended."""

SURELY = 3
"""Number of losses in a row that must not be finite while a run goes on; a loss scaler skips single ones."""


def advice_on(state: RunState, *, is_over: bool | None = None) -> list[Advice]:
    """Return the advice on a run that takes no commands, the most severe first; imports no torch.

    Only what the run has recorded is used: nothing is assumed about lrs and results still to come.

    Args:
        state: its state.
        is_over: whether the run has ended; None if only its last event says so.
    """
    if state.started is None:
        return []
    over = state.outcome is not None if is_over is None else is_over
    found: list[Advice] = []
    with np.errstate(all="ignore"):
        for advice in _rules(state, over):
            found.append(advice)
            # the other rules would describe its consequences
            if advice.code in ("not-finite", "lr-too-high", "schedule-exhausted"):
                break
    return found


def _rules(state: RunState, over: bool) -> Iterator[Advice]:
    yield from filter(None, (_not_finite(state, over), _lr_too_high(state), _exhausted(state, over)))
    yield from filter(None, (_plateau(state), _still_improving(state, over)))


def _advice(state: RunState, code: Code, title: str, brief: str, text: str, effect: str, command: Command) -> Advice:
    return Advice(
        code=code,
        title=title,
        brief=brief,
        text=text,
        action="",
        effect=f"in the next run, {effect}",
        command=command,
        step=state.step,
        changes=len(state.changes),
    )


# -- losses ------------------------------------------------------------------------------------------------------------


def _not_finite(state: RunState, over: bool) -> Advice | None:
    """Return the advice if the last losses, or test losses, are not finite."""
    least = 1 if over else SURELY
    losses = logged_losses(state)
    trained = _trailing([math.isfinite(value) for value in losses.values[-MAX_TESTS:].tolist()])
    tests = [(test.step, test.loss) for test in state.evaluations if test.loss is not None and not test.averaged]
    tested = _trailing([math.isfinite(loss) for _, loss in tests])
    if state.outcome is not None and state.outcome.outcome == "diverged":
        text = f"the loss is not finite after step {state.step:,}"
    elif trained >= least:
        text = f"the training loss is not finite from step {int(losses.steps[-trained]):,} on"
    elif tested >= least:
        text = f"the test loss is not finite from step {tests[-tested][0]:,} on"
    else:
        return None
    return _advice(state, "not-finite", "loss not finite", "training has diverged", text, _halved(state), HALVE_LR)


def _trailing(are_finite: list[bool]) -> int:
    """Return how many of the last ones are not finite."""
    return next((count for count, is_finite_ in enumerate(reversed(are_finite)) if is_finite_), len(are_finite))


def _lr_too_high(state: RunState) -> Advice | None:
    risen = risen_loss(state)
    if risen is None:
        return None
    distance = "more than 3 times" if risen.best > 0 else "far above"
    lr = _lr_at(state, risen.step)
    at = f", at lr {four_digits(lr)}" if lr > 0 else ""
    when = "on the smoothed training loss is" if risen.until is None else f"to {risen.until:,} the smoothed loss was"
    text = (
        f"from step {risen.step:,} {when} up to {four_digits(risen.highest)}, {distance} its lowest value "
        f"{four_digits(risen.best)}{at}"
    )
    brief = "the loss has risen far above its best"
    return _advice(state, "lr-too-high", "lr too high", brief, text, _halved(state), HALVE_LR)


def _halved(state: RunState) -> str:
    peak = float(peak_lrs_used(state).max(initial=0.0))
    return f"halve the lr: it was up to {four_digits(peak)}" if peak > 0 else "halve the lr"


def _lr_at(state: RunState, step: int) -> float:
    """Return the highest lr of all parameter groups at a step; 0 if it is unknown."""
    place = step - state.first_step
    lrs = [value_at(series, place) for series in state.lrs if place < len(series)]
    return max((lr for lr in lrs if math.isfinite(lr)), default=0.0)


# -- the lr ------------------------------------------------------------------------------------------------------------


def _exhausted(state: RunState, over: bool) -> Advice | None:
    """Return the advice if the lr was too low to train for the last part of the run, and nothing improved in it."""
    start = _dead_from(state)
    if start is None:
        return None
    since, dead, total = state.first_step + start, state.step - state.first_step - start, state.step
    tests = [test for test in epoch_records(state, MAX_TESTS) if test.epoch.step >= since]
    if tests and tests[-1].is_perfect:
        return None
    stalled = _first_without_progress(tests)
    least = max(2, MIN_DEAD_SHARE * total)
    if stalled is not None and state.step - stalled.epoch.step >= least:
        since, dead = stalled.epoch.step, state.step - stalled.epoch.step
        consequence = ", and the test result no longer improved"
    elif dead >= max(2.0, LONG_TAIL * total) and not (len(tests) > 1 and improved(tests[:1], tests[-1:])):
        consequence = ""
    else:
        return None
    lrs = np.array([_range_from(series, start) for series in state.lrs])
    what = _dead_text(lrs, float(peak_lrs_used(state).max(initial=0.0)), over)
    if over:
        text = f"in the last {dead:,} of {counted(total, 'step')} {what}{consequence}"
    else:
        text = f"since step {since:,} {what}{consequence.replace('improved', 'improves')}"
    command = propose_schedule_for_next(state)
    return _advice(
        state,
        "schedule-exhausted",
        "schedule exhausted",
        "the lr was too low to train at the end" if over else "the lr is too low to train",
        text,
        f"use a schedule that ends with the run, such as {command.schedule}",
        command,
    )


def _first_without_progress(tests: list[EpochRecord]) -> EpochRecord | None:
    """Return the first test that is not better than the one before, and that the last one is not better than."""
    for before, test in pairwise(tests):
        if not improved([before], [test]) and not improved([test], tests[-1:]):
            return test
    return None


def _dead_from(state: RunState) -> int | None:
    """Return the index of the step from which on every lr is a thousandth of its peak or less; None if none is."""
    switch = state.last_switch
    start = max(0, (switch.step if switch else 0) - state.first_step)
    dead_from = start
    has_peak = False
    for series in state.lrs:
        if not len(series):
            return None
        peak = float(series.summary(np.array([start, len(series)])).high[0])
        if not peak > 0:
            # frozen, or never logged
            continue
        has_peak = True
        dead_from = max(dead_from, _end_of_alive(series, DEAD_SHARE * peak * (1 + ROUNDING)))
    return dead_from if has_peak and dead_from < len(state.loss) else None


def _end_of_alive(series: Series, limit: float) -> int:
    """Return the index after the last value above a limit."""
    # an lr that is not known may be anything
    alive = np.flatnonzero(~(series.values <= limit))
    if len(alive):
        return series.known_from + int(alive[-1]) + 1
    blocks = np.flatnonzero(~(series.blocks.high <= limit))
    return (int(blocks[-1]) + 1) * BLOCK if len(blocks) else 0


def _range_from(series: Series, start: int) -> tuple[float, float]:
    summary = series.summary(np.array([start, len(series)]))
    return float(summary.low[0]), float(summary.high[0])


def _dead_text(lrs: Floats, peak: float, over: bool) -> str:
    was = "was" if over else "has been"
    lowest, highest = float(lrs.min()), float(lrs.max())
    if lowest < 0:
        return f"the lr {was} negative ({four_digits(lowest)}), which increases the loss"
    if highest == 0:
        return f"the lr {was} 0"
    return f"the lr {was} {four_digits(highest)} or lower, a thousandth of its peak {four_digits(peak)}"


# -- test results ------------------------------------------------------------------------------------------------------


def _knows_epochs(state: RunState) -> bool:
    """Return whether the run says what an epoch is; else each test counts as the end of one."""
    return state.started is not None and state.started.knows_epochs


def _unit(state: RunState) -> str:
    return "epochs" if _knows_epochs(state) else "tests"


def _plateau(state: RunState) -> Advice | None:
    """Return the advice if nothing improved in the latest epochs, at an lr that was not lowered."""
    tests = epoch_records(state, 2 * plateau.EPOCHS)
    if len(tests) < 2 * plateau.EPOCHS or tests[-1].is_perfect or follows_metric(state):
        return None
    before, after = tests[: plateau.EPOCHS], tests[plateau.EPOCHS :]
    losses = [test.train_loss for test in tests]
    # without the training loss a plateau can't be told from overfitting
    if improved(before, after) or not all(map(is_finite, losses)):
        return None
    if relative_decrease(losses[: plateau.EPOCHS], losses[plateau.EPOCHS :]) > LOSS_NOISE:
        return None
    lowest, highest = lr_range_used(state, tests[0].start)
    peak = float(peak_lrs_used(state).max(initial=0.0))
    start = f"epoch {after[0].epoch.epoch:,}" if _knows_epochs(state) else f"step {after[0].start:,}"
    # at a low lr the schedule is complete
    if lowest <= 0 or highest > plateau.CONSTANT * lowest or highest < still_improving.MIN_SHARE * peak:
        return None
    return _advice(
        state,
        "plateau",
        "plateau",
        "no progress at this lr",
        f"neither the test results nor the training loss improved in the last {plateau.EPOCHS} {_unit(state)}, at lr "
        f"{four_digits(highest)}",
        f"lower the lr from {start} on",
        ScaleLr(0.3),
    )


def _still_improving(state: RunState, over: bool) -> Advice | None:
    outcome = state.outcome.outcome if state.outcome is not None else "done"
    # a run that was interrupted is not too short
    if not over or outcome != "done" or state.step < COMPLETE * state.total_steps:
        return None
    if not still_improving.is_improving(state):
        return None
    epochs = state.epochs[-1].epoch
    longer = counted(2 * epochs, "epoch") if _knows_epochs(state) else counted(2 * state.step, "step")
    return _advice(
        state,
        "still-improving",
        "still improving",
        "the run was too short",
        f"each of the last {still_improving.EPOCHS} {_unit(state)} improved on the one before, and the lr was still "
        "high",
        f"train longer, for example {longer}",
        Extend(epochs),
    )
