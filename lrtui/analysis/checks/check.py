"""What is wrong with a schedule, before any training."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from lrtui.analysis.checks.context import Floats, Plan
from lrtui.analysis.checks.finding import Finding
from lrtui.analysis.checks.trap import Sighting, Trap
from lrtui.analysis.checks.traps import TRAPS
from lrtui.schedules.schedule import Horizon, Schedule
from lrtui.schedules.user_module import load_user_class

if TYPE_CHECKING:
    from lrtui.schedules.optimizer import OptimizerSpec

MOST_FIXES = 6
"""Fixes that are tried for one finding: each is stepped through the whole run."""


def check_schedule(
    schedule: Schedule,
    optimizer: OptimizerSpec,
    horizon: Horizon,
    *,
    accumulate: int = 1,
    base_lrs: Sequence[float] | None = None,
    lrs: Floats | None = None,
) -> list[Finding]:
    """Return every trap that the schedule is in, the most severe first; imports torch.

    A finding that another one's fix does away with is left out. It takes as long as stepping the schedule through the
    run does, once for the schedule and once or a few times for each fix: 0.05 s each for 10,000 steps.

    Args:
        schedule: as the user wrote it, lengths that were left out still left out.
        optimizer: what it drives.
        horizon: the stretch of the run that it covers.
        accumulate: batches whose gradients make one optimizer step.
        base_lrs: lr that it builds on, one per parameter group, where that is not the optimizer's.
        lrs: lr of each step from the horizon's start on, float64, shape (steps, parameter groups), where it was
            simulated before.

    Raises:
        NotationError: where a user's own class can't be loaded.
    """
    for part in schedule.walk():
        if part.user_path:
            load_user_class(part.user_path, part.name, str(schedule))
    with np.errstate(all="ignore"):
        plan = Plan(schedule, optimizer, horizon, accumulate=accumulate, base_lrs=base_lrs, lrs=lrs)
        return _findings(plan) if horizon.steps > 0 else []


def _findings(plan: Plan) -> list[Finding]:
    sighted = _sighted(plan)
    findings: list[Finding] = []
    cured: list[Plan] = []
    for trap, sighting in sighted.items():
        if any(_look(trap, better) is None for better in cured):
            continue
        better = _best_fix(trap, sighting, plan, {other.code for other in sighted})
        if better is not None:
            cured.append(better)
        findings.append(Finding(trap.code, sighting.message, str(better.schedule) if better else None))
    return findings


def _sighted(plan: Plan) -> dict[Trap, Sighting]:
    found = {trap: sighting for trap in TRAPS if (sighting := _look(trap, plan)) is not None}
    if plan.fault is not None:
        # one reason is enough, and the last of these traps takes any
        return dict(list(found.items())[:1])
    return found


def _look(trap: Trap, plan: Plan) -> Sighting | None:
    return trap.look(plan) if trap.refused == (plan.fault is not None) else None


def _best_fix(trap: Trap, sighting: Sighting, plan: Plan, known: set[str]) -> Plan | None:
    """Return the plan with the first fix that leaves nothing to say, or else brings nothing new, or nothing so bad."""
    severity = [other.code for other in TRAPS]
    milder = set(severity[severity.index(trap.code) + 1 :])
    second: Plan | None = None
    third: Plan | None = None
    for schedule in islice(sighting.fixes, MOST_FIXES):
        better = plan.with_schedule(schedule)
        if better is None or better.schedule == plan.schedule or not better.can_train or _look(trap, better):
            continue
        codes = {other.code for other in _sighted(better)}
        if not codes:
            return better
        if codes < known:
            second = second or better
        elif codes <= milder:
            third = third or better
    return second or third
