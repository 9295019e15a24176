"""From a schedule's value to PyTorch's object."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lrtui.run.errors import NotationError
from lrtui.schedules.catalogue import SchedulerEntry
from lrtui.schedules.expression import Expression
from lrtui.schedules.filling import fill_in
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.optimizer_notation import OptimizerSpec
from lrtui.schedules.own_class import load_own_class
from lrtui.schedules.schedule import Schedule

if TYPE_CHECKING:
    import torch


def build(schedule: Schedule, optimizer: torch.optim.Optimizer, horizon: Horizon) -> Any:
    """Return PyTorch's scheduler, built on the optimizer as it stands: on its lr, and into its parameter groups.

    Args:
        schedule: lengths left out are filled in.
        optimizer: whose lr the scheduler will write.
        horizon: the stretch that the schedule covers.

    Raises:
        NotationError: for whatever PyTorch's constructor refuses.
    """
    filled, _ = fill_in(schedule, horizon)
    try:
        return _build(filled, optimizer)
    except NotationError as error:
        raise NotationError(error.message, error.text or str(schedule), error.position, error.field) from None


def build_tiny_optimizer(spec: OptimizerSpec) -> torch.optim.Optimizer:
    """Return an optimizer of the same class, arguments and groups over one number a group, to try schedules on."""
    import torch

    from lrtui.schedules.optimizers import build_optimizer

    # a matrix of one number: Muon takes matrices only
    named = [(pattern, torch.nn.Parameter(torch.zeros(1, 1))) for pattern in spec.group_names]
    exact = OptimizerSpec(spec.name, spec.items, tuple((f"{i}", items) for i, (_, items) in enumerate(spec.groups)))
    renamed = [(name if i == 0 else str(i - 1), parameter) for i, (name, parameter) in enumerate(named)]
    return build_optimizer(exact, renamed)


def check_buildable(schedule: Schedule, optimizer: OptimizerSpec, horizon: Horizon) -> None:
    """Build the schedule on a tiny optimizer of the same kind and throw it away; imports torch.

    Raises:
        NotationError: for a schedule that PyTorch can't build on this optimizer.
    """
    build(schedule, build_tiny_optimizer(optimizer), horizon)


def _build(schedule: Schedule, optimizer: torch.optim.Optimizer) -> Any:
    entry = schedule.entry
    if entry is None:
        scheduler_class = load_own_class(str(schedule.own), schedule.name, str(schedule))
        positional = [_plain(value) for value in schedule.positional]
    else:
        scheduler_class = _scheduler_class(entry)
        positional = []
    arguments = {name: _plain(value) for name, value in schedule.arguments.items()}
    if entry:
        _make_functions(entry, arguments)
    if schedule.children:
        arguments["schedulers"] = [_build(child, optimizer) for child in schedule.children]
        if entry and entry.composite == "chain":
            return _call(schedule, scheduler_class, [], {**arguments, "optimizer": optimizer})
    return _call(schedule, scheduler_class, [optimizer, *positional], arguments)


def _call(schedule: Schedule, scheduler_class: type[Any], positional: list[Any], arguments: dict[str, Any]) -> Any:
    try:
        return scheduler_class(*positional, **arguments)
    except NotationError:
        raise
    except Exception as error:  # PyTorch's and users' constructors refuse with whatever exception they like
        who = f"{schedule.own}:{schedule.name} refuses its arguments" if schedule.own else f"PyTorch refuses {schedule}"
        words = " ".join(str(error).split()) or type(error).__name__
        hints = schedule.entry.hints if schedule.entry else {}
        found = next((hint for part, hint in hints.items() if part in f"{type(error).__name__}: {error}"), None)
        raise NotationError(f"{who}: {words}{f'; {found}' if found else ''}", str(schedule)) from error


def _scheduler_class(entry: SchedulerEntry) -> type[Any]:
    module, _, name = (entry.stepped_as or entry.class_path).partition(":")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise NotationError(f"{entry.name} needs {module}, which can't be imported: {error}") from None
    if found is None:
        where = "the installed PyTorch" if module.startswith("torch.") else module
        raise NotationError(f"{where} has no {name}")
    return found  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _make_functions(entry: SchedulerEntry, arguments: dict[str, Any]) -> None:
    for parameter in entry.parameters:
        value = arguments.get(parameter.name)
        if parameter.kind == "expression" and value is not None:
            arguments[parameter.name] = (
                [Expression(text) for text in value] if isinstance(value, list) else Expression(value)
            )
