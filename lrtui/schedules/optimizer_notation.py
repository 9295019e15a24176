"""An optimizer from its notation: parsed, never evaluated."""

from __future__ import annotations

import ast
from typing import Any

from lrtui.schedules.arguments import (
    did_you_mean,
    keywords_by_name,
    match_arguments,
    read_literal,
    read_value,
)
from lrtui.schedules.optimizer import SEVERAL, TASK, Items, OptimizerSpec
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS, OptimizerEntry
from lrtui.schedules.parameter_pattern import Patterns
from lrtui.schedules.source import Source, dotted_name, read_source

MAX_GROUPS = 100

EXAMPLE = 'groups={"fc*": {"lr": 0.001}}'

PASTED_GROUPS = (
    "parameter groups are written by the names of their parameters, as "
    'groups={"*.bias": {"weight_decay": 0}, "ndim<2": {"weight_decay": 0}}; '
    "for groups made by code, give the task a method optimizer(model)"
)


def parse_optimizer(text: str) -> OptimizerSpec:
    """Return the optimizer that the text stands for.

    Args:
        text: `Adam(lr=0.01)`, `SGD(lr=0.1, groups={"fc*": {"lr": 0.01}})`, or a class of another package or file:
            `lion_pytorch:Lion(lr=1e-4)`, `my_optimizer.py:MyOptimizer()`. A user's class is not imported.

    Raises:
        NotationError: for anything else; `position` is the offset of the error.
    """
    source = read_source(text, "optimizer")
    call = source.tree
    if not isinstance(call, ast.Call):
        name = dotted_name(call) or ""
        hint = f"; write {name}(lr=0.01)" if name in OPTIMIZERS else did_you_mean(name, OPTIMIZERS)
        source.refuse(f"an optimizer is a call such as Adam(lr=0.01), not {source.segment(call)}{hint}", call)
    keywords_by_name(source, call)
    user_class = source.user_classes.get(source.offset(call.func)) if isinstance(call.func, ast.Name) else None
    if user_class is not None:
        return _user_optimizer(source, call, *user_class)
    name = dotted_name(call.func) or ""
    if name not in OPTIMIZERS:
        hint = f"; for a class of another package write {name.rpartition('.')[0]}:{name.rpartition('.')[2]}(...)"
        source.refuse(
            f"unknown optimizer {source.segment(call.func)}{hint if '.' in name else did_you_mean(name, OPTIMIZERS)}",
            call.func,
        )
    entry = OPTIMIZERS[name]
    groups, has_default_group = _read_groups(source, call, entry)
    _drop_parameters(source, call)
    values = {
        parameter.name: read_value(source, node, parameter)
        for parameter, node in match_arguments(source, call, name, entry.parameters)
    }
    items = tuple((p.name, values[p.name]) for p in entry.parameters if values.get(p.name) is not None)
    return OptimizerSpec(name, items, groups, has_default_group=has_default_group)


def _user_optimizer(source: Source, call: ast.Call, path: str, name: str) -> OptimizerSpec:
    """Read a class of another package or file; its arguments may be any literals."""
    if path == TASK and name == SEVERAL:
        return OptimizerSpec(name, path=path, parts=_read_parts(source, call))
    groups, has_default_group = _read_groups(source, call, None)
    _drop_parameters(source, call)
    items = [("", read_literal(source, node, "an argument")) for node in call.args]
    items += [(str(each.arg), read_literal(source, each.value, str(each.arg))) for each in call.keywords]
    if path == TASK:
        if not any(each == "lr" for each, _ in items):
            source.refuse(f"task:{name}(...) stands for the task's optimizer and needs its lr", call, "lr")
        # the groups of a task have every parameter
        has_default_group = not groups
    return OptimizerSpec(name, tuple(items), groups, path, has_default_group)


def _read_parts(source: Source, call: ast.Call) -> tuple[tuple[str, OptimizerSpec], ...]:
    parts = []
    for keyword in call.keywords:
        node = keyword.value
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        user_class = source.user_classes.get(source.offset(node.func)) if is_call else None  # type: ignore[attr-defined]
        if user_class is None or user_class[0] != TASK or user_class[1] == SEVERAL or not isinstance(node, ast.Call):
            source.refuse(f"{str(keyword.arg)[:40]} takes an optimizer of the task: task:AdamW(lr=0.01)", node)
        keywords_by_name(source, node)
        parts.append((str(keyword.arg), _user_optimizer(source, node, *user_class)))
    if call.args or not parts:
        source.refuse(f"{TASK}:{SEVERAL}(...) takes the task's optimizers by name", call)
    return tuple(parts)


