"""Lrs that are next to nothing for too long, at the run's end or at its beginning."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed, fits, without_per
from lrtui.analysis.checks.shift import shifted
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.analysis.checks.traps.values import NOTHING
from lrtui.schedules.lr_curve import DEAD_SHARE, LEAST_DEAD, LEAST_TAIL, ROUNDING
from lrtui.schedules.schedule import Schedule
from lrtui.text.numbers import four_digits, two_digits


def _alive(plan: Plan) -> np.ndarray[tuple[int], np.dtype[np.bool_]] | None:
    """Return for each step whether its lr moves anything; None where that is no question."""
    if not plan.is_finite or plan.peak <= NOTHING or not len(plan.lrs):
        return None
    alive: np.ndarray[tuple[int], np.dtype[np.bool_]] = plan.share > DEAD_SHARE * (1 + ROUNDING)
    return alive


def _dead_tail(plan: Plan) -> Sighting | None:
    alive = _alive(plan)
    if alive is None or not alive.any():
        return None
    tail = int(np.argmax(alive[::-1]))
    # one batch of a run of few is no loss
    if tail < LEAST_TAIL * len(alive) or (tail == 1 and plan.schedule.per == "batch"):
        return None
    begin = len(alive) - tail
    highest = float(plan.lrs[begin:].max())
    height = "exactly 0" if highest == 0 else f"{four_digits(highest)} or below, a thousandth of its peak or less"
    words = f"from {plan.when(begin)} on the lr is {height}: the last {_percent(tail / len(alive))} of the run learns"
    return Sighting(f"{words} {'nothing' if highest == 0 else 'next to nothing'}", _kept_alive(plan))


def _kept_alive(plan: Plan) -> Iterator[Schedule]:
    for place in plan.named("SWALR"):
        yield changed(plan, [place], swa_lr=two_digits(plan.peak / 10))
    if plan.named("OneCycleLR"):
        yield without_per(plan.schedule)
    yield from fits(plan)


def _dead_start(plan: Plan) -> Sighting | None:
    alive = _alive(plan)
    if alive is None or not alive.any():
        return None
    head = int(np.argmax(alive))
    # a batch or two of a warm-up that begins at nothing cost nothing
    if head < 2 or head < min(LEAST_DEAD * len(alive), plan.horizon.batches_per_epoch):
        return None
    highest = float(plan.lrs[:head].max())
    height = "exactly 0" if highest == 0 else f"{four_digits(highest)} at most, a thousandth of its peak or less"
    words = f"up to {plan.when(head)} the lr is {height}: the first {_percent(head / len(alive))} of the run learns"
    return Sighting(f"{words} {'nothing' if highest == 0 else 'next to nothing'}", _awake(plan))


def _awake(plan: Plan) -> Iterator[Schedule]:
    for place in plan.named("LinearLR"):
        if place.get("start_factor") < 0.1:
            yield changed(plan, [place], start_factor=0.1)
    for place in plan.named("ConstantLR"):
        if place.get("factor") < 0.1:
            yield changed(plan, [place], factor=0.1)
    for place in plan.named("OneCycleLR"):
        yield changed(plan, [place], div_factor=None)
    yield from shifted(plan)
    yield from fits(plan)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else "100 %"


TAIL = (Trap("dead-tail", _dead_tail), Trap("dead-start", _dead_start))
