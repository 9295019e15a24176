"""SWALR: weight averaging that begins too early or too late, or at too high an lr."""

from __future__ import annotations

from collections.abc import Iterator

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed, fits
from lrtui.analysis.checks.part import Place
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.schedules.schedule import Schedule
from lrtui.text.numbers import two_digits

FEWEST = 2
"""Weights that an average is made of, at the least."""

BEGIN = 0.75
"""Share of the run before averaging begins, as in the paper (P. Izmailov et al., "Averaging Weights Leads to Wider
Optima", 2018)."""


def _high(plan: Plan) -> Sighting | None:
    base = max(plan.base_lrs)
    for place in plan.named("SWALR"):
        given = place.get("swa_lr")
        highest = max(given) if isinstance(given, tuple) else given
        if not 0 < base < highest or place.calls < 1:
            continue
        return Sighting(
            f"swa_lr={highest:g} is above the optimizer's lr, {base:g}: the lr goes up where the weights are averaged",
            [changed(plan, [place], swa_lr=two_digits(base / 2))],
        )
    return None


def _late(plan: Plan) -> Sighting | None:
    for place in plan.named("SWALR"):
        if place.calls < 1:
            continue
        length = place.get("anneal_epochs")
        if place.calls >= FEWEST and length < place.calls:
            continue
        if length >= place.calls:
            words = (
                f"swa_lr is reached after {plan.count(length)} (anneal_epochs), and SWALR has {place.calls:,}: the "
                "weights are averaged on the way to it"
            )
        else:
            words = f"averaging begins with {plan.count(place.calls)} to go: there is nothing to average"
        return Sighting(words, _sooner(plan, place))
    return None


def _sooner(plan: Plan, place: Place) -> Iterator[Schedule]:
    yield changed(plan, [place], anneal_epochs=max(0, place.calls // 2))
    if plan.schedule.name == "SequentialLR" and len(place.path) == 1 and plan.calls >= 2 * FEWEST:
        milestones = list(plan.schedule.arguments["milestones"])
        before = milestones[-2] if len(milestones) > 1 else 0
        milestones[-1] = max(before + 1, min(int(BEGIN * plan.calls), plan.calls - FEWEST))
        earlier = plan.schedule.with_arguments(milestones=tuple(milestones))
        moved = plan.with_schedule(earlier)
        if moved is not None:
            last = moved.places[-1]
            yield changed(moved, [last], anneal_epochs=max(0, last.calls // 2))
    yield from fits(plan)


def _early(plan: Plan) -> Sighting | None:
    if plan.schedule.name != "SWALR" or plan.schedule.user_path or plan.calls < 4 or plan.horizon.start_step:
        return None
    begin = int(BEGIN * plan.calls)
    length = max(1, min(plan.schedule.arguments.get("anneal_epochs", 10), (plan.calls - begin) // 2))
    averaging = plan.schedule.with_arguments(anneal_epochs=length)
    before = Schedule("ConstantLR", (("factor", 1.0), ("total_iters", begin)), plan.schedule.per)
    items = (("schedulers", (before, averaging)), ("milestones", (begin,)))
    return Sighting(
        "the weights are averaged from the run's first steps on, and the average takes in what the model was before it "
        "had learnt anything",
        [Schedule("SequentialLR", items, plan.schedule.per, plan.schedule.per == "batch")],
    )


AVERAGING = (
    Trap("swa-lr-high", _high),
    Trap("swa-early", _early),
    Trap("swa-late", _late),
)
