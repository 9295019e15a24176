"""Lrs that no lr should be: not a number, below zero, nothing, or out of all proportion."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from lrtui.checks.fitting import changed, each, fits, without_per
from lrtui.checks.place import edit
from lrtui.checks.plan import Plan
from lrtui.checks.shift import shifted
from lrtui.checks.trap import Sighting, Trap
from lrtui.run.numbers import four_digits, two_digits
from lrtui.schedules.schedule import Schedule

NOTHING = 1e-7
"""A peak lr at or below which no optimizer moves a weight: a step of that size is lost in what a 32-bit float of size 1
can hold (1.2e-7)."""

EXPLODED = 100.0
"""How many times the configured lr a schedule may reach."""

HIGHEST: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop"), (0.1, 0.01)),
    **dict.fromkeys(("SGD", "ASGD"), (10.0, 0.1)),
    **dict.fromkeys(("Adagrad", "Adafactor", "Rprop", "Muon"), (1.0, 0.05)),
    "Adadelta": (10.0, 1.0),
}
"""By optimizer: the highest lr that anything is known to train with, and a usual one. An adaptive optimizer's step is
about the lr itself for each weight, whatever the gradient is; weights are around 0.1."""


def _not_finite(plan: Plan) -> Sighting | None:
    if plan.is_finite:
        return None
    step = int(np.argmin(np.isfinite(plan.lrs).all(axis=1)))
    return Sighting(f"the lr is no finite number any more from {plan.when(step)} on", _down(plan))


def _negative(plan: Plan) -> Sighting | None:
    if not plan.is_finite or not (plan.lrs < 0).any():
        return None
    step = int(np.argmax((plan.lrs < 0).any(axis=1)))
    lr = float(plan.lrs[step].min())
    return Sighting(
        f"the lr is below zero from {plan.when(step)} on ({four_digits(lr)}): that climbs the loss", _down(plan)
    )


def _down(plan: Plan) -> Iterator[Schedule]:
    for place in plan.named("ExponentialLR", "StepLR", "MultiStepLR"):
        if place.get("gamma") < 0:
            yield changed(plan, [place], gamma=abs(place.get("gamma")))
    for place in plan.named("MultiplicativeLR"):
        yield changed(plan, [place], lr_lambda=each(place, lambda text: f"max(0.1, {text})"))
    yield from fits(plan)


def _nothing(plan: Plan) -> Sighting | None:
    if not plan.is_finite or (plan.lrs < 0).any() or plan.peak > NOTHING:
        return None
    if max(plan.base_lrs) <= NOTHING and not any(
        place.schedule.entry and place.schedule.entry.absolute for place in plan.places
    ):
        return Sighting(
            f"the lr is {four_digits(plan.peak)} at most in the whole run, since the optimizer's is "
            f"{four_digits(max(plan.base_lrs))}: nothing is learnt; give {plan.optimizer.name} an lr"
        )
    words = f"the lr is {four_digits(plan.peak)} at most in the whole run: nothing is learnt"
    return Sighting(words, _up(plan))


def _up(plan: Plan) -> Iterator[Schedule]:
    cycles = plan.named("OneCycleLR")
    if cycles:
        yield without_per(changed(plan, cycles, total_steps=None, epochs=None, steps_per_epoch=None))
    yield from shifted(plan)
    yield from fits(plan)


def _exploded(plan: Plan) -> Sighting | None:
    if not plan.is_finite or any(place.schedule.entry and place.schedule.entry.absolute for place in plan.places):
        return None
    with np.errstate(all="ignore"):
        times = max((peak / base for peak, base in zip(plan.peaks, plan.base_lrs, strict=True) if base > 0), default=0)
    if times <= EXPLODED:
        return None
    step = int(plan.lrs.max(axis=1).argmax())
    return Sighting(
        f"the lr grows to {four_digits(plan.peak)} at {plan.when(step)}, {times:,.0f} times what the optimizer has"
        if times < 1e6
        else f"the lr grows to {four_digits(plan.peak)} at {plan.when(step)}, {times:.0e} times what the optimizer has",
        chain(_calmed(plan), fits(plan)),
    )


def _calmed(plan: Plan) -> Iterator[Schedule]:
    """Yield the schedule without the lrs of its own that are above the optimizer's."""
    base, whole = max(plan.base_lrs), plan.schedule
    for place in plan.places:
        name = {
            "CosineAnnealingLR": "eta_min",
            "CosineAnnealingWarmRestarts": "eta_min",
            "SWALR": "swa_lr",
        }.get(place.name)
        if name is None or place.get(name) in (0, None):
            continue
        value = two_digits(base / 2) if name == "swa_lr" else None
        given: dict[str, Any] = {name: value}

        def without(schedule: Schedule, given: dict[str, Any] = given) -> Schedule:
            return schedule.with_arguments(**given)

        whole = edit(whole, place.path, without)
    if whole != plan.schedule:
        yield whole


def _implausible(plan: Plan) -> Sighting | None:
    highest, usual = HIGHEST.get(plan.optimizer.name, (math.inf, 1.0))
    if not plan.is_finite or plan.peak <= highest:
        return None
    name = plan.optimizer.name
    words = f"the lr reaches {four_digits(plan.peak)}, and nothing is known to train on {name} above {highest:g}"
    if max(plan.base_lrs) > highest:
        return Sighting(f"{words}; {name}(lr={usual:g}) is usual", _lowered(plan, usual))
    return Sighting(words, chain(_calmed(plan), _lowered(plan, usual), fits(plan)))


def _lowered(plan: Plan, usual: float) -> Iterator[Schedule]:
    factor, whole = usual / plan.peak, plan.schedule
    for place in plan.places:
        entry = place.schedule.entry
        names = ("max_lr", "base_lr") if entry and entry.absolute else ("swa_lr", "eta_min", "min_lr")
        given = {name: value for name in names if (value := place.schedule.arguments.get(name))}
        values = {name: _times(value, factor) for name, value in given.items()}
        whole = edit(whole, place.path, lambda schedule, values=values: schedule.with_arguments(**values))  # type: ignore[misc]
    if whole != plan.schedule:
        yield whole


def _times(value: float | tuple[float, ...], factor: float) -> float | tuple[float, ...]:
    if isinstance(value, tuple):
        return tuple(two_digits(item * factor) for item in value)
    return two_digits(value * factor)


def _factor_is_lr(plan: Plan) -> Sighting | None:
    schedule, base = plan.schedule, plan.base_lrs[0]
    if schedule.own or schedule.name != "LambdaLR" or not plan.is_finite or not 0 < base < 0.5:
        return None
    given, highest = schedule.arguments["lr_lambda"], float(plan.peaks[0])
    # the highest, and not the first: a warm-up may begin at any share of the lr, and ends at 1
    if isinstance(given, tuple) or not math.isclose(highest, base * base, rel_tol=1e-6):
        return None
    return Sighting(
        f"the expression gives the lr itself, {four_digits(base)}, where LambdaLR wants a factor on it: the lr is "
        f"{four_digits(highest)} at its highest",
        [schedule.with_arguments(lr_lambda=f"({given}) / {base!r}")],
    )


VALUES = (
    Trap("not-finite", _not_finite),
    Trap("negative", _negative),
    Trap("nothing", _nothing),
    Trap("exploding", _exploded),
    Trap("implausible", _implausible),
    Trap("factor-is-lr", _factor_is_lr),
)
