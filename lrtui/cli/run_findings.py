"""The findings on the schedules of a run: at its start, after a change, and once it has been recorded."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from lrtui.run.commands import Extend, ScaleLr, SetLr, SwitchSchedule, UndoLr
from lrtui.run.events import RunStarted
from lrtui.run.spec import RunSpec
from lrtui.schedules.forecast import ForecastRequest, request_for_spec
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.script import read_script
from lrtui.text.format import counted

if TYPE_CHECKING:
    from lrtui.analysis.checks import Finding

MAX_STEPS = 10_000_000
"""Maximum number of steps of a run that `lrtui check` accepts."""

MAX_CALLS_AT_START = 200_000
"""Maximum number of `step()` calls for a check at the start of a run; they take 1 s. `lrtui check` accepts more."""

MAX_STEPS_AT_START = 2_000_000
"""Maximum number of steps for a check at the start of a run; they take 1 s and 0.2 GB of memory."""

LR_COMMANDS = (ScaleLr, SetLr, UndoLr)
"""Commands that scale the lr of the schedule."""

WRONG_AT_ANY_SCALE = ("not-finite", "negative")
"""Codes of the findings that hold for every positive multiple of the lr."""


def finding_lines(started: RunStarted, spec: RunSpec) -> list[str]:
    """Return one line per finding on a run's schedules; none for a run that was resumed or branched.

    The schedule that is in force at the end is checked over all epochs, those that a script adds included. Where a
    script changes the lr, or goes on from an lr that is unknown here, only lrs that are wrong at any scale are
    reported.

    Args:
        started: the first event of the run.
        spec: settings as the user gave them; lengths that were left out are not filled in.
    """
    if started.resumed_from is not None or started.parent is not None:
        return []
    script = read_script(spec.at, None, started.batches_per_epoch)
    added = sum(line.command.epochs for line in script if isinstance(line.command, Extend))
    # the settings do not name the optimizer that a task makes
    is_tasks_own = started.spec.optimizer.startswith("task:")
    optimizer = started.spec.optimizer if is_tasks_own else spec.optimizer
    lasting = replace(started.spec, schedule=spec.schedule, optimizer=optimizer)
    request = request_for_spec(lasting, started.batches_per_epoch).extended(added)
    # by the optimizer's name, once a switch has named some of several
    courses = {"": request}
    lines: list[str] = []
    is_scaled = False
    for line in script:
        command, step = line.command, line.step(started.batches_per_epoch)
        if isinstance(command, SwitchSchedule):
            switched = replace(request, schedule=command.schedule, start_step=step, anchor=command.anchor)
            new = _switched_courses(switched)
            if new.keys() != {""}:
                courses = {**_courses_by_name(request), **courses}
                courses.pop("", None)
            for name, course in courses.items():
                if (name in new or "" in new) and step > course.start_step:
                    lines += course_lines(_until(course, step), spec.accumulate, WRONG_AT_ANY_SCALE, name)
            courses = new if "" in new else {**courses, **new}
            request = switched if "" in new else request
            is_scaled = command.anchor == "current"
        elif isinstance(command, LR_COMMANDS):
            is_scaled = True
    codes = WRONG_AT_ANY_SCALE if is_scaled else None
    for name, course in courses.items():
        lines += course_lines(course, spec.accumulate, codes, name)
    return lines


def _courses_by_name(request: ForecastRequest) -> dict[str, ForecastRequest]:
    """Return a request for each of several optimizers that the schedule has one for."""
    schedule = parse_schedule(request.schedule)
    found, first = {}, 0
    parts = parse_optimizer(request.optimizer).parts
    groups = {name: len(part.lrs) for name, part in parts}
    for name, part in parts:
        if not schedule.is_per_optimizer or schedule.positional or name in schedule.arguments:
            own = schedule.for_optimizer(name, first, groups[name], sum(groups.values()))
            own = replace(own, per_given=own.per != own.default_per)
            found[name] = replace(request, schedule=str(own), optimizer=str(part))
        first += groups[name]
    return found


def _switched_courses(request: ForecastRequest) -> dict[str, ForecastRequest]:
    """Return the request of a switch; by name if it is for some of several optimizers only."""
    schedule, optimizer = parse_schedule(request.schedule), parse_optimizer(request.optimizer)
    if not schedule.is_per_optimizer or schedule.positional:
        return {"": request}
    if not optimizer.parts and len(schedule.items) == 1:
        # a single optimizer, with `scheduler =` in front of its schedule
        return {"": replace(request, schedule=str(schedule.children[0]))}
    names = {name for name, _ in optimizer.parts}
    is_partial = schedule.arguments.keys() < names
    return _courses_by_name(request) if is_partial else {"": request}


def _until(request: ForecastRequest, step: int) -> ForecastRequest:
    """Return the request up to the end of the epoch before a step, with the lengths that the whole one fills in."""
    filled, _ = fill_in(parse_schedule(request.schedule), request.schedule_horizon)
    return replace(request, schedule=str(filled), epochs=-(-step // request.batches_per_epoch))


def course_lines(
    request: ForecastRequest | None, accumulate: int, codes: Collection[str] | None = None, name: str = ""
) -> list[str]:
    """Return one line per finding on the lrs of the steps that a request covers; imports torch.

    Args:
        request: the schedule and the steps that it covers; None for an unknown one, which is not checked.
        accumulate: batches whose gradients make one optimizer step.
        codes: of the findings to return; None for all.
        name: the optimizer, where there are several.
    """
    if request is None:
        return []
    schedule, horizon = parse_schedule(request.schedule), request.schedule_horizon
    if horizon.calls(schedule.per) > MAX_CALLS_AT_START or horizon.steps > MAX_STEPS_AT_START:
        advice = " Run lrtui check to check this schedule." if horizon.total_steps <= MAX_STEPS else ""
        return [f"check: skipped, {counted(horizon.steps, 'step')} take too long.{advice}"]
    shown = course_findings(request, accumulate, codes)
    if name:
        # as it would be written in a command
        shown = [
            replace(each, message=f"{name}: {each.message}", fix=f"{name}={each.fix}" if each.fix else None)
            for each in shown
        ]
    return [f"check: {finding}" for finding in shown]


def course_findings(request: ForecastRequest, accumulate: int, codes: Collection[str] | None = None) -> list[Finding]:
    """Return the findings on the lrs of the steps that a request covers; imports torch.

    Args:
        accumulate: batches whose gradients make one optimizer step.
        codes: of the findings to return; None for all.
    """
    from lrtui.analysis.checks import check_schedule

    base_lrs = request.current_lrs if request.anchor == "current" and request.current_lrs else None
    schedule, optimizer = parse_schedule(request.schedule), parse_optimizer(request.optimizer)
    findings = check_schedule(schedule, optimizer, request.schedule_horizon, accumulate=accumulate, base_lrs=base_lrs)
    return [finding for finding in findings if codes is None or finding.code in codes]
