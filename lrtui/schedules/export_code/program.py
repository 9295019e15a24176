"""The whole script."""

from __future__ import annotations

from lrtui.schedules.export_code.calls import optimizer_call
from lrtui.schedules.export_code.comment import comment_line
from lrtui.schedules.export_code.course import Course
from lrtui.schedules.export_code.course_plan import Plan
from lrtui.schedules.export_code.groups import group_lines
from lrtui.schedules.export_code.imports import HELD, Imports
from lrtui.schedules.export_code.layout import call_lines, spaced
from lrtui.schedules.export_code.loop import loop_lines
from lrtui.schedules.export_code.placeholders import placeholder_lines
from lrtui.schedules.export_code.scaling import scale_lines
from lrtui.schedules.export_code.switching import first_lines, reset_lines

HELD_CYCLE = f'''\
class {HELD}(OneCycleLR):
    """A OneCycleLR that holds its last lr: PyTorch's goes up again, then raises an error."""

    def get_lr(self):
        calls = self.last_epoch
        self.last_epoch = min(calls, self.total_steps - 1)
        try:
            return super().get_lr()
        finally:
            self.last_epoch = calls
'''


def torch_code(course: Course) -> str:
    """Return a script that trains with the course's lr at every step, exactly, and needs nothing but PyTorch.

    It runs as it is, on a model and data of a few numbers that stand where the user's own belong.

    Args:
        course: what is to be reproduced.
    """
    course = course.needed
    plan, imports = Plan(course), Imports()
    sizes = [f"epochs = {course.epochs}", f"batches_per_epoch = {course.batches_per_epoch}"]
    if course.accumulate > 1:
        sizes[-1] += "  # optimizer steps"
        sizes.append(f"accumulate = {course.accumulate}  # batches a step")
    placeholders = placeholder_lines(course, plan.metrics, imports)
    groups = group_lines(course.optimizer, imports)
    parameters = "parameter_groups(model)" if groups else "model.parameters()"
    optimizer = call_lines("optimizer = ", optimizer_call(course.optimizer, parameters, imports))
    reset, first = reset_lines(plan), first_lines(plan, imports)
    scale, loop = scale_lines(plan), loop_lines(plan, imports)
    if plan.averages:
        imports.name("torch.optim.swa_utils", "AveragedModel")
        if plan.phases[-1].averages_from is not None:
            imports.name("torch.optim.swa_utils", "update_bn")
    held = HELD_CYCLE.splitlines() if imports.holds_cycles else []
    parts = [[comment_line(note) for note in course.notes], imports.lines(), held, sizes, placeholders]
    parts += [groups, *([optimizer, reset, first] if reset else [[*optimizer, *first]]), scale, loop]
    return "\n".join(spaced([line for part in parts if part for line in (*part, "")])).rstrip("\n") + "\n"
