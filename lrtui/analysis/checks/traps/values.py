"""Lrs that no lr should be: not a number, below zero, nothing, or out of all proportion."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed, each, fits, without_per
from lrtui.analysis.checks.part import edit
from lrtui.analysis.checks.shift import shifted
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.schedules.schedule import Schedule
from lrtui.text.numbers import four_digits, two_digits

NOTHING = 1e-7
"""A peak lr at or below which no optimizer moves a weight: a step of that size is lost in what a 32-bit float of size 1
can hold (1.2e-7)."""

EXPLODED = 100.0
"""How many times the configured lr a schedule may reach."""

NEARLY = 0.05
"""How far from the lr an expression's highest value may be that is meant to be the lr: a curve need not touch its peak
in any step."""

MOST_TIMES = 1e3
"""How many times lower an lr may be that is proposed in place of one."""

HIGHEST: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop"), (0.1, 0.01)),
    **dict.fromkeys(("SGD", "ASGD"), (100.0, 0.1)),
    **dict.fromkeys(("Adagrad", "Adafactor", "Rprop", "Muon"), (1.0, 0.05)),
    "Adadelta": (10.0, 1.0),
}
"""By optimizer: the highest lr that anything is known to train with, and a usual one. An adaptive optimizer's step is
about the lr itself for each weight, whatever the gradient is; weights are around 0.1. SGD's scales with the gradient:
MoCo's linear classifier takes lr=30 (K. He et al., "Momentum Contrast for Unsupervised Visual Representation Learning",
2020), and so does the language model AWD-LSTM, in ASGD too (S. Merity et al., "Regularizing and Optimizing LSTM
Language Models", 2018)."""


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
    course = "0 throughout" if plan.peak == 0 else f"{four_digits(plan.peak)} at most in the whole run"
    if max(plan.base_lrs) <= NOTHING and not any(
        place.schedule.entry and place.schedule.entry.absolute for place in plan.places
    ):
        return Sighting(
            f"the lr is {course}, since the optimizer's is {four_digits(max(plan.base_lrs))}: nothing is learnt; give "
            f"{plan.optimizer.name} an lr"
        )
    return Sighting(f"the lr is {course}: nothing is learnt", _up(plan))


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
    return Sighting(words, chain(_not_growing(plan), _calmed(plan), _lowered(plan, usual), fits(plan)))


def _not_growing(plan: Plan) -> Iterator[Schedule]:
    """Yield the schedule with cycles that stay as high as they are."""
    growing = [place for place in plan.named("CyclicLR") if place.get("mode") == "exp_range" and place.get("gamma") > 1]
    if growing:
        yield changed(plan, growing, gamma=None)


def _lowered(plan: Plan, usual: float) -> Iterator[Schedule]:
    # what is further off is no lr of a wrong size: something else makes it
    factor, whole = max(usual / plan.peak, 1 / MOST_TIMES), plan.schedule
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
    schedule = plan.schedule
    if schedule.user_path or schedule.name != "LambdaLR" or not plan.is_finite:
        return None
    given = schedule.arguments["lr_lambda"]
    # one expression is written with the optimizer's own lr in mind, a list with each group's
    groups = range(len(plan.base_lrs)) if isinstance(given, tuple) else range(1)
    trained = [group for group in groups if plan.base_lrs[group] > 0]
    if not trained or not all(_gives_lr(plan, group) for group in trained):
        return None
    base, highest = (
        ", ".join(four_digits(float(lrs[group])) for group in trained) for lrs in (plan.base_lrs, plan.peaks)
    )
    expression = "the expression gives" if len(trained) == 1 else "the expressions give"
    right = tuple(
        f"({text}) / {lr!r}" if lr > 0 else text for text, lr in zip(_listed(given), plan.base_lrs, strict=False)
    )
    return Sighting(
        f"{expression} the lr itself, {base}, where LambdaLR wants a factor on it: the lr is {highest} at its highest",
        [schedule.with_arguments(lr_lambda=right if isinstance(given, tuple) else right[0])],
    )


def _gives_lr(plan: Plan, group: int) -> bool:
    """Say whether a parameter group's factor comes to the group's lr."""
    base = plan.base_lrs[group]
    # the highest, and not the first: a warm-up may begin at any share of the lr, and ends at 1
    return 0 < base < 0.5 and math.isclose(float(plan.peaks[group]), base * base, rel_tol=NEARLY)


def _listed(given: str | tuple[str, ...]) -> tuple[str, ...]:
    return given if isinstance(given, tuple) else (given,)


VALUES = (
    Trap("not-finite", _not_finite),
    Trap("negative", _negative),
    Trap("nothing", _nothing),
    Trap("exploding", _exploded),
    Trap("implausible", _implausible),
    Trap("factor-is-lr", _factor_is_lr),
)
