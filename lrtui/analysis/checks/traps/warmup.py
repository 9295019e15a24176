"""Warm-ups that are none: too slow, cut off, or in place of a constant."""

from __future__ import annotations

import numpy as np

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed, fits
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.analysis.checks.traps.ending import only_rises
from lrtui.text.numbers import four_digits

SLOW = 0.4
"""Share of the run after which a warm-up should have reached half its height; a OneCycleLR takes 0.15."""

JUMP = 1.5
"""How many times higher the lr is after a warm-up that was cut off."""


def _default_third(plan: Plan) -> Sighting | None:
    for place in plan.named("ConstantLR"):
        if "factor" in place.schedule.arguments or place.calls < 1:
            continue
        length, next_call = place.get("total_iters"), place.begin + place.calls
        if length < place.calls:
            then = f"and jumps up after {plan.count(length)}"
        elif next_call < plan.calls:
            then = f"up to {plan.when(int(plan.starts[next_call]))}, where the next schedule takes over"
        else:
            then = "to the end"
        return Sighting(
            f"ConstantLR without factor is no constant: the lr is a third of the optimizer's {then}",
            [changed(plan, [place], factor=1.0)],
        )
    return None


def _cut_off(plan: Plan) -> Sighting | None:
    for place in plan.named("LinearLR"):
        length, next_call = place.get("total_iters"), place.begin + place.calls
        if place.is_last or not 0 < place.calls < length or next_call >= plan.calls or not plan.is_finite:
            continue
        before, after = plan.share_at(next_call - 1), plan.share_at(next_call)
        # the last step of a warm-up of the right length is one part of it below the next schedule's first
        low, high = place.get("start_factor"), place.get("end_factor")
        even = low + (high - low) * (place.calls - 1) / place.calls
        if high <= low or before <= 0 or after < JUMP * before or after / before <= 1.05 * high / even:
            continue
        return Sighting(
            f"the warm-up takes {plan.count(length)} (total_iters) and has {place.calls:,}: the lr jumps from "
            f"{_lr(plan, next_call - 1)} to {_lr(plan, next_call)} at {plan.when(int(plan.starts[next_call]))}",
            [changed(plan, [place], total_iters=place.calls)],
        )
    return None


def _lr(plan: Plan, call: int) -> str:
    return four_digits(float(plan.lrs[plan.starts[call]].max()))


def _slow(plan: Plan) -> Sighting | None:
    if not plan.is_finite or plan.peak <= 0 or plan.calls < 2:
        return None
    reached = int(np.argmax(plan.share >= 0.5))
    if reached < SLOW * len(plan.lrs) or plan.named("CosineAnnealingWarmRestarts") or only_rises(plan):
        return None
    return Sighting(
        f"the lr is below half its peak until {plan.when(reached)}: the warm-up takes "
        f"{100 * reached / len(plan.lrs):.0f} % of the run",
        [
            *(changed(plan, [place], total_iters=1) for place in plan.named("LinearLR", "ConstantLR")),
            *fits(plan),
        ],
    )


BEGINNING = (
    Trap("default-third", _default_third),
    Trap("warm-up-cut-off", _cut_off),
    Trap("slow-warm-up", _slow),
)
