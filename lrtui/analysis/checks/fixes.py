"""Changes to a schedule, used by traps to build candidate fixes; `check` tries each fix before it suggests one."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from lrtui.analysis.checks.context import Part, ScheduleContext
from lrtui.schedules.expression import VARIABLES
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.step_count import is_share
from lrtui.text.format import two_digits


def part_at(schedule: Schedule, path: tuple[int, ...]) -> Schedule:
    """Return the scheduler at a path of child indices."""
    for index in path:
        schedule = schedule.children[index]
    return schedule


def replace_part(schedule: Schedule, path: tuple[int, ...], replacement: Schedule) -> Schedule:
    """Return the whole schedule with the scheduler at the path replaced."""
    if not path:
        return replacement
    children = list(schedule.children)
    children[path[0]] = replace_part(children[path[0]], path[1:], replacement)
    return schedule.with_children(children)


def change_part(schedule: Schedule, path: tuple[int, ...], **arguments: Any) -> Schedule:
    """Return the whole schedule with arguments of the scheduler at the path set; None removes an argument."""
    return replace_part(schedule, path, part_at(schedule, path).with_arguments(**arguments))


def change(context: ScheduleContext, parts: Iterable[Part], **arguments: Any) -> Schedule:
    """Return the whole schedule with these arguments set in each of the parts; None removes an argument."""
    whole = context.schedule
    for part in parts:
        whole = change_part(whole, part.path, **arguments)
    return whole


def without_length(schedule: Schedule) -> Schedule:
    """Return a scheduler without the lengths that lrtui fills in from the run."""
    entry = schedule.entry
    return schedule.with_arguments(**dict.fromkeys((*entry.fills, *entry.length_factors))) if entry else schedule


def with_run_length(context: ScheduleContext, parts: Iterable[Part]) -> Schedule:
    """Return the whole schedule with the lengths of these parts left to be filled in."""
    whole = context.schedule
    for part in parts:
        whole = replace_part(whole, part.path, without_length(part_at(whole, part.path)))
    return whole


def with_default_unit(schedule: Schedule) -> Schedule:
    """Return the schedule without `per=`."""
    return Schedule(schedule.name, schedule.items, user_path=schedule.user_path, metric=schedule.metric)


def per_batch(context: ScheduleContext) -> Iterator[Schedule]:
    """Yield the schedule stepped after every batch, first unchanged and then with arguments that fit."""
    if context.schedule.per == "batch" or context.follows_metric:
        return
    changed = replace(context.schedule, per="batch", per_given=True)
    yield changed
    stepped = context.with_schedule(changed)
    if stepped is not None:
        yield from fits(stepped)


def fit_of(context: ScheduleContext, part: Part) -> list[Schedule]:
    """Return the whole schedule with one part fitted to its number of calls; empty if that is not possible."""
    found = _fitted(context, part)
    return [] if found is None else [replace_part(context.schedule, part.path, found)]


def _fitted(context: ScheduleContext, part: Part) -> Schedule | None:
    """Return a part with arguments that fit its number of calls; None if they fit already or are unknown."""
    found, written = part.fitted, part_at(context.schedule, part.path)
    if found is None:
        return None
    if part.schedule.children:
        # those of the part have their lengths filled in
        found = found.with_children(written.children)
    return found.with_arguments(**{name: as_written(context, part, name, value) for name, value in found.items if name})


def as_written(context: ScheduleContext, part: Part, name: str, value: Any) -> Any:
    """Return a new value of a part's argument as a share of the run if the user wrote a share, else as it is."""
    before, parameter = part_at(context.schedule, part.path).arguments.get(name), part.entry.parameter(name)
    if parameter is None or parameter.kind != "steps" or not is_share(before):
        return value
    share = two_digits(value / part.calls)
    return before if value == part.get(name) else share if is_share(share) else value


def fits(context: ScheduleContext) -> Iterator[Schedule]:
    """Yield the schedule with one part fitted to its number of calls, the last part first; then with all of them;
    for a chain, finally without one of its children.
    """
    # composites have nothing to fit, except for the warmup around another schedule
    fitted = [(part, found) for part in reversed(context.parts) if (found := _fitted(context, part)) is not None]
    for part, found in fitted:
        yield replace_part(context.schedule, part.path, found)
    if len(fitted) > 1:
        whole = context.schedule
        for part, found in fitted:
            whole = replace_part(whole, part.path, found)
        yield whole
    if context.parts[0].entry.composite == "chain":
        yield from without_one_child(context)


def without_child(schedule: Schedule, index: int) -> Schedule:
    """Return a composite without one of its children and, in a sequence, without the milestone next to it."""
    children = tuple(child for position, child in enumerate(schedule.children) if position != index)
    milestones = list(schedule.arguments.get("milestones", ()))
    if not milestones:
        return schedule.with_arguments(schedulers=children)
    milestones.pop(max(0, index - 1))
    return schedule.with_arguments(schedulers=children, milestones=tuple(milestones))


def without_one_child(context: ScheduleContext) -> Iterator[Schedule]:
    """Yield the outermost composite without one of its children, the last first; a single child stands alone."""
    for index in reversed(range(len(context.schedule.children))):
        rest = without_child(context.schedule, index)
        if len(rest.children) == 1:
            yield standalone(context, rest.children[0])
        elif rest.children:
            yield rest


def standalone(context: ScheduleContext, child: Schedule) -> Schedule:
    """Return a child as the whole schedule, stepped in the same unit as the composite."""
    per_given = child.entry is None or child.entry.unit != context.schedule.per
    return replace(child, per=context.schedule.per, per_given=per_given)


# --- expressions -----------------------------------------------------------------------------------------------------


def each_expression(part: Part, changed: Callable[[str], str]) -> str | tuple[str, ...]:
    """Return a part's `lr_lambda` with the expression changed, or each of a list of them."""
    given = part.get("lr_lambda")
    return tuple(changed(text) for text in given) if isinstance(given, tuple) else changed(given)


def counted_from_one(context: ScheduleContext) -> Iterator[Schedule]:
    """Yield the schedule with the steps of one expression counted from 1: `epoch / 10` becomes `(epoch + 1) / 10`."""
    return _with_step(context, lambda name: ast.BinOp(left=name, op=ast.Add(), right=ast.Constant(value=1)))


def slowed(context: ScheduleContext, pace: float) -> Iterator[Schedule]:
    """Yield the schedule with one expression slowed down: `cos(epoch)` becomes `cos(0.5 * epoch)`."""
    return _with_step(context, lambda name: ast.BinOp(left=ast.Constant(value=pace), op=ast.Mult(), right=name))


def _with_step(context: ScheduleContext, changed: Callable[[ast.Name], ast.expr]) -> Iterator[Schedule]:
    for part in context.parts:
        if part.entry.takes_function and part.entry.recomputes:
            yield change(context, [part], lr_lambda=each_expression(part, lambda text: _replace_step(text, changed)))


def _replace_step(text: str, changed: Callable[[ast.Name], ast.expr]) -> str:
    class ReplaceStep(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.AST:
            return changed(node) if node.id in VARIABLES else node

    # brackets allow an expression of several lines
    return ast.unparse(ReplaceStep().visit(ast.parse(f"({text.strip()})", mode="eval").body))
