"""A copy of an optimizer for a copy of its model, as the optimizer was before any scheduler changed it."""

from __future__ import annotations

import copy
from typing import TypeVar

import torch

from lrtui.run.errors import TaskError
from lrtui.text.format import counted

SomeOptimizer = TypeVar("SomeOptimizer", bound=torch.optim.Optimizer)


def optimizer_for(optimizer: SomeOptimizer, model: torch.nn.Module, copied: torch.nn.Module) -> SomeOptimizer:
    """Return a copy of the optimizer that has the parameters of a copy of its model.

    Args:
        optimizer: has parameters of `model`; unchanged.
        model: the model that it was made for.
        copied: a copy of that model.

    Raises:
        TaskError: if the optimizer has parameters that the model has not.
    """
    counterparts = {id(p): other for p, other in zip(model.parameters(), copied.parameters(), strict=True)}
    missing = [p for group in optimizer.param_groups for p in group["params"] if id(p) not in counterparts]
    if missing:
        raise TaskError(
            f"{counted(len(missing), 'parameter')} of the optimizer {type(optimizer).__name__} are not the model's: "
            "pass a function optimizer(model) that returns it"
        )
    made = object.__new__(type(optimizer))
    # deepcopy of an optimizer leaves out attributes of subclasses; a scheduler has replaced `step` by one that keeps a
    # reference to the original
    attributes = {name: value for name, value in vars(optimizer).items() if name != "step"}
    vars(made).update(copy.deepcopy(attributes, counterparts))
    for group in made.param_groups:
        if "initial_lr" in group:
            group["lr"] = group.pop("initial_lr")
    return made
