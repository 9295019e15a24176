"""The optimizers that a task makes with `optimizer(model)`: checked, described, and given the lrs of the settings."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import torch

from lrtui.run.errors import LrtuiError, TaskError, UsageError, describe_exception, describe_shape, source_location
from lrtui.run.spec import RunSpec
from lrtui.schedules.combined_optimizer import CombinedOptimizer
from lrtui.schedules.optimizer import SEVERAL, TASK, Items, OptimizerSpec
from lrtui.schedules.optimizer_build import parts_of
from lrtui.training.task_state import held_parts

RETURNS = (
    "optimizer(model) must return a torch.optim.Optimizer, or a dict of several by name: "
    '{"muon": Muon(...), "adamw": AdamW(...)}'
)

DEFAULT = str(RunSpec().optimizer)
"""The setting that leaves the choice to the task, if it has `optimizer(model)`."""


def makes_optimizer(task: Any) -> bool:
    """Return whether a task has `optimizer(model)`."""
    return callable(getattr(task, "optimizer", None))


def optimizer_of_task(task: Any, model: torch.nn.Module) -> torch.optim.Optimizer:
    """Return the task's optimizer; several are combined.

    An `lr_scale` of timm's layer-wise decay is multiplied into the lr of its group, as timm's own schedulers do.

    Raises:
        TaskError: if the method fails or returns something else.
    """
    method = task.optimizer
    try:
        made = method(model)
    except LrtuiError:
        raise
    except Exception as error:  # a user's code can raise anything
        raise TaskError(f"optimizer(model) fails: {describe_exception(error)}; {RETURNS}") from error
    named = made if isinstance(made, Mapping) else {"": made}
    if not named or not all(isinstance(each, torch.optim.Optimizer) for each in named.values()):
        found = describe_shape(made)
        raise TaskError(f"optimizer{source_location(method)} returned a {found}; {RETURNS}")
    for name in named:
        if isinstance(made, Mapping) and not (isinstance(name, str) and name.isidentifier()):
            raise TaskError(
                f"optimizer{source_location(method)} returned an optimizer named {name!r:.40}; a name consists of "
                "letters, digits and _"
            )
    if len({id(parameter) for each in named.values() for parameter in _parameters(each)}) != sum(
        len(_parameters(each)) for each in named.values()
    ):
        raise TaskError(f"optimizer{source_location(method)} returned optimizers that share parameters")
    for optimizer in named.values():
        _apply_lr_scale(optimizer)
        if callable(train := getattr(optimizer, "train", None)):
            train()
    return CombinedOptimizer(named) if isinstance(made, Mapping) else made


def _parameters(optimizer: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _apply_lr_scale(optimizer: torch.optim.Optimizer) -> None:
    groups = optimizer.param_groups
    for group in groups:
        if not (isinstance(group.get("lr"), (int, float, torch.Tensor)) and math.isfinite(float(group["lr"]))):
            raise TaskError(f"a parameter group of {type(optimizer).__name__} has no finite lr")
    # groups with different lrs have been scaled by the task
    if len({float(group["lr"]) for group in groups}) == 1:
        for group in groups:
            scale = group.get("lr_scale", 1.0)
            if isinstance(scale, (int, float)) and scale != 1:
                group["lr"] = group["lr"] * scale


def described(optimizer: torch.optim.Optimizer, settings: Sequence[dict[str, Any]] | None = None) -> OptimizerSpec:
    """Return the notation of a task's optimizer: its class, groups and lrs, from which a schedule can be previewed.

    Args:
        settings: settings of the groups in place of the current ones.
    """
    groups = list(optimizer.param_groups if settings is None else settings)
    if isinstance(optimizer, CombinedOptimizer):
        left = iter(groups)
        parts = tuple(
            (name, described(each, list(islice(left, len(each.param_groups)))))
            for name, each in optimizer.optimizers.items()
        )
        return OptimizerSpec(SEVERAL, path=TASK, parts=parts)
    first, names = groups[0], _group_names(groups)
    shared = [name for name in ("lr", "momentum", "betas", "weight_decay") if _plain(first.get(name)) is not None]
    items = tuple((name, _plain(first[name])) for name in shared)
    if len(groups) == 1:
        return OptimizerSpec(type(optimizer).__name__, items, path=TASK)
    decays = len({_plain(group.get("weight_decay")) for group in groups}) > 1
    if decays:
        items = tuple(item for item in items if item[0] != "weight_decay")
    each: list[tuple[str, Items]] = [
        (
            name,
            (
                ("lr", float(group["lr"])),
                *([("weight_decay", _plain(group["weight_decay"]))] if decays and "weight_decay" in group else []),
            ),
        )
        for name, group in zip(names, groups, strict=True)
    ]
    return OptimizerSpec(type(optimizer).__name__, items, tuple(each), TASK, has_default_group=False)


def _plain(value: Any) -> Any:
    """Return a number or a tuple of numbers as the notation has it; None for anything else."""
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, (tuple, list)):
        items = tuple(_plain(item) for item in value)
        return None if None in items else items
    return value if isinstance(value, (int, float)) and math.isfinite(value) else None


def _group_names(groups: list[dict[str, Any]]) -> list[str]:
    """Return the names in the groups, or `group 0`; a repeated name gets the number as well."""
    names: list[str] = []
    for index, group in enumerate(groups):
        given = next((group[key] for key in ("name", "group_name") if isinstance(group.get(key), str)), "")
        name = " ".join(given.split())[:40] or f"group {index}"
        names.append(name if name not in names else f"{name} {index}")
    return names


def set_lrs(optimizer: torch.optim.Optimizer, wanted: OptimizerSpec) -> None:
    """Give the groups of a task's optimizer the lrs of the settings.

    Raises:
        UsageError: if the settings are those of other groups.
    """
    now = described(optimizer)
    if (now.group_names, _classes(now)) != (wanted.group_names, _classes(wanted)):
        raise UsageError(
            f"--optimizer {wanted} is not what the task's optimizer(model) returns: {now}; leave the option out"
        )
    for group, lr in zip(optimizer.param_groups, wanted.lrs, strict=True):
        if float(group["lr"]) != lr:
            group["lr"] = lr


def _classes(spec: OptimizerSpec) -> list[str]:
    return [part.name for _, part in spec.parts] or [spec.name]


def untrained_parameters(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """Return the warning that parameters of the model are not trained; empty if all are."""
    return _untrained_text({"model": model}, optimizer, with_gradients=False)


def untrained_criteria(task: Any, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> str:
    """Return the warning that modules of the task get gradients but are not trained; empty if all are.

    A criterion with parameters, such as an ArcFace loss, is a module of the task that no optimizer has by itself.
    Gradients tell it from a teacher or averaged weights, so this is asked after the first `backward()`.
    """
    modules = {f"self.{name}": part for name, part in held_parts(task).items() if isinstance(part, torch.nn.Module)}
    return _untrained_text(modules, optimizer, with_gradients=True, without=model)


def _untrained_text(
    modules: Mapping[str, torch.nn.Module],
    optimizer: torch.optim.Optimizer,
    *,
    with_gradients: bool,
    without: torch.nn.Module | None = None,
) -> str:
    known = {id(parameter) for each in parts_of(optimizer) for parameter in _parameters(each)}
    known |= {id(parameter) for parameter in without.parameters()} if without is not None else set()
    left = [
        f"{place}.{name}"
        for place, module in modules.items()
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and id(parameter) not in known and (parameter.grad is not None or not with_gradients)
    ]
    if not left:
        return ""
    names = ", ".join(left[:3]) + (f" and {len(left) - 3} more" if len(left) > 3 else "")
    return (
        f"not trained, since no optimizer has them: {names}; add them to optimizer(model) of the task, or turn off "
        "their requires_grad"
    )
