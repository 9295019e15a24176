"""Checks a schedule before any training, and finds a corrected one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from lrtui.analysis.checks.context import Floats, ScheduleContext
from lrtui.analysis.checks.trap import Problem, Trap
from lrtui.analysis.checks.traps import TRAPS as TRAPS
from lrtui.run.errors import UsageError
from lrtui.schedules.arguments import did_you_mean
from lrtui.schedules.build import check_buildable
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in, horizon_inside
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.user_module import load_user_scheduler

if TYPE_CHECKING:
    from lrtui.schedules.optimizer import OptimizerSpec

MAX_FIXES = 6
"""Maximum number of fixes that are tried for one finding; each is stepped through the whole run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A trap found in a schedule, for a given optimizer and length of run, with the fix that was tried and works.

    Args:
        code: identifies the trap, for programs and for `lrtui check --explain`.
        message: what will happen, one sentence with its figures.
        fix: notation of a corrected schedule, which was stepped to the end of the run and does not have the finding;
            None if there is none.
        short: the message in a few words.
    """

    code: str
    message: str
    fix: str | None = None
    short: str = ""

    def __str__(self) -> str:
        better = f" (better: {self.fix})" if self.fix else ""
        return f"{self.code}: {self.message}{better}"


def check_schedule(
    schedule: Schedule,
    optimizer: OptimizerSpec,
    horizon: Horizon,
    *,
    accumulate: int = 1,
    base_lrs: Sequence[float] | None = None,
    lrs: Floats | None = None,
) -> list[Finding]:
    """Return the findings for a schedule, the most severe first; imports torch.

    A finding that the fix of an earlier one removes is left out. The schedule and every tried fix are stepped through
    the run, which takes 0.05 s per 10,000 steps.

    Args:
        schedule: the schedule as the user wrote it; lengths that were left out are not filled in.
        optimizer: the optimizer that it drives.
        horizon: the part of the run that it covers.
        accumulate: batches whose gradients make one optimizer step.
        base_lrs: the initial lrs, one per parameter group, if they are not the optimizer's.
        lrs: lr of each step from the horizon's start, float64, shape (steps, parameter groups), if it has been
            simulated already.

    Raises:
        NotationError: if a user's class can't be loaded.
    """
    for scheduler in schedule.walk():
        if scheduler.user_path:
            load_user_scheduler(scheduler.user_path, scheduler.name, str(schedule))
    if horizon.steps <= 0:
        return []
    if schedule.is_per_optimizer:
        check_buildable(schedule, optimizer, horizon)
        return list(_each_optimizers(schedule, optimizer, horizon, accumulate))
    with np.errstate(all="ignore"):
        if schedule.entry and schedule.entry.composite == "warmup":
            return _findings_of_warmup(schedule, optimizer, horizon, accumulate, base_lrs)
        context = ScheduleContext(schedule, optimizer, horizon, accumulate=accumulate, base_lrs=base_lrs, lrs=lrs)
        return _findings(context)


def _each_optimizers(
    schedule: Schedule, optimizer: OptimizerSpec, horizon: Horizon, accumulate: int
) -> Iterator[Finding]:
    """Yield the findings for each of several optimizers and its schedule."""
    for name, part in optimizer.parts:
        key = name if name in schedule.arguments else ""
        own = dict(schedule.items).get(key)
        if isinstance(own, Schedule):
            # a unit that is not the usual one was given, perhaps to the whole
            own = replace(own, per_given=own.per != own.default_per)
            for finding in check_schedule(own, part, horizon, accumulate=accumulate):
                fix = str(_with_fix(schedule, key, finding.fix)) if finding.fix else None
                yield replace(finding, message=f"{name}: {finding.message}", fix=fix)


def _findings_of_warmup(
    schedule: Schedule,
    optimizer: OptimizerSpec,
    horizon: Horizon,
    accumulate: int,
    base_lrs: Sequence[float] | None,
) -> list[Finding]:
    """Return the findings for a Warmup: with a constant lr after it, and for the schedule inside from its start on.

    The two may have different units, and the schedule inside is checked as it is outside of a Warmup.
    """

    def context_of(part: Schedule, steps: Horizon) -> ScheduleContext:
        return ScheduleContext(part, optimizer, steps, accumulate=accumulate, base_lrs=base_lrs)

    def inside(warmup: Schedule) -> ScheduleContext | None:
        if not warmup.children:
            # a fix that needs no warmup
            return context_of(warmup, horizon)
        (child,) = warmup.children
        alone = replace(child, per_given=child.per != child.default_per)
        rest = horizon_inside(fill_in(warmup, horizon)[0], horizon)
        return context_of(alone, rest) if rest.steps > 0 else None

    def around(warmup: Schedule) -> ScheduleContext:
        constant = replace(CONSTANT, per=warmup.per, per_given=not warmup.per_given)
        return context_of(warmup.with_children([constant]) if warmup.children else warmup, horizon)

    def tried(fix: Schedule | None, code: str) -> Schedule | None:
        if fix is None or not context_of(fix, horizon).can_train:
            return None
        contexts = [context for context in (around(fix), inside(fix)) if context is not None]
        return None if any(trap.code == code for context in contexts for trap in _problems(context)) else fix

    rest = inside(schedule)
    later = [] if rest is None else _findings(rest, lambda fixed, code: tried(_around(schedule, fixed), code))
    if rest is not None and rest.error is not None:
        return later
    findings = _findings(around(schedule), lambda fixed, code: tried(_around(fixed, schedule.children[0]), code))
    fixed = [parse_schedule(finding.fix) for finding in findings if finding.fix]
    # those that the fix of the warmup removes are left out
    remaining = [{trap.code for trap in _problems(context)} for warmup in fixed if (context := inside(warmup))]
    findings += [finding for finding in later if all(finding.code in codes for codes in remaining)]
    by_code = {finding.code: finding for finding in reversed(findings)}
    return [by_code[trap.code] for trap in TRAPS if trap.code in by_code]


CONSTANT = Schedule("ConstantLR", (("factor", 1.0),))
"""Stands for the schedule inside a Warmup while the warmup is checked."""


def _around(warmup: Schedule, child: Schedule) -> Schedule | None:
    """Return a Warmup with another schedule inside; None if `per=` of the Warmup is not the unit of that schedule."""
    if not warmup.children:
        return warmup
    if warmup.per_given:
        alike = child.per == warmup.per or child.metric is not None
        return warmup.with_children([replace(child, per_given=False)]) if alike else None
    return warmup.with_children([replace(child, per_given=child.per != child.default_per)])


def _with_fix(schedule: Schedule, key: str, fix: str) -> Schedule:
    changed = ((name, parse_schedule(fix) if name == key else child) for name, child in schedule.items)
    return replace(schedule, items=tuple(changed))


def _findings(
    context: ScheduleContext, whole: Callable[[Schedule, str], Schedule | None] | None = None
) -> list[Finding]:
    """Return the findings for a context.

    Args:
        whole: takes the fix of a part and the code of its finding, and returns the whole schedule; None if that can't
            be, or has the finding as well.
    """
    problems = _problems(context)
    codes = {trap.code for trap in problems}
    findings: list[Finding] = []
    fixed_contexts: list[ScheduleContext] = []
    for trap, problem in problems.items():
        if any(trap.find_in(fixed) is None for fixed in fixed_contexts):
            continue
        fixed = _best_fix(trap, problem, context, codes)
        if fixed is not None:
            fixed_contexts.append(fixed)
        schedule = fixed.schedule if fixed else None
        if schedule is not None and whole is not None:
            schedule = whole(schedule, trap.code)
        fix = None if schedule is None else str(schedule)
        findings.append(Finding(trap.code, problem.message, fix, problem.short or trap.title))
    return findings


def _problems(context: ScheduleContext) -> dict[Trap, Problem]:
    problems = {trap: problem for trap in TRAPS if (problem := trap.find_in(context)) is not None}
    if context.error is not None:
        # the most specific trap comes first; the last one reports any error
        return dict(list(problems.items())[:1])
    return problems


def _best_fix(trap: Trap, problem: Problem, context: ScheduleContext, known: set[str]) -> ScheduleContext | None:
    """Return the first fix without findings; otherwise one with fewer findings, otherwise one with milder findings."""
    severity = [other.code for other in TRAPS]
    milder = set(severity[severity.index(trap.code) + 1 :])
    fewer_findings: ScheduleContext | None = None
    milder_findings: ScheduleContext | None = None
    for schedule in islice(trap.candidates(problem, context), MAX_FIXES):
        fixed = context.with_schedule(schedule)
        if fixed is None or fixed.schedule == context.schedule or not fixed.can_train or trap.find_in(fixed):
            continue
        codes = {other.code for other in _problems(fixed)}
        if not codes:
            return fixed
        if codes < known:
            fewer_findings = fewer_findings or fixed
        elif codes <= milder:
            milder_findings = milder_findings or fixed
    return fewer_findings or milder_findings


def explain(code: str) -> str:
    """Return the page on a trap: one line per paragraph, notation and figures indented.

    Raises:
        UsageError: for an unknown code; names similar ones.
    """
    traps = {trap.code: trap for trap in TRAPS}
    if code not in traps:
        raise UsageError(f"unknown code {code[:40]!r}{did_you_mean(code, traps)}")
    title = traps[code].title
    return f"{title[:1].upper()}{title[1:]}.\n{traps[code].page}"
