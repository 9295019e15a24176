"""A schedule from its notation: parsed, never evaluated."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import pairwise
from typing import Any

from lrtui.schedules.arguments import (
    did_you_mean,
    keywords_by_name,
    match_arguments,
    read_list,
    read_literal,
    read_value,
)
from lrtui.schedules.catalogue import CATALOGUE, Per, SchedulerEntry
from lrtui.schedules.optimizer_notation import parse_optimizer
from lrtui.schedules.schedule import PER_OPTIMIZER, Schedule, default_metric
from lrtui.schedules.source import Source, dotted_name, read_source
from lrtui.text.format import counted

__all__ = ["parse_optimizer", "parse_schedule"]

MAX_NESTING = 6
"""Maximum depth of schedules nested in schedules."""


def parse_schedule(text: str) -> Schedule:
    """Return the schedule that the text stands for.

    Args:
        text: as PyTorch writes it: `StepLR(step_size=3)`; the optimizer may be left out, module names, `scheduler =`
            in front and lambdas are accepted.

    Raises:
        NotationError: for anything else; `position` is the offset of the error.
    """
    source = read_source(text, "schedule")
    return _Parser(source).parse()


class _Parser:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._per: Per | None = None

    def parse(self) -> Schedule:
        node = self._source.tree
        if isinstance(node, ast.Call):
            self._per = self._take_per(node)
        return self._schedule(node, 0)

    def _take_per(self, call: ast.Call) -> Per | None:
        given = next((keyword for keyword in call.keywords if keyword.arg == "per"), None)
        if given is None:
            return None
        call.keywords.remove(given)
        value = given.value.value if isinstance(given.value, ast.Constant) else None
        if value not in ("batch", "epoch"):
            self._source.refuse('per must be "batch" or "epoch": step() is called after each', given.value, "per")
        return "batch" if value == "batch" else "epoch"

    def _schedule(self, node: ast.expr, depth: int) -> Schedule:
        source = self._source
        if depth > MAX_NESTING:
            source.refuse(f"schedules are nested more than {MAX_NESTING} deep", node)
        if not isinstance(node, ast.Call):
            name = dotted_name(node) or ""
            hint = f"; write {CATALOGUE[name].example}" if name in CATALOGUE else _similar_name(name)
            source.refuse(f"a schedule is a call such as StepLR(step_size=3), not {source.segment(node)}{hint}", node)
        if "per" in (keywords := keywords_by_name(source, node)):
            message = "per= belongs at the end of the outermost call, once; the schedules inside follow it"
            source.refuse(message, keywords["per"])
        # only a plain name can stand for a user's class: in a:B(1)(2) the inner and the outer call start at one offset
        user_class = source.user_classes.get(source.offset(node.func)) if isinstance(node.func, ast.Name) else None
        if user_class is not None:
            return self._user_schedule(node, user_class, depth)
        called = dotted_name(node.func) or ""
        if called == PER_OPTIMIZER and depth == 0:
            return self._per_optimizer(node)
        entry = CATALOGUE.get(called)
        if entry is None:
            source.refuse(f"unknown schedule {source.segment(node.func)}{_similar_name(called)}", node.func)
        return self._catalogue_schedule(node, entry, depth)

    def _per_optimizer(self, call: ast.Call) -> Schedule:
        """Read a schedule for each of several optimizers, each per batch or per epoch."""
        if not call.keywords or len(call.args) > 1:
            self._source.refuse(
                f"{PER_OPTIMIZER} takes a schedule for each optimizer by its name: "
                f"{PER_OPTIMIZER}(muon=StepLR(3), adamw=CosineAnnealingLR())",
                call,
            )
        given, continues = self._per, self._take_continues(call)
        items = []
        # the schedule without a name is that of all other optimizers
        for name, node in [*(("", node) for node in call.args), *((str(k.arg), k.value) for k in call.keywords)]:
            if not isinstance(node, ast.Call) or dotted_name(node.func) == PER_OPTIMIZER:
                self._source.refuse(f"{name[:40] or PER_OPTIMIZER} takes a schedule", node, name)
            # the unit of one is its own, or that of the whole
            own = self._take_per(node)
            self._per = own or given
            items.append((name, replace(self._schedule(node, 0), per_given=own is not None)))
        per: Per = "batch" if any(child.per == "batch" for _, child in items) else "epoch"
        averaging = next((child for _, child in items if child.averages_from is not None), None)
        if averaging is not None and len({child.per for _, child in items}) > 1:
            self._source.refuse(
                f"{averaging} averages weights and needs the same unit as the schedules beside it: add per= at the end "
                f"of {PER_OPTIMIZER}",
                call,
                "per",
            )
        return Schedule(PER_OPTIMIZER, tuple(items), per, given is not None, continues=continues)

    def _take_continues(self, call: ast.Call) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """Return the optimizers whose schedules were in place before, each with the step and the lrs of their start."""
        given = next((keyword for keyword in call.keywords if keyword.arg == "continues"), None)
        if given is None:
            return ()
        call.keywords.remove(given)
        if not isinstance(given.value, ast.Dict):
            self._source.refuse('continues takes the steps and lrs of schedules: {"adamw": [0, 0.003]}', given.value)
        found = []
        for key, node in zip(given.value.keys, given.value.values, strict=True):
            numbers = read_literal(self._source, node, "continues")
            is_list = isinstance(numbers, tuple) and len(numbers) > 1 and isinstance(numbers[0], int)
            if not (isinstance(key, ast.Constant) and isinstance(key.value, str) and is_list):
                self._source.refuse("continues takes a step and the lrs of the groups for each optimizer", node)
            found.append((key.value, (numbers[0], *map(float, numbers[1:]))))
        return tuple(found)

    def _catalogue_schedule(self, call: ast.Call, entry: SchedulerEntry, depth: int) -> Schedule:
        per = self._unit(call, entry, depth)
        metric = self._take_metric(call, entry)
        values: dict[str, Any] = {}
        for parameter, node in match_arguments(self._source, call, entry.name, entry.parameters, drop_optimizer=True):
            if parameter.kind == "schedule":
                values[parameter.name] = self._inside_warmup(node)
            elif parameter.kind == "schedules":
                nodes = read_list(self._source, node, parameter)
                values[parameter.name] = tuple(self._child(child, entry, depth + 1) for child in nodes)
            else:
                values[parameter.name] = read_value(self._source, node, parameter)
        for parameter in entry.parameters:
            if parameter.is_required and parameter.name not in values and parameter.name not in entry.fills:
                self._source.refuse(
                    f"{entry.name} needs {parameter.name}: {parameter.help}; for example {entry.example}",
                    call,
                    parameter.name,
                )
        items = tuple((p.name, values[p.name]) for p in entry.parameters if values.get(p.name) is not None)
        schedule = Schedule(entry.name, items, per, self._per is not None and depth == 0)
        schedule = replace(schedule, metric=metric or default_metric(schedule))
        self._check_together(schedule, entry, call)
        return schedule

    def _child(self, node: ast.expr, parent: SchedulerEntry, depth: int) -> Schedule:
        child = self._schedule(node, depth)
        if parent.composite == "sequence" and child.children:
            # PyTorch steps the first child twice at the start, and fails at the milestone of a later one
            fix = f"put a {parent.name} inside a {child.name}, which works"
            if child.name == parent.name:
                fix = f"list all schedules in one {parent.name}, with more milestones"
            message = f"PyTorch can't start a {child.name} inside a {parent.name} at the right step; {fix}"
            self._source.refuse(message, node, "schedulers")
        return child

    def _inside_warmup(self, node: ast.expr) -> Schedule:
        """Read the schedule inside a Warmup: it has a unit of its own, unless that of the Warmup is given."""
        inner = _Parser(self._source)
        if isinstance(node, ast.Call):
            given = keywords_by_name(self._source, node).get("per")
            if given is not None and self._per is not None:
                self._source.refuse("per= of the Warmup is for the schedule inside as well: give one", given, "per")
            entry = CATALOGUE.get(dotted_name(node.func) or "")
            # a schedule that follows a metric has no other unit
            inner._per = (
                None if entry and entry.follows_metric and given is None else inner._take_per(node) or self._per
            )
        child = inner._schedule(node, 0)
        if child.is_per_optimizer or (child.entry and child.entry.composite == "warmup"):
            self._source.refuse(f"a {child.name} can't be inside a Warmup", node, "scheduler")
        unit = self._per or "batch"
        if child.averages_from is not None and child.per != unit:
            message = f'weights are averaged per {child.per}: add per="{child.per}" at the end of the Warmup'
            self._source.refuse(message, node, "per")
        return child if self._per is None else replace(child, per_given=False)

    def _unit(self, call: ast.Call, entry: SchedulerEntry, depth: int) -> Per:
        if depth and entry.composite == "warmup":
            message = "a Warmup goes around all other schedules: Warmup(200, SequentialLR([...], milestones=[...]))"
            self._source.refuse(message, call)
        if entry.follows_metric:
            if depth:
                message = f"{entry.name} needs a metric and can't be inside another schedule: PyTorch refuses it"
                self._source.refuse(message, call)
            if self._per == "batch":
                message = f"{entry.name} steps per epoch only: its metric is known after the epoch's test"
                self._source.refuse(message, call, "per")
        if depth and self._per is None and entry.unit == "batch":
            self._source.refuse(
                f'{entry.name} steps per batch, the schedule around it per epoch: add per="batch" (or per="epoch") at '
                "the end of the outermost call; milestones are counted in that unit",
                call,
                "per",
            )
        return self._per or (entry.unit if depth == 0 else "epoch")

    def _take_metric(self, call: ast.Call, entry: SchedulerEntry) -> str | None:
        given = next((keyword for keyword in call.keywords if keyword.arg == "metric"), None)
        if given is None or not entry.follows_metric:
            return None
        call.keywords.remove(given)
        value = given.value.value if isinstance(given.value, ast.Constant) else None
        if not isinstance(value, str) or not value.isidentifier() or len(value) > 60:
            message = 'metric takes "loss", "accuracy" or the name of a task\'s metric'
            self._source.refuse(message, given.value, "metric")
        return value

    def _user_schedule(self, call: ast.Call, user_class: tuple[str, str], depth: int) -> Schedule:
        """Read a user's class; its arguments may be any literals."""
        path, name = user_class
        arguments = call.args[1:] if call.args and _is_optimizer(call.args[0]) else call.args
        items = [("", read_literal(self._source, node, "an argument")) for node in arguments]
        items += [
            (str(keyword.arg), read_literal(self._source, keyword.value, str(keyword.arg)))
            for keyword in call.keywords
            if not _is_optimizer(keyword.value)
        ]
        schedule = Schedule(name, tuple(items), user_path=path)
        per = self._per or (schedule.default_per if depth == 0 else "epoch")
        return replace(schedule, per=per, per_given=self._per is not None and depth == 0)

    def _check_together(self, schedule: Schedule, entry: SchedulerEntry, call: ast.Call) -> None:
        """Refuse arguments that are valid one by one but not together."""
        arguments = schedule.arguments
        if entry.composite == "sequence":
            wanted, given = len(schedule.children) - 1, len(arguments["milestones"])
            if given != wanted:
                message = (
                    f"{counted(wanted + 1, 'schedule')} have {counted(wanted, 'milestone')} between them, not {given}"
                )
                self._source.refuse(message, call, "milestones")
            if any(later <= earlier for earlier, later in pairwise(arguments["milestones"])):
                self._source.refuse("milestones must be in increasing order", call, "milestones")
        if 0 < sum(name in arguments for name in entry.length_factors) < len(entry.length_factors):
            names = " and ".join(entry.length_factors)
            self._source.refuse(f"give both {names}, or neither", call, entry.length_factors[0])


def _is_optimizer(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "optimizer"


def _similar_name(name: str) -> str:
    # difflib finds short names too different from those with LR: Step and StepLR
    with_ending = f"{name}LR"
    return f"; did you mean {with_ending}?" if with_ending in CATALOGUE else did_you_mean(name, CATALOGUE)
