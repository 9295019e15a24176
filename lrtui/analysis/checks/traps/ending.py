"""Schedules that end high: gone up again, cut short, or never come down."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed, fits, fitted
from lrtui.analysis.checks.part import Place, edit
from lrtui.analysis.checks.shift import slowed
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.analysis.checks.traps.units import warmed_in_batches
from lrtui.schedules.schedule import Schedule
from lrtui.text.numbers import four_digits

HIGH = 0.5
"""Share of its peak at which a schedule that had come down should not end."""

LOW = 0.1
"""Share of its peak at which a schedule counts as come down."""

LENGTHS = {"CosineAnnealingLR": "T_max", "PolynomialLR": "total_iters", "LinearLR": "total_iters"}
"""Schedulers that have a length and go down over it."""


def _goes_up_again(plan: Plan) -> Sighting | None:
    for place in plan.named("CosineAnnealingLR"):
        length = place.get("T_max")
        if length >= place.calls - 1 or not plan.is_finite:
            continue
        foot, end = place.begin + length, place.begin + place.calls
        highest = float(plan.share[plan.starts[foot] :][: _steps(plan, foot, end)].max())
        if highest < 2 * plan.share_at(foot) + 0.01:
            continue
        cycles = place.calls / (2 * length)
        course = (
            f"goes up and down {cycles:,.0f} times" if cycles >= 2 else f"goes up again from {_step_words(plan, foot)}"
        )
        return Sighting(
            f"the cosine is at its foot after T_max={length:,} of {plan.count(place.calls)} and then {course}: it "
            f"ends at {four_digits(_last_of(plan, foot, end))}",
            [changed(plan, [place], T_max=None), *_fit_of(plan, place)],
        )
    return None


def _last_of(plan: Plan, begin: int, end: int) -> float:
    """Return the lr of the last step between two `step()` calls."""
    return float(plan.lrs[int(plan.starts[begin]) + _steps(plan, begin, end) - 1].max())


def _step_words(plan: Plan, call: int) -> str:
    return f"{plan.when(int(plan.starts[call]))} on"


def _steps(plan: Plan, begin: int, end: int) -> int:
    last = len(plan.lrs) if end >= len(plan.starts) else int(plan.starts[end])
    return last - int(plan.starts[begin])


def _fit_of(plan: Plan, place: Place) -> list[Schedule]:
    found = fitted(place)
    return [] if found is None else [edit(plan.schedule, place.path, lambda _: found)]


def _unfinished_restart(plan: Plan) -> Sighting | None:
    for place in plan.named("CosineAnnealingWarmRestarts"):
        if not place.is_last or place.calls < 2 or not plan.is_finite:
            continue
        at, length = place.calls - 1, place.get("T_0")
        while at >= length:
            at, length = at - length, length * place.get("T_mult")
        if at >= length / 2 or plan.share[-1] <= LOW:
            continue
        return Sighting(
            f"the last of the run's {plan.length_words} is number {at + 1:,} of a cycle of {length:,}: it ends at "
            f"{four_digits(plan.last)}, {_percent(plan.share[-1])} of the peak",
            _fit_of(plan, place),
        )
    return None


def _cut_short(plan: Plan) -> Sighting | None:
    if not plan.is_finite:
        return None
    for place in plan.places:
        argument = LENGTHS.get(place.name)
        if argument is None or not place.is_last or place.calls < 2:
            continue
        length = place.get(argument)
        rises = place.name == "LinearLR" and place.get("end_factor") >= place.get("start_factor")
        if rises or length <= place.calls + 1:
            continue
        aim = place.get("end_factor") if place.name == "LinearLR" else 0.0
        if plan.share[-1] <= LOW or plan.share[-1] <= 1.5 * aim:
            continue
        return Sighting(
            f"{argument}={length:,} is more than the {plan.count(place.calls)} there are: the lr ends at "
            f"{four_digits(plan.last)}, {_percent(plan.share[-1])} of its peak",
            [changed(plan, [place], **{argument: None if place.name == "CosineAnnealingLR" else place.calls})],
        )
    return None


def _ends_high(plan: Plan) -> Sighting | None:
    # a CyclicLR is meant to be anywhere at any time; where weights are averaged the lr is high on purpose
    if not plan.is_finite or len(plan.lrs) < 2 or plan.named("CyclicLR") or _averages(plan):
        return None
    peak = int(plan.share.argmax())
    foot = peak + int(plan.share[peak:].argmin())
    if plan.share[foot] > LOW or plan.share[-1] < HIGH:
        return None
    return Sighting(
        f"the lr comes down to {four_digits(float(plan.lrs[foot].max()))} at {plan.when(foot)} and goes up again: the "
        f"run ends at {four_digits(plan.last)}, {_percent(plan.share[-1])} of the peak",
        # at a pace that has its foot at the run's end
        chain(slowed(plan, round(foot / len(plan.lrs), 2)), fits(plan)),
    )


def _averages(plan: Plan) -> bool:
    """Say whether the run ends in a SWALR: what it holds is judged by `swa-lr-high`."""
    return any(place.is_last and place.calls > 0 for place in plan.named("SWALR"))


def _endless(plan: Plan) -> Sighting | None:
    for place in plan.named("LinearLR"):
        length, low, high = place.get("total_iters"), place.get("start_factor"), place.get("end_factor")
        if not place.is_last or place.calls < 2 or length < place.calls or high <= low or not plan.is_finite:
            continue
        return Sighting(
            f"the warm-up takes {plan.count(length)} (total_iters) and has {place.calls:,}: it never ends, and the "
            f"lr is at {four_digits(plan.last)} when the run is over",
            chain(warmed_in_batches(plan), _fit_of(plan, place)),
        )
    return None


def only_rises(plan: Plan) -> Sighting | None:
    """Return what there is to say of an lr that never comes down."""
    if not plan.is_finite or plan.calls < 2 or len(plan.lrs) < 2 or plan.peak <= 0:
        return None
    at = plan.share[plan.starts]
    # the peak is reached once, at the very end: what holds it for a while has warmed up and is there
    if at[0] > HIGH or at.argmax() < 0.95 * (len(at) - 1) or np.any(np.diff(at) < -1e-9):
        return None
    return Sighting(
        f"the lr only rises, from {four_digits(float(plan.lrs[0].max()))} to {four_digits(plan.last)} in the last "
        f"{plan.unit[:-1]}: the run is over before it has come down",
        _turned(plan),
    )


def _turned(plan: Plan) -> Iterator[Schedule]:
    for place in plan.named("LinearLR", "ConstantLR"):
        yield from _fit_of(plan, place)
    for place in plan.named("ExponentialLR", "StepLR", "MultiStepLR"):
        if place.get("gamma") > 1:
            yield from _fit_of(plan, place)
    for place in plan.named("CosineAnnealingLR"):
        yield changed(plan, [place], eta_min=None)
    yield from fits(plan)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


ENDING = (
    Trap("goes-up-again", _goes_up_again),
    Trap("unfinished-cycle", _unfinished_restart),
    Trap("cut-short", _cut_short),
    Trap("endless-warm-up", _endless),
    Trap("only-rises", only_rises),
    Trap("ends-high", _ends_high),
)
