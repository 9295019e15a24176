"""Schedules that can't be followed to the run's end."""

from __future__ import annotations

from collections.abc import Iterator

from lrtui.analysis.checks.context import Plan
from lrtui.analysis.checks.fitting import changed, fits, without_per
from lrtui.analysis.checks.shift import shifted
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import counted


def _no_momentum(plan: Plan) -> Sighting | None:
    cycles = [place for place in plan.named("OneCycleLR", "CyclicLR") if place.get("cycle_momentum")]
    if not cycles or momentum_name(plan) is not None:
        return None
    return Sighting(
        f"{cycles[0].name} cycles a momentum against the lr, and {plan.optimizer.name} has none: PyTorch refuses it",
        [changed(plan, cycles, cycle_momentum=False)],
    )


def momentum_name(plan: Plan) -> str | None:
    """Return what a cycle would take for the optimizer's momentum, or None where there is none."""
    names = {parameter.name for parameter in plan.optimizer.entry.parameters}
    return next((name for name in ("momentum", "betas") if name in names), None)


def _pct_start(plan: Plan) -> Sighting | None:
    for place in plan.named("OneCycleLR"):
        total = place.get("total_steps") or place.get("epochs") * place.get("steps_per_epoch")
        if float(place.get("pct_start") * total) == 1.0:
            return Sighting(
                f"pct_start={place.get('pct_start'):g} of {counted(total, 'step')} is 1, a way up without length: "
                "PyTorch divides by zero",
                [
                    without_per(changed(plan, [place], pct_start=None)),
                    changed(plan, [place], pct_start=None),
                    changed(plan, [place], pct_start=0.5),
                    changed(plan, [place], pct_start=None, total_steps=None, epochs=None, steps_per_epoch=None),
                ],
            )
    return None


def _groups(plan: Plan) -> Sighting | None:
    count = len(plan.base_lrs)
    for place in plan.places:
        entry = place.schedule.entry
        for name, value in place.schedule.arguments.items():
            parameter = entry.parameter(name) if entry else None
            if parameter is None or parameter.kind not in ("floats", "expression") or not isinstance(value, tuple):
                continue
            if len(value) != count:
                values, groups = counted(len(value), "value"), counted(count, "parameter group")
                return Sighting(
                    f"{name} of {place.name} has {values}, and the optimizer {groups}: PyTorch refuses it",
                    [changed(plan, [place], **{name: value[0]})] if value else (),
                )
    return None


def _cannot_run(plan: Plan) -> Sighting | None:
    return Sighting(" ".join(str(plan.fault).split()), _ways_on(plan))


def _ways_on(plan: Plan) -> Iterator[Schedule]:
    for place in plan.named("CyclicLR"):
        if place.get("mode") == "exp_range" and place.get("gamma") > 1:
            yield changed(plan, [place], gamma=None)
    yield from shifted(plan)
    yield from fits(plan)


REFUSALS = (
    Trap("no-momentum", _no_momentum, refused=True),
    Trap("pct-start", _pct_start, refused=True),
    Trap("group-count", _groups, refused=True),
    Trap("cannot-run", _cannot_run, refused=True),
)
