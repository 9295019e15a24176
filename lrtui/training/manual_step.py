"""Manual optimization: a task's `step(model, batch, optimizers)` that calls `backward()` and the optimizers itself."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec

MANUAL_CALL = "step(model, batch, optimizers)"

SINGLE = "optimizer"
"""Name of the optimizer that a manual step gets if there is only one, without a name."""


def takes_optimizers(step: Any) -> bool:
    """Return whether a task's step has a third parameter, for the optimizers."""
    if not callable(step):
        return False
    try:
        parameters = list(inspect.signature(step).parameters.values())
    except (TypeError, ValueError):
        return False
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return len([each for each in positional if each.default is each.empty]) == 3


def optimizers_by_name(optimizer: torch.optim.Optimizer) -> Mapping[str, torch.optim.Optimizer]:
    """Return what a manual step gets: the task's optimizers by name, or `optimizer` for a single one."""
    found: Mapping[str, torch.optim.Optimizer] = getattr(optimizer, "optimizers", {SINGLE: optimizer})
    return dict(found)


def check_manual(spec: RunSpec) -> None:
    """Check that the settings leave the optimizer's steps to the task.

    Raises:
        UsageError: for a setting that needs lrtui to make them.
    """
    done = f"{MANUAL_CALL} of the task calls backward() and step() itself"
    if spec.accumulate > 1:
        raise UsageError(f"--accumulate {spec.accumulate}: {done}; accumulate the gradients there")
    if spec.clip_grad_norm is not None:
        raise UsageError(f"--clip-grad-norm {spec.clip_grad_norm:g}: {done}; clip the gradients there")
    if spec.precision == "fp16":
        raise UsageError(f"--precision fp16: {done}, which the scaling of its gradients does not allow; use bf16")
