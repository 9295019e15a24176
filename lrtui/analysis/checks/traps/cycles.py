"""OneCycleLR and CyclicLR: cycles that do not fit, and what they do to the optimizer."""

from __future__ import annotations

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed, fits
from lrtui.analysis.checks.part import Place
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.text.numbers import four_digits, two_digits

TOO_HIGH = 0.01
"""Share of its peak at which a OneCycleLR should have ended."""


def _length(place: Place) -> int:
    return int(place.get("total_steps") or place.get("epochs") * place.get("steps_per_epoch"))


def _one_cycle_short(plan: Plan) -> Sighting | None:
    for place in plan.named("OneCycleLR"):
        length = _length(place)
        if length >= place.calls:
            continue
        return Sighting(
            f"the cycle has {plan.count(length)} and the run {place.calls:,} for it: PyTorch raises ValueError after "
            f"the end (Tried to step {length + 1:,} times), and lrtui holds the last lr",
            [
                changed(plan, [place], total_steps=None, epochs=None, steps_per_epoch=None),
                *fits(plan),
            ],
        )
    return None


def _one_cycle_long(plan: Plan) -> Sighting | None:
    for place in plan.named("OneCycleLR"):
        length = _length(place)
        # where it stands, no matter what else has a hand in the lr
        if length <= place.calls or place.calls < 1 or not plan.is_finite or plan.share[-1] <= TOO_HIGH:
            continue
        return Sighting(
            f"the cycle has {plan.count(length)} and the run {place.calls:,} for it: it ends at "
            f"{four_digits(plan.last)}, {100 * plan.share[-1]:.0f} % of the peak",
            [
                changed(plan, [place], total_steps=None, epochs=None, steps_per_epoch=None),
                *fits(plan),
            ],
        )
    return None


def _no_way_down(plan: Plan) -> Sighting | None:
    for place in plan.named("OneCycleLR"):
        pct = place.get("pct_start")
        most = 0.5 if place.get("three_phase") else 0.9
        if pct <= most or place.calls < 4:
            continue
        return Sighting(
            f"pct_start={pct:g} leaves {100 * max(0.0, 1 - pct * (2 if most == 0.5 else 1)):.0f} % of the cycle for "
            "the way down to nothing, which is what a cycle ends well by",
            [changed(plan, [place], pct_start=None)],
        )
    return None


def _unfinished_cycle(plan: Plan) -> Sighting | None:
    for place in plan.named("CyclicLR"):
        up = place.get("step_size_up")
        down = place.get("step_size_down") or up
        # an odd step is cut off where halves are made of a whole
        if up + down <= place.calls + 1 or place.calls < 1 or not plan.is_finite:
            continue
        reaches = "never reaches max_lr" if up >= place.calls else "never comes down again"
        return Sighting(
            f"a cycle is {plan.count(up)} up and {down:,} down, and the run has {place.calls:,}: the lr {reaches}",
            fits(plan),
        )
    return None


def _upside_down(plan: Plan) -> Sighting | None:
    for place in plan.named("CyclicLR"):
        low, high = place.get("base_lr"), place.get("max_lr")
        if isinstance(low, tuple) or isinstance(high, tuple) or low <= high:
            continue
        return Sighting(
            f"base_lr={low:g} is above max_lr={high:g}: the cycle is upside down, and so is its momentum",
            [changed(plan, [place], base_lr=high, max_lr=low)],
        )
    for place in plan.named("CosineAnnealingLR", "CosineAnnealingWarmRestarts"):
        low, base = place.get("eta_min"), max(plan.base_lrs)
        if place.calls < 2:
            continue
        if 0 < base <= low:
            words = f"eta_min={low:g} is not below the optimizer's lr, {base:g}: the cosine goes up in place of down"
        elif (group := next((group for group, lr in enumerate(plan.base_lrs) if 0 < lr < low), None)) is not None:
            words = f"eta_min={low:g} is above the lr of {plan.group(group)}: its cosine goes up in place of down"
        else:
            continue
        return Sighting(words, [changed(plan, [place], eta_min=None)])
    return None


def _brings_momentum(plan: Plan) -> Sighting | None:
    names = {parameter.name: parameter.default for parameter in plan.optimizer.entry.parameters}
    has = plan.optimizer.arguments.get("momentum", names.get("momentum"))
    if "betas" in names or has is None or has > 0:
        return None
    cycles = [place for place in plan.named("OneCycleLR", "CyclicLR") if place.get("cycle_momentum")]
    if not cycles:
        return None
    low, high = cycles[0].get("base_momentum"), cycles[0].get("max_momentum")
    words = "" if isinstance(low, tuple) or isinstance(high, tuple) else f" between {low:g} and {high:g}"
    return Sighting(
        f"{plan.optimizer.name} is configured without momentum, and {cycles[0].name} brings one{words}, which "
        "multiplies every step's length",
        [changed(plan, cycles, cycle_momentum=False)],
    )


def _flattened(plan: Plan) -> Sighting | None:
    lrs = plan.base_lrs
    if len(set(lrs)) < 2 or lrs[0] <= 0:
        return None
    for place in plan.named("OneCycleLR", "CyclicLR", "SWALR"):
        names = {"OneCycleLR": ("max_lr",), "CyclicLR": ("base_lr", "max_lr"), "SWALR": ("swa_lr",)}[place.name]
        single = [name for name in names if not isinstance(place.get(name), tuple)]
        if not single or any(lr <= 0 for lr in lrs):
            continue
        lists = {name: tuple(two_digits(place.get(name) * lr / lrs[0]) for lr in lrs) for name in single}
        return Sighting(
            f"{single[-1]}={place.get(single[-1]):g} goes to all {len(lrs)} parameter groups, whose own lrs "
            f"({', '.join(four_digits(lr) for lr in lrs)}) are lost",
            [changed(plan, [place], **lists)],
        )
    return None


CYCLES = (
    Trap("cycle-too-short", _one_cycle_short),
    Trap("cycle-too-long", _one_cycle_long),
    Trap("no-way-down", _no_way_down),
    Trap("cycle-unfinished", _unfinished_cycle),
    Trap("upside-down", _upside_down),
    Trap("brings-momentum", _brings_momentum),
    Trap("groups-flattened", _flattened),
)
