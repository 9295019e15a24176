"""Schedules that do nothing in a run."""

from __future__ import annotations

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import fits, per_batch
from lrtui.analysis.checks.part import Place
from lrtui.analysis.checks.shift import mentions_step
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.analysis.checks.traps.values import NOTHING
from lrtui.text.numbers import four_digits

LEAST = 0.05
"""Share of its peak that the lr has to move by, for a schedule to count as one."""


def _does_nothing(plan: Plan) -> Sighting | None:
    if not plan.is_finite or plan.peak <= NOTHING or len(plan.lrs) < 2 or plan.named("ReduceLROnPlateau"):
        return None
    lowest, highest = plan.lrs.min(axis=0), plan.peaks
    if ((highest - lowest) > LEAST * highest).any() or all(_is_meant(place) for place in plan.places):
        return None
    if plan.calls == 1:
        words = f"step() is called once an {plan.unit[:-1]}, and the run has one: the lr is {four_digits(plan.peak)}"
        return Sighting(f"{words} all along", per_batch(plan))
    low, high = float(lowest.max()), plan.peak
    course = (
        f"stays at {four_digits(high)}" if low == high else f"stays between {four_digits(low)} and {four_digits(high)}"
    )
    return Sighting(f"the lr {course} for all {plan.length_words}: the schedule does nothing here", fits(plan))


def _is_meant(place: Place) -> bool:
    """Say whether the schedule is a way to write that the lr is constant."""
    if place.name == "ConstantLR":
        return bool(place.get("factor") == 1)
    texts = place.get("lr_lambda") if place.name in ("LambdaLR", "MultiplicativeLR") else None
    if texts is None:
        return place.name in ("SequentialLR", "ChainedScheduler")
    return not any(mentions_step(text) for text in (texts if isinstance(texts, tuple) else (texts,)))


CONSTANT = (Trap("does-nothing", _does_nothing),)
