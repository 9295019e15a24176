"""Milestones that are never reached, lie at the very start, or are given twice."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from lrtui.analysis.checks.context import Part, ScheduleContext
from lrtui.analysis.checks.fixes import (
    change,
    change_part,
    fits,
    part_at,
    per_batch,
    replace_part,
    without_child,
    without_one_child,
)
from lrtui.analysis.checks.trap import Example, Problem, trap
from lrtui.analysis.checks.traps.units import warm_up_per_batch
from lrtui.schedules.catalogue.decay import scale_milestones
from lrtui.schedules.schedule import Schedule

ORDER = 60


def _milestone_decays(context: ScheduleContext) -> list[Part]:
    """Return the parts that multiply the lr by gamma at their milestones."""
    decays = [part for part in context.parts if not part.entry.composite and part.get("gamma") is not None]
    return [part for part in decays if part.get("milestones")]


@trap(
    "milestone-zero",
    "a milestone at the very start of the run",
    Example(
        "SequentialLR([LinearLR(start_factor=0.1), CosineAnnealingLR()], milestones=[0])",
        "CosineAnnealingLR()",
        "0.01 0.0098 0.009 0.0079 0.0065 0.005 0.0035 0.0021 0.00095 0.00024 | 0.00024",
        "0.01 0.0098 0.009 0.0079 0.0065 0.005 0.0035 0.0021 0.00095 0.00024 | 0.00024",
    ),
)
def milestone_zero(context: ScheduleContext) -> Problem | None:
    """Milestone 0 is the start of the run. In SequentialLR the scheduler before it is never used; in MultiStepLR the
    initial lr is multiplied by gamma.
    """
    for part in context.parts:
        if part.entry.composite == "sequence" and part.get("milestones")[:1] == (0,):
            first = part.schedule.children[0]
            # the last of these leaves out the first child
            fixes = [] if part.path else list(without_one_child(context))[-1:]
            if part.path and len(part.schedule.children) > 2:
                rest = without_child(part_at(context.schedule, part.path), 0)
                fixes = [replace_part(context.schedule, part.path, rest)]
            return Problem(f"milestone 0 is the start of the run, so {first.name} is never used", fixes)
    for part in _milestone_decays(context):
        milestones, gamma = part.get("milestones"), part.get("gamma")
        if 0 in milestones and part.calls > 0 and gamma != 1:
            rest_of_milestones = tuple(milestone for milestone in milestones if milestone)
            return Problem(
                f"milestone 0 is the start of the run, so the initial lr is gamma={gamma:g} times the optimizer's",
                [change(context, [part], milestones=rest_of_milestones)] if rest_of_milestones else fits(context),
            )
    return None


@trap(
    "never-reached",
    "a milestone or step_size beyond the end of the run",
    Example(
        "MultiStepLR([30, 60, 80])",
        "MultiStepLR([3, 6, 8], gamma=0.22)",
        "0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 | 0.01",
        "0.01 0.01 0.01 0.0022 0.0022 0.0022 0.00048 0.00048 0.00011 0.00011 | 0.00011",
    ),
)
def never_reached(context: ScheduleContext) -> Problem | None:
    """step_size or a milestone lies after the last step of the run, so the lr is never changed there. The cause may be
    the unit: epochs or batches (per=).
    """
    for part in context.parts:
        late = [milestone for milestone in part.get("milestones") or () if milestone >= part.calls]
        if late and part.entry.composite == "sequence":
            return Problem(
                f"milestone {late[0]:,} is never reached: the run has {context.calls_text(context.calls)}, so the "
                "scheduler after it is never used",
                _with_earlier_milestones(context, part),
            )
        if late and part.calls > 0:
            return Problem(
                f"milestone {late[0]:,} is never reached: {part.name} runs for {context.calls_text(part.calls)}",
                chain(fits(context), per_batch(context)),
            )
        period = next((parameter.name for parameter in part.entry.counts if parameter.count_role == "period"), None)
        if period is not None and part.lowers and part.get(period) >= part.calls > 1:
            return Problem(
                f"{period}={part.get(period):,} is never reached: {part.name} runs for "
                f"{context.calls_text(part.calls)} and never lowers the lr",
                chain(fits(context), per_batch(context)),
            )
    return None


def _with_earlier_milestones(context: ScheduleContext, part: Part) -> Iterator[Schedule]:
    yield from warm_up_per_batch(context)
    milestones, first = part.get("milestones"), part.schedule.children[0]
    warm_up = first.entry.warm_up_argument if first.entry else None
    earlier = scale_milestones(milestones, part.calls) if len(milestones) > 1 else None
    if len(milestones) == 1 and part.calls > 1:
        earlier = (max(1, part.calls // (10 if warm_up else 2)),)
    if earlier is not None:
        whole = change(context, [part], milestones=earlier)
        if warm_up:
            yield change_part(whole, (*part.path, 0), **{warm_up: earlier[0]})
        yield whole
        shorter = context.with_schedule(whole)
        if shorter is not None:
            yield from fits(shorter)
    if not part.path:
        yield from without_one_child(context)
        yield from per_batch(context)


@trap(
    "milestone-twice",
    "a milestone is given twice",
    Example(
        "MultiStepLR([5, 5])",
        "MultiStepLR([5])",
        "0.01 0.01 0.01 0.01 0.01 0.0001 0.0001 0.0001 0.0001 0.0001 | 0.0001",
        "0.01 0.01 0.01 0.01 0.01 0.001 0.001 0.001 0.001 0.001 | 0.001",
    ),
)
def milestone_twice(context: ScheduleContext) -> Problem | None:
    """MultiStepLR counts its milestones: one that is given twice multiplies the lr twice in the same step."""
    for part in _milestone_decays(context):
        milestones, gamma = part.get("milestones"), part.get("gamma")
        repeated = next((milestone for milestone in milestones if milestones.count(milestone) > 1), None)
        if repeated is None or part.calls <= repeated or gamma == 1:
            continue
        times = milestones.count(repeated)
        return Problem(
            f"milestone {repeated:,} is given {times} times and multiplies the lr each time: it falls to "
            f"{gamma**times:.3g} of its value in one step",
            [change(context, [part], milestones=tuple(sorted(set(milestones))))],
        )
    return None
