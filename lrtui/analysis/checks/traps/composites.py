"""Schedulers that change the effect of others in the same composite."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from lrtui.analysis.checks.context import Part, ScheduleContext
from lrtui.analysis.checks.fixes import part_at, replace_part, standalone, without_length
from lrtui.analysis.checks.trap import Example, Problem, trap
from lrtui.run.spec import trained_group
from lrtui.schedules.expression import Expression
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import four_digits

ORDER = 40


@trap(
    "cycle-in-sequence",
    "a cycle inside SequentialLR overwrites the optimizer's lr",
    Example(
        "SequentialLR([LinearLR(start_factor=0.1, total_iters=938), OneCycleLR(max_lr=0.003)], milestones=[938], "
        'per="batch")',
        "OneCycleLR(max_lr=0.003)",
        "1.2e-05 0.00012 0.00099 0.0025 0.003 0.0027 0.0021 0.0014 0.00069 0.00018 | 1.2e-08",
        "0.00012 0.00084 0.0023 0.003 0.0029 0.0024 0.0018 0.0012 0.00056 0.00015 | 1.2e-08",
    ),
)
def cycle_in_sequence(context: ScheduleContext) -> Problem | None:
    """OneCycleLR and CyclicLR write their own lr into the optimizer when they are created, and the other schedulers in
    the SequentialLR start from it instead of the optimizer's lr: a warm-up from 0.1 to 1 then goes from 0.004 to 0.04.

    Use the cycle alone, since OneCycleLR has its own warm-up, or use a cosine instead.
    """
    for part in context.parts:
        if part.entry.composite != "sequence" or len(part.schedule.children) < 2:
            continue
        for index, child in enumerate(part.schedule.children):
            if child.entry is not None and child.entry.absolute:
                return Problem(
                    f"when {child.name} inside {part.name} is created, it replaces the optimizer's lr "
                    f"({four_digits(max(context.base_lrs))}): the other schedulers start from the lr that it sets",
                    [_replace_composite(context, part, without_length(part_at(context.schedule, (*part.path, index))))],
                )
    return None


def _replace_composite(context: ScheduleContext, part: Part, replacement: Schedule) -> Schedule:
    """Return the whole schedule with a composite replaced by a single scheduler."""
    if part.path:
        return replace_part(context.schedule, part.path, replacement)
    return standalone(context, replacement)


@trap(
    "multiplicative-in-sequence",
    "MultiplicativeLR continues from the lr of the scheduler before it",
    Example(
        'SequentialLR([LinearLR(start_factor=0.1, total_iters=3), MultiplicativeLR("0.9")], milestones=[3])',
        "SequentialLR([LinearLR(start_factor=0.1, total_iters=3), ExponentialLR(gamma=0.9)], milestones=[3])",
        "0.001 0.004 0.007 0.0063 0.0057 0.0051 0.0046 0.0041 0.0037 0.0033 | 0.0033",
        "0.001 0.004 0.007 0.01 0.009 0.0081 0.0073 0.0066 0.0059 0.0053 | 0.0053",
    ),
)
def multiplicative_in_sequence(context: ScheduleContext) -> Problem | None:
    """MultiplicativeLR multiplies the current lr. As the second scheduler of a SequentialLR it starts from the last lr
    of the warm-up, not from the optimizer's lr. LambdaLR and ExponentialLR start from the optimizer's lr.
    """
    group = trained_group(context.base_lrs)
    base = context.base_lrs[group]
    for part in context.parts:
        if not part.entry.continues or not part.path or part.path[-1] == 0 or part.calls < 1 or part.start < 1:
            continue
        # inside a chain the lr also depends on other schedulers
        if context.parts[0].entry.composite != "sequence" or len(part.path) > 1 or base <= 0 or not context.is_finite:
            continue
        first = float(context.lrs[context.starts[part.start], group])
        if math.isclose(first, base, rel_tol=1e-6):
            continue
        expression, fixes = part.get("lr_lambda"), []
        if isinstance(expression, str) and part.entry.is_constant(part.values):
            gamma = float(Expression(expression)(1))
            exponential = Schedule("ExponentialLR", (("gamma", gamma),), context.schedule.per)
            fixes = [replace_part(context.schedule, part.path, exponential)]
        return Problem(
            f"{part.name} continues from the current lr, {four_digits(first)}, while the other schedulers in a "
            f"{context.parts[0].name} start from the optimizer's lr, {four_digits(base)}",
            fixes,
        )
    return None


@trap(
    "chain-overwritten",
    "a scheduler in a chain discards the effect of the others",
    Example(
        'ChainedScheduler([ExponentialLR(gamma=0.9), LambdaLR("1 / (1 + epoch)")])',
        'LambdaLR("0.9 ** epoch * (1 / (1 + epoch))")',
        "0.01 0.005 0.0033 0.0025 0.002 0.0017 0.0014 0.0013 0.0011 0.001 | 0.001",
        "0.01 0.0045 0.0027 0.0018 0.0013 0.00098 0.00076 0.0006 0.00048 0.00039 | 0.00039",
    ),
)
def chain_overwritten(context: ScheduleContext) -> Problem | None:
    """ChainedScheduler steps its schedulers in turn, each on the lr that the previous one has set. Those that compute
    the lr from the initial lr (LambdaLR, CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR) discard the effect of the
    previous ones.
    """
    for part in context.parts:
        children = part.schedule.children
        if part.entry.composite != "chain" or len(children) < 2:
            continue
        found = [index for index, child in enumerate(children) if child.entry and child.entry.recomputes]
        if found:
            return Problem(
                f"{children[found[-1]].name} computes the lr from the initial lr at every step: in a chain it discards "
                "the effect of the other schedulers",
                _unchained(context, part, found[-1]),
            )
    return None


def _unchained(context: ScheduleContext, part: Part, index: int) -> Iterator[Schedule]:
    """Yield the product of the chain's schedulers, or the one in effect if the product has no closed form."""
    factors = [child.factor for child in context.parts if child.path and child.path[:-1] == part.path]
    if None in factors:
        yield _replace_composite(context, part, part_at(context.schedule, (*part.path, index)))
    else:
        product = Schedule("LambdaLR", (("lr_lambda", " * ".join(map(str, factors))),))
        yield _replace_composite(context, part, replace(product, per=context.schedule.per))
