"""The scale of a script, which multiplies the schedule's lr from outside the scheduler."""

from __future__ import annotations

from lrtui.schedules.export_code.layout import INDENT, comment_line
from lrtui.schedules.export_code.phases import ScriptFeatures
from lrtui.schedules.export_code.timeline import ScaleChange

READ_LRS = '[group["lr"] for group in optimizer.param_groups]'


def scale_text(scaled: ScaleChange, features: ScriptFeatures) -> str:
    """Return the scale as text: a number, or a list if groups differ."""
    return repr(scaled.scale[0]) if features.one_scale else repr(list(scaled.scale))


def no_scale(features: ScriptFeatures) -> str:
    """Return the text of a scale of 1."""
    return "1.0" if features.one_scale else f"[1.0] * {len(features.timeline.optimizer.lrs)}"


def scale_lines(features: ScriptFeatures) -> list[str]:
    """Return the functions that keep the scale outside the scheduler, and the table of its changes."""
    if not features.scales:
        return []
    table = []
    if features.scale_points:
        table = ["# new scale from these steps on"]
        table.append("scales = {")
        for point in features.scale_points:
            last = point.changes[-1]
            assert isinstance(last, ScaleChange)
            text = ", ".join(change.comment for change in point.changes if change.comment)
            behind = f"  {comment_line(text)}" if text else ""
            table.append(f"{INDENT}{point.step}: {scale_text(last, features)},{behind}")
        table.append("}")
    table_text = "\n".join(table)
    each, factors = ("lr * scale", "") if features.one_scale else ("lr * factor", ", scale")
    names = "group, lr" if features.one_scale else "group, lr, factor"
    # a warmup per batch around a schedule per epoch is stepped by two methods
    arguments, step = ("step, *metric", "step") if features.warms_up_per_batch else ("*metric", "scheduler.step")
    return f"""\
# the lr of the schedule is multiplied by this
scale = {no_scale(features)}
unscaled = {READ_LRS}
{table_text}

def write_lr():
    for {names} in zip(optimizer.param_groups, unscaled{factors}):
        group["lr"] = {each}


def step_scheduler({arguments}):
    # the scheduler must see the unscaled lr, since it may compute the next one from it
    for group, lr in zip(optimizer.param_groups, unscaled):
        group["lr"] = lr
    {step}(*metric)
    unscaled[:] = {READ_LRS}
    write_lr()

""".splitlines()
