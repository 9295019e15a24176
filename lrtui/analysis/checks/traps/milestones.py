"""Milestones that are not what they look like: never reached, at the very start, given twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed, fits, per_batch, scaled, without_one
from lrtui.analysis.checks.part import Place, edit, without_child
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.analysis.checks.traps.units import warmed_in_batches
from lrtui.schedules.schedule import Schedule


def _never_reached(plan: Plan) -> Sighting | None:
    for place in plan.named("SequentialLR"):
        late = [milestone for milestone in place.get("milestones") if milestone >= place.calls]
        if late:
            return Sighting(
                f"milestone {late[0]:,} is never reached: the run has {plan.length_words}, and what comes "
                "after it is never in force",
                _earlier(plan, place),
            )
    for place in plan.named("MultiStepLR"):
        late = [milestone for milestone in place.get("milestones") if milestone >= place.calls > 0]
        if late:
            return Sighting(
                f"milestone {late[0]:,} is never reached: MultiStepLR has {plan.count(place.calls)} here",
                chain(fits(plan), per_batch(plan)),
            )
    for place in plan.named("StepLR"):
        if place.get("step_size") >= place.calls > 1:
            return Sighting(
                f"step_size={place.get('step_size'):,} is never reached: StepLR has {plan.count(place.calls)} here, "
                "in which the lr never drops",
                chain(fits(plan), per_batch(plan)),
            )
    return None


def _earlier(plan: Plan, place: Place) -> Iterator[Schedule]:
    yield from warmed_in_batches(plan)
    milestones = place.get("milestones")
    earlier = scaled(milestones, place.calls) if len(milestones) > 1 else None
    if len(milestones) == 1 and place.calls > 1:
        # what comes before a single milestone is a warm-up, as a rule
        warms = place.schedule.children[0].name in ("LinearLR", "ConstantLR")
        earlier = (max(1, place.calls // (10 if warms else 2)),)
    if earlier is not None:
        whole = changed(plan, [place], milestones=earlier)
        first = place.schedule.children[0]
        if first.name in ("LinearLR", "ConstantLR") and not first.user_path:
            yield edit(whole, (*place.path, 0), lambda schedule: schedule.with_arguments(total_iters=earlier[0]))
        yield whole
        shorter = plan.with_schedule(whole)
        if shorter is not None:
            yield from fits(shorter)
    if not place.path:
        yield from without_one(plan)
        yield from per_batch(plan)


def _at_the_start(plan: Plan) -> Sighting | None:
    for place in plan.named("SequentialLR"):
        if place.get("milestones")[:1] == (0,):
            first = place.schedule.children[0]
            fixes = list(without_one(plan))[-1:] if not place.path else []
            if place.path and len(place.schedule.children) > 2:
                fixes = [edit(plan.schedule, place.path, lambda schedule: without_child(schedule, 0))]
            return Sighting(f"milestone 0 is the start itself: {first.name} in front of it is never in force", fixes)
    for place in plan.named("MultiStepLR"):
        milestones = place.get("milestones")
        if 0 in milestones and place.calls > 0 and place.get("gamma") != 1:
            rest = tuple(milestone for milestone in milestones if milestone)
            return Sighting(
                f"milestone 0 is the start itself: the first lr is gamma={place.get('gamma'):g} times the optimizer's",
                [changed(plan, [place], milestones=rest)] if rest else fits(plan),
            )
    return None


def _twice(plan: Plan) -> Sighting | None:
    for place in plan.named("MultiStepLR"):
        milestones = place.get("milestones")
        again = next((milestone for milestone in milestones if milestones.count(milestone) > 1), None)
        if again is None or place.calls <= again or place.get("gamma") == 1:
            continue
        times = milestones.count(again)
        return Sighting(
            f"milestone {again:,} is there {times} times and multiplies as often: the lr drops to "
            f"{place.get('gamma') ** times:.3g} of itself at once",
            [changed(plan, [place], milestones=tuple(sorted(set(milestones))))],
        )
    return None


MILESTONES = (
    Trap("milestone-zero", _at_the_start),
    Trap("never-reached", _never_reached),
    Trap("milestone-twice", _twice),
)
