"""Schedules and optimizers as calls of PyTorch's classes."""

from __future__ import annotations

from typing import Any

from lrtui.schedules.export_code.function import lambda_text, needs_math
from lrtui.schedules.export_code.imports import Imports
from lrtui.schedules.export_code.layout import Call, Value
from lrtui.schedules.export_code.phase import child_calls, cycle_length
from lrtui.schedules.optimizer_notation import OptimizerSpec
from lrtui.schedules.schedule import Schedule, value_words


def scheduler_call(schedule: Schedule, imports: Imports, calls: int = -1) -> Call:
    """Return the call that builds the scheduler on `optimizer`.

    Args:
        schedule: filled in.
        imports: takes what the call needs.
        calls: `step()` calls whose lr is used: a OneCycleLR that ends before is held at its end; negative where the
            script's loop sees to that.
    """
    entry = schedule.entry
    if entry is None:
        own = [(name, _literal(value)) for name, value in schedule.items]
        return Call(imports.own(str(schedule.own), schedule.name), (("", "optimizer"), *own))
    held = schedule.name == "OneCycleLR" and calls > cycle_length(schedule) - 1
    arguments: list[tuple[str, Value]] = [] if schedule.name == "ChainedScheduler" else [("", "optimizer")]
    children: list[Value] = [scheduler_call(child, imports, own) for child, own in child_calls(schedule, calls)]
    for name, value in schedule.items:
        parameter = entry.parameter(name)
        if name == "schedulers":
            arguments.append(("" if schedule.name == "ChainedScheduler" else name, children))
        elif parameter is not None and parameter.kind == "expression":
            arguments.append((name, _function(value, imports)))
        else:
            arguments.append((name, _value(value)))
    return Call(imports.scheduler(entry, held=held), tuple(arguments))


def optimizer_call(spec: OptimizerSpec, parameters: str, imports: Imports) -> Call:
    """Return the call that builds the optimizer.

    Args:
        parameters: what it is built over.
    """
    imports.name("torch", "optim")
    arguments = {"lr": spec.lr, **spec.arguments}
    words = [(name, setting_words(arguments[name])) for name in arguments]
    return Call(f"optim.{spec.name}", (("", parameters), *words))


def setting_words(value: Any) -> str:
    """Return an optimizer's setting as Python: pairs are tuples there."""
    if isinstance(value, tuple):
        return f"({', '.join(setting_words(item) for item in value)})"
    return value_words(value)


def _value(value: Any) -> Value:
    return [value_words(item) for item in value] if isinstance(value, tuple) else value_words(value)


def _literal(value: Any) -> Value:
    return [_literal(item) for item in value] if isinstance(value, tuple) else repr(value)


def _function(value: Any, imports: Imports) -> Value:
    if isinstance(value, tuple):
        return [_function(item, imports) for item in value]
    if needs_math(value):
        imports.module("math")
    return lambda_text(value)