def _drop_parameters(source: Source, call: ast.Call) -> None:
    """Skip `model.parameters()` as the first argument, so that a pasted line works."""
    first = call.args[0] if call.args else None
    given = next((keyword for keyword in call.keywords if keyword.arg == "params"), None)
    for node in (first, given.value if given else None):
        is_pasted = isinstance(node, (ast.List, ast.ListComp)) and any(
            isinstance(inner, ast.Dict) for inner in ast.walk(node)
        )
        if node is not None and (is_pasted or "group" in (_variable(node) or "")):
            source.refuse(PASTED_GROUPS, node, "groups")
    if isinstance(first, (ast.Call, ast.Name, ast.Attribute)):
        call.args.pop(0)
    call.keywords = [keyword for keyword in call.keywords if keyword.arg != "params"]


def _variable(node: ast.expr) -> str | None:
    return dotted_name(node.func if isinstance(node, ast.Call) else node)


def _read_groups(
    source: Source, call: ast.Call, entry: OptimizerEntry | None
) -> tuple[tuple[tuple[Patterns, Items], ...], bool]:
    """Return the groups, and whether there may be parameters that none of them has."""
    keywords = {keyword.arg: keyword for keyword in call.keywords}
    given, default = keywords.get("groups"), keywords.get("default_group")
    call.keywords = [keyword for keyword in call.keywords if keyword not in (given, default)]
    if default is not None and not (isinstance(default.value, ast.Constant) and default.value.value is False and given):
        source.refuse(
            "default_group=False says that the groups have every parameter; leave it out otherwise", default.value
        )
    if given is None:
        return (), True
    if not isinstance(given.value, ast.Dict) or not given.value.keys:
        source.refuse(
            f"groups must be a dict of patterns of parameter names and their settings, for example {EXAMPLE}",
            given.value,
            "groups",
        )
    if len(given.value.keys) > MAX_GROUPS:
        source.refuse(f"there are more than {MAX_GROUPS} groups", given.value, "groups")
    groups: dict[Patterns, Items] = {}
    for key, settings in zip(given.value.keys, given.value.values, strict=True):
        patterns = _read_patterns(source, key, given.value)
        if not isinstance(settings, ast.Dict):
            source.refuse(f"a group's settings must be a dict, for example {EXAMPLE}", settings, "groups")
        if patterns in groups:
            source.refuse(f"the pattern {patterns!r:.42} is given twice", key or settings, "groups")
        groups[patterns] = _read_settings(source, settings, entry)
    return tuple(groups.items()), default is None


def _read_patterns(source: Source, key: ast.expr | None, groups: ast.Dict) -> Patterns:
    nodes = key.elts if isinstance(key, (ast.Tuple, ast.List)) else [key]
    patterns = []
    for node in nodes:
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value):
            source.refuse(
                f"a group's pattern must be a string or several in brackets, for example {EXAMPLE} or "
                'groups={("*.bias", "norm*"): {"weight_decay": 0}}',
                node or groups,
                "groups",
            )
        patterns.append(node.value)
    if not patterns:
        source.refuse("a group needs a pattern of parameter names", key or groups, "groups")
    return patterns[0] if len(patterns) == 1 else tuple(patterns)


def _read_settings(source: Source, settings: ast.Dict, entry: OptimizerEntry | None) -> Items:
    by_name = {parameter.name: parameter for parameter in entry.parameters} if entry else {}
    values: dict[str, Any] = {}
    for key, node in zip(settings.keys, settings.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) else None
        if not isinstance(name, str) or (entry and name not in by_name):
            found = source.segment(key) if key is not None else "**"
            who = (
                f"{entry.name} has no setting {found}{did_you_mean(str(name), by_name)}"
                if entry
                else (f"the name of a setting must be a string, not {found}")
            )
            source.refuse(who, key or settings, "groups")
        parameter = by_name.get(name)
        values[name] = read_value(source, node, parameter) if parameter else read_literal(source, node, name)
    items = tuple((name, value) for name, value in values.items() if value is not None)
    if not items:
        source.refuse("the group sets nothing; give it an lr", settings, "groups")
    return items
