"""Arguments that fit a run: what a schedule would be that uses the whole of it and ends low."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.part import Place, edit, without_child
from lrtui.run.errors import NotationError
from lrtui.schedules.expression import Expression
from lrtui.schedules.schedule import Schedule
from lrtui.text.numbers import two_digits

END_SHARE = 0.01
"""Where a schedule that multiplies ends: low enough to take the noise out, high enough to have moved all along."""

MOST_FACTORS = 10_000
"""Of a MultiplicativeLR that are looked at; what comes after them is taken to be alike."""

SHORTEST_CYCLE = 4
"""`step()` calls below which a cosine between restarts does not come down: its foot itself is the next one's peak."""

DROPS = 3
"""How often a schedule that goes down in steps does so."""


def gamma_for(drops: int) -> float:
    """Return the factor that ends at END_SHARE after so many drops, to two digits of what it takes off."""
    gamma: float = END_SHARE ** (1 / drops)
    digits = 2 if gamma < 0.9 else 1 - math.floor(math.log10(1 - gamma))
    return round(gamma, digits)


def scaled(milestones: Iterable[int], calls: int) -> tuple[int, ...] | None:
    """Return milestones in the same proportions of which a run reaches every one; None where it is too short."""
    milestones = sorted(set(milestones) - {0})
    if not milestones or len(milestones) >= calls:
        return None
    # the last one leaves a sixth of the run to itself, as recipes do: 30, 60, 80 of 90 epochs
    target = max(len(milestones), min(calls - 1, int(calls * 5 / 6)))
    found: list[int] = []
    for index, milestone in enumerate(milestones):
        left = len(milestones) - 1 - index
        least = found[-1] + 1 if found else 1
        found.append(min(max(least, round(milestone * target / milestones[-1])), calls - 1 - left))
    return tuple(found) if all(later > earlier for earlier, later in pairwise(found)) else None


def fitted(place: Place) -> Schedule | None:
    """Return the schedule of a place with arguments that fit the length it has; None where there is no telling."""
    fit = _FITS.get(place.name)
    if fit is None or place.calls < 2:
        return None
    found = fit(place)
    return None if found is None or found == place.schedule else found


def fits(plan: Plan) -> Iterator[Schedule]:
    """Yield whole schedules in which one part fits the length it has, or all do, the last part first."""
    parts = [place for place in reversed(plan.places) if not place.schedule.children]
    changes = [(place, found) for place in parts if (found := fitted(place)) is not None]
    for place, found in changes:
        yield edit(plan.schedule, place.path, _to(found))
    if len(changes) > 1:
        whole = plan.schedule
        for place, found in changes:
            whole = edit(whole, place.path, _to(found))
        yield whole
    if plan.schedule.name == "ChainedScheduler" and not plan.schedule.user_path:
        yield from without_one(plan)


def without_one(plan: Plan) -> Iterator[Schedule]:
    """Yield the outermost composite without one of its children, the last first; a single one left stands alone."""
    whole = plan.schedule
    for index in reversed(range(len(whole.children))):
        left = without_child(whole, index)
        if len(left.children) == 1:
            yield alone(plan, left.children[0])
        elif left.children:
            yield left


def alone(plan: Plan, child: Schedule) -> Schedule:
    """Return a child as a schedule of its own, stepped as the whole was."""
    entry = child.entry
    needed = entry is None or entry.unit != plan.schedule.per
    return replace(child, per=plan.schedule.per, per_given=needed)


def per_batch(plan: Plan) -> Iterator[Schedule]:
    """Yield the schedule stepped after every batch, as it is and with arguments that fit."""
    if plan.schedule.per == "batch" or plan.named("ReduceLROnPlateau"):
        return
    inside = replace(plan.schedule, per="batch", per_given=True)
    yield inside
    stepped = plan.with_schedule(inside)
    if stepped is not None:
        yield from fits(stepped)


def without_per(schedule: Schedule) -> Schedule:
    """Return the schedule stepped as its class is by default."""
    return Schedule(schedule.name, schedule.items, user_path=schedule.user_path, metric=schedule.metric)


def changed(plan: Plan, places: Iterable[Place], **arguments: Any) -> Schedule:
    """Return the whole schedule with these arguments set wherever they belong; None takes one away."""
    whole = plan.schedule
    for place in places:
        whole = edit(whole, place.path, lambda schedule: schedule.with_arguments(**arguments))
    return whole


def _to(schedule: Schedule) -> Callable[[Schedule], Schedule]:
    return lambda _: schedule


def _fit_exponential(place: Place) -> Schedule:
    return place.schedule.with_arguments(gamma=gamma_for(place.calls - 1))


