"""The scale that lies over a schedule: how a script keeps it, and its table of nudges."""

from __future__ import annotations

from lrtui.schedules.export_code.comment import comment
from lrtui.schedules.export_code.course import Scaled
from lrtui.schedules.export_code.course_plan import Plan
from lrtui.schedules.export_code.layout import INDENT

READ_LRS = '[group["lr"] for group in optimizer.param_groups]'


def scale_words(scaled: Scaled, plan: Plan) -> str:
    """Return the factor, or the list of them where groups differ."""
    return repr(scaled.scale[0]) if plan.one_scale else repr(list(scaled.scale))


def no_scale(plan: Plan) -> str:
    """Return the scale of a schedule that nobody has touched."""
    return "1.0" if plan.one_scale else f"[1.0] * {len(plan.course.optimizer.lrs)}"


def scale_lines(plan: Plan) -> list[str]:
    """Return what keeps the scale outside the scheduler, and the table of its changes; nothing without any."""
    if not plan.scales:
        return []
    table = []
    if plan.scale_moments:
        table = ["# from these steps on"]
        table.append("scales = {")
        for moment in plan.scale_moments:
            last = moment.changes[-1]
            assert isinstance(last, Scaled)
            words = ", ".join(change.words for change in moment.changes if change.words)
            table.append(f"{INDENT}{moment.step}: {scale_words(last, plan)},{comment(words)}")
        table.append("}")
    each, factors = ("lr * scale", "") if plan.one_scale else ("lr * factor", ", scale")
    names = "group, lr" if plan.one_scale else "group, lr, factor"
    return f"""\
# the schedule's own lr is multiplied with this
scale = {no_scale(plan)}
unscaled = {READ_LRS}
{chr(10).join(table)}

def write_lr():
    for {names} in zip(optimizer.param_groups, unscaled{factors}):
        group["lr"] = {each}


def step_scheduler(*metric):
    # the scheduler sees its own lr alone: it may build the next one on what it finds
    for group, lr in zip(optimizer.param_groups, unscaled):
        group["lr"] = lr
    scheduler.step(*metric)
    unscaled[:] = {READ_LRS}
    write_lr()

""".splitlines()
