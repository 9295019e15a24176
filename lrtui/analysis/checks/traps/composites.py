"""Schedules that change what the ones beside them do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.factors import as_factor
from lrtui.analysis.checks.fitting import alone
from lrtui.analysis.checks.part import Place, edit
from lrtui.analysis.checks.shift import mentions_step
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.schedules.schedule import Schedule
from lrtui.text.numbers import four_digits

OVERWRITES = ("LambdaLR", "CosineAnnealingWarmRestarts", "OneCycleLR", "CyclicLR")
"""Schedulers that work their lr out anew at each step, whatever it was: in a chain they undo what came before."""


def _cycle_in_sequence(plan: Plan) -> Sighting | None:
    for place in plan.named("SequentialLR"):
        for index, child in enumerate(place.schedule.children):
            if child.user_path or child.name not in ("OneCycleLR", "CyclicLR") or len(place.schedule.children) < 2:
                continue
            return Sighting(
                f"{child.name} inside SequentialLR puts its own lr in place of the optimizer's "
                f"({four_digits(max(plan.base_lrs))}) when it is built, and the schedules beside it build on that",
                _cycle_alone(plan, place, index),
            )
    return None


def _cycle_alone(plan: Plan, place: Place, index: int) -> Iterator[Schedule]:
    written = plan.schedule
    for step in place.path:
        written = written.children[step]
    cycle = written.children[index]
    if cycle.name == "OneCycleLR":
        cycle = cycle.with_arguments(total_steps=None, epochs=None, steps_per_epoch=None)
    if not place.path:
        yield alone(plan, cycle)
    else:
        yield edit(plan.schedule, place.path, lambda _: cycle)


def _multiplicative_in_sequence(plan: Plan) -> Sighting | None:
    base = plan.base_lrs[0]
    for place in plan.named("MultiplicativeLR"):
        if not place.path or place.path[-1] == 0 or place.calls < 1 or place.begin < 1 or not plan.is_finite:
            continue
        parent = next(other for other in plan.places if other.path == place.path[:-1])
        # in a chain others have a hand in the lr
        if parent.name != "SequentialLR" or parent.path or base <= 0:
            continue
        first = float(plan.lrs[plan.starts[place.begin], 0])
        if math.isclose(first, base, rel_tol=1e-6):
            continue
        text = place.get("lr_lambda")
        fix = None
        if isinstance(text, str) and not mentions_step(text):
            # a factor that is always the same
            fix = edit(plan.schedule, place.path, lambda schedule, text=text: _exponential(schedule, text))  # type: ignore[misc]
        return Sighting(
            f"MultiplicativeLR goes on from the lr that it finds, {four_digits(first)}, and not from the optimizer's, "
            f"{four_digits(base)}, as every other schedule in a SequentialLR does",
            [] if fix is None else [fix],
        )
    return None


def _exponential(schedule: Schedule, text: str) -> Schedule:
    from lrtui.schedules.expression import Expression

    return Schedule("ExponentialLR", (("gamma", float(Expression(text)(1))),), schedule.per)


def _chain_overwritten(plan: Plan) -> Sighting | None:
    for place in plan.named("ChainedScheduler"):
        children = place.schedule.children
        found = [index for index, child in enumerate(children) if not child.user_path and child.name in OVERWRITES]
        if not found or len(children) < 2:
            continue
        index = found[-1]
        child = children[index]
        return Sighting(
            f"{child.name} in a chain works the lr out anew at each step: the factors of the others do not add up",
            _unchained(plan, place, index),
        )
    return None


def _unchained(plan: Plan, place: Place, index: int) -> Iterator[Schedule]:
    children = [other for other in plan.places if other.path[:-1] == place.path and other.path]
    factors = [as_factor(child) for child in children]
    if all(factor is not None for factor in factors):
        product = Schedule("LambdaLR", (("lr_lambda", " * ".join(str(factor) for factor in factors)),))
        yield _put(plan, place, replace(product, per=plan.schedule.per))
    else:
        yield _put(plan, place, place.schedule.children[index])


def _put(plan: Plan, place: Place, schedule: Schedule) -> Schedule:
    return alone(plan, schedule) if not place.path else edit(plan.schedule, place.path, lambda _: schedule)


COMPOSITES = (
    Trap("cycle-in-sequence", _cycle_in_sequence),
    Trap("multiplicative-in-sequence", _multiplicative_in_sequence),
    Trap("chain-overwritten", _chain_overwritten),
)