def _fit_step(place: Place) -> Schedule:
    size = place.get("step_size")
    if size >= place.calls:
        size = max(1, place.calls // DROPS)
    return place.schedule.with_arguments(step_size=size, gamma=gamma_for((place.calls - 1) // size))


def _fit_milestones(place: Place) -> Schedule | None:
    milestones = place.get("milestones")
    if max(milestones) >= place.calls or min(milestones) == 0 or len(set(milestones)) < len(milestones):
        found = scaled(milestones, place.calls)
        if found is None:
            return None
        milestones = found
    gamma = place.get("gamma")
    if not 0 < gamma < 1 or gamma ** len(milestones) < END_SHARE:
        gamma = gamma_for(len(milestones))
    return place.schedule.with_arguments(milestones=tuple(milestones), gamma=gamma)


def _fit_polynomial(place: Place) -> Schedule:
    power = place.get("power")
    return place.schedule.with_arguments(
        total_iters=place.calls, power=None if power == 1.0 else min(2.0, power) if power > 0 else 1.0
    )


def _fit_cosine(place: Place) -> Schedule:
    return place.schedule.with_arguments(T_max=None)


def _fit_restarts(place: Place) -> Schedule | None:
    growth, wanted = place.get("T_mult"), place.get("T_0")
    lengths = []
    cycles, total = 1, 1
    while total <= place.calls and cycles <= place.calls:
        length = -(-place.calls // total)
        # as many cycles as there are, and the last one all but whole
        last = growth ** (cycles - 1) * length
        if length >= min(SHORTEST_CYCLE, place.calls) and total * length - place.calls < max(1, 0.05 * last):
            lengths.append(length)
        cycles, total = cycles + 1, total + growth**cycles
        if cycles > 64:
            break
    if not lengths:
        return place.schedule.with_arguments(T_0=place.calls, T_mult=None)
    return place.schedule.with_arguments(T_0=min(lengths, key=lambda length: abs(math.log(length / wanted))))


def _fit_linear(place: Place) -> Schedule:
    rises = place.get("end_factor") > place.get("start_factor")
    return place.schedule.with_arguments(total_iters=max(1, place.calls // 10) if rises else place.calls)


def _fit_one_cycle(place: Place) -> Schedule:
    return place.schedule.with_arguments(
        total_steps=None, epochs=None, steps_per_epoch=None, pct_start=None, three_phase=None
    )


def _fit_cycles(place: Place) -> Schedule | None:
    if place.calls < 4:
        return None
    up, down = place.get("step_size_up"), place.get("step_size_down") or place.get("step_size_up")
    cycles = max(1, round(place.calls / (up + down)))
    half = max(1, place.calls // (2 * cycles))
    return place.schedule.with_arguments(step_size_up=half, step_size_down=None)


def _fit_lambda(place: Place) -> Schedule:
    return place.schedule.with_arguments(lr_lambda=each(place, lambda text: f"max({END_SHARE}, {text})"))


def each(place: Place, change: Callable[[str], str]) -> str | tuple[str, ...]:
    """Return the expression of a place changed, or each of a list of them."""
    given = place.get("lr_lambda")
    return tuple(change(text) for text in given) if isinstance(given, tuple) else change(given)


def _fit_multiplicative(place: Place) -> Schedule | None:
    def tame(text: str) -> str:
        factors = [Expression(text)(call) for call in range(1, min(place.calls, MOST_FACTORS))]
        logarithm = sum(math.log(factor) for factor in factors)
        power = two_digits(math.log(END_SHARE) / logarithm * len(factors) / (place.calls - 1))
        return f"({text}) ** {power}"

    try:
        return place.schedule.with_arguments(lr_lambda=each(place, tame))
    except (NotationError, ValueError, ZeroDivisionError, OverflowError):
        # a factor that has no value, or none above 0
        return None


def _fit_averaging(place: Place) -> Schedule:
    return place.schedule.with_arguments(anneal_epochs=max(1, place.calls // 2))


_FITS: dict[str, Callable[[Place], Schedule | None]] = {
    "ExponentialLR": _fit_exponential,
    "StepLR": _fit_step,
    "MultiStepLR": _fit_milestones,
    "PolynomialLR": _fit_polynomial,
    "CosineAnnealingLR": _fit_cosine,
    "CosineAnnealingWarmRestarts": _fit_restarts,
    "LinearLR": _fit_linear,
    "OneCycleLR": _fit_one_cycle,
    "CyclicLR": _fit_cycles,
    "LambdaLR": _fit_lambda,
    "MultiplicativeLR": _fit_multiplicative,
    "SWALR": _fit_averaging,
}
