"""Another schedule in mid-run: how a script puts it in place."""

from __future__ import annotations

from lrtui.schedules.export_code.calls import scheduler_call
from lrtui.schedules.export_code.comment import comment_line
from lrtui.schedules.export_code.course import Moment, Scaled
from lrtui.schedules.export_code.course_plan import Plan
from lrtui.schedules.export_code.imports import Imports
from lrtui.schedules.export_code.layout import INDENT, call_lines
from lrtui.schedules.export_code.phase import Phase
from lrtui.schedules.export_code.scaling import READ_LRS, no_scale, scale_words


def reset_lines(plan: Plan) -> list[str]:
    """Return the function that removes what a scheduler leaves behind; it comes before the first scheduler is built."""
    if not plan.switches:
        return []
    lines = '''\
# the groups as configured, before any scheduler has written into them
configured = [
    {name: value for name, value in group.items() if name != "params"}
    for group in optimizer.param_groups
]


def reset_groups():
    """Take away all that the scheduler left in the groups: lr, momentum, initial_lr ..."""
    for group, settings in zip(optimizer.param_groups, configured):
        for name in group.keys() - settings.keys() - {"params"}:
            del group[name]
        group.update(settings)
'''
    if plan.resets_by_lr:
        lines = lines.replace("def reset_groups():", "def reset_groups(lrs=None):")
        lines += """\
    if lrs is not None:
        for group, lr in zip(optimizer.param_groups, lrs):
            group["lr"] = lr
"""
    return [*lines.splitlines(), "", ""]


def first_lines(plan: Plan, imports: Imports) -> list[str]:
    """Return what builds the first scheduler."""
    phase, course = plan.phases[0], plan.course
    lines = []
    if course.start_lrs:
        lrs = ", ".join(map(repr, course.start_lrs))
        lines += [f"for group, lr in zip(optimizer.param_groups, [{lrs}]):", f'{INDENT}group["lr"] = lr']
    lines += call_lines("scheduler = ", scheduler_call(phase.schedule, imports, _calls(plan, phase)))
    return [*lines, *_catch_up(phase, plan), *_variables(phase, plan)]


def block_lines(moment: Moment, plan: Plan, imports: Imports) -> list[str]:
    """Return what is done at a moment of the loop, without indent."""
    lines: list[str] = []
    phases = iter([phase for phase in plan.phases[1:] if any(phase.switched is each for each in moment.changes)])
    for change in moment.changes:
        if isinstance(change, Scaled):
            lines += [comment_line(change.words)] if change.words else []
            lines += [f"scale = {scale_words(change, plan)}", "write_lr()"]
        else:
            lines += _switch(next(phases), plan, imports)
    return lines


def _switch(phase: Phase, plan: Plan, imports: Imports) -> list[str]:
    switched = phase.switched
    lines = [comment_line(switched.words)] if switched.words else []
    lines.append(f"reset_groups(lrs={READ_LRS})" if switched.anchor == "current" else "reset_groups()")
    lines += call_lines("scheduler = ", scheduler_call(phase.schedule, imports, _calls(plan, phase)))
    lines += _catch_up(phase, plan)
    if plan.scales:
        lines += [f"scale, unscaled = {no_scale(plan)}, {READ_LRS}"]
    return [*lines, *_variables(phase, plan)]


def _calls(plan: Plan, phase: Phase) -> int:
    # where the loop sees to the end of a cycle the class itself need not
    return -1 if plan.holds_in_loop else phase.calls


def _catch_up(phase: Phase, plan: Plan) -> list[str]:
    calls = phase.calls_before
    if not calls:
        return []
    lines = ["# as if from the run's start"]
    index = next(number for number, each in enumerate(plan.phases) if each is phase)
    if phase.schedule.metric is None and not any(_has_seen_a_step(each, phase) for each in plan.phases[:index]):
        # no scheduler so far has seen the optimizer step, and this one would warn that it doesn't
        lines.append("optimizer._opt_called = True")
    if phase.schedule.metric is None:
        return [*lines, f"for _ in range({calls}):", f"{INDENT}scheduler.step()"]
    return [
        *lines,
        f"for earlier in test_results[:{calls}]:",
        f'{INDENT}scheduler.step(earlier["{phase.schedule.metric}"])',
    ]


def _has_seen_a_step(phase: Phase, later: Phase) -> bool:
    """Say whether the optimizer has stepped while the scheduler looked; a ReduceLROnPlateau does not look."""
    return phase.schedule.metric is None and phase.step < later.step


def _variables(phase: Phase, plan: Plan) -> list[str]:
    """Return what the loop asks of the schedule in force, where that varies."""
    lines = []
    if plan.both_units:
        lines.append(f"per_batch = {phase.schedule.per == 'batch'}")
    if plan.metric_varies and phase.schedule.per == "epoch":
        lines.append(f"metric = {phase.schedule.metric!r}".replace("'", '"'))
    if plan.averages and (phase.averages_from is not None or plan.switches):
        if phase.averages_from is not None:
            lines.append("averaged_model = AveragedModel(model)")
        if plan.switches:
            lines.append(f"average_from = {phase.averages_from}")
    return lines
