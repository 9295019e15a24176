"""Sparse gradients, as those of `Embedding(sparse=True)`, which few optimizers take."""

from __future__ import annotations

import torch

from lrtui.run.errors import UsageError
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS


def sparse_parameters(model: torch.nn.Module) -> set[str]:
    """Return the names of the parameters whose gradients are sparse."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        if getattr(module, "sparse", False) is True
        for name, _ in module.named_parameters(recurse=False)
    }


def check_sparse(spec: OptimizerSpec, model: torch.nn.Module) -> None:
    """Check that the optimizer takes the gradients of the model, sparse or dense; unknown for a user's class.

    Raises:
        UsageError: names a parameter, and what to use.
    """
    if spec.entry is None:
        return
    sparse = sparse_parameters(model)
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    if spec.entry.sparse == "refused" and (found := next((name for name in trained if name in sparse), None)):
        takers = ", ".join(name for name, entry in OPTIMIZERS.items() if entry.sparse != "refused")
        raise UsageError(
            f"{spec.name} can't use sparse gradients, as {found} has: leave out sparse=True, or use one of {takers}"
        )
    if spec.entry.sparse == "required" and (found := next((name for name in trained if name not in sparse), None)):
        raise UsageError(
            f"{spec.name} takes sparse gradients only, and {found} has dense ones: use SGD or Adagrad for both, or let "
            "the task's optimizer(model) return an optimizer for each kind"
        )
