"""From an optimizer's value to PyTorch's object."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lrtui.run.errors import NotationError, TaskError
from lrtui.schedules.optimizer_notation import OptimizerSpec

if TYPE_CHECKING:
    import torch


def build_optimizer(
    spec: OptimizerSpec, named_parameters: Iterable[tuple[str, torch.nn.Parameter]], *, fused: bool = False
) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer over these parameters.

    Args:
        spec: what to build.
        named_parameters: (name, parameter) pairs of the model; those that need no gradient are left out.
        fused: whether to update in one kernel where the class has one and the spec does not say.

    Raises:
        TaskError: for a model that has nothing to train.
        NotationError: for an empty group, and for whatever PyTorch refuses.
    """
    import torch

    members: list[list[torch.nn.Parameter]] = [[] for _ in spec.group_names]
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            members[_group_of(name, spec)].append(parameter)
    if not any(members):
        raise TaskError("the model has no parameter that is trained: none at all, or none with requires_grad")
    for index, pattern in enumerate(spec.group_names):
        if not members[index]:
            reason = (
                "every parameter belongs to a pattern, so that the default group is empty"
                if index == 0
                else f"no parameter's name matches {pattern!r} that an earlier pattern has not taken"
            )
            raise NotationError(f"{reason}; look at the names in model.named_parameters()", str(spec), None, "groups")
    settings: list[dict[str, Any]] = [{}, *(dict(items) for _, items in spec.groups)]
    groups = [{"params": own, **extra} for own, extra in zip(members, settings, strict=True)]
    optimizer_class = getattr(torch.optim, spec.name, None)
    if optimizer_class is None:
        raise NotationError(f"PyTorch {torch.__version__} has no {spec.name}", str(spec), 0)
    arguments = {"lr": spec.lr, **spec.arguments}
    names = {parameter.name for parameter in spec.entry.parameters}
    may_fuse = fused and "fused" in names and not names.intersection(("fused", "foreach")) & arguments.keys()
    try:
        if may_fuse and not arguments.get("differentiable"):
            try:
                return optimizer_class(groups, **arguments, fused=True)  # type: ignore[no-any-return]
            except RuntimeError:
                pass  # the device or the parameters' type has no fused kernel: the plain one computes the same
        return optimizer_class(groups, **arguments)  # type: ignore[no-any-return]
    except (ValueError, TypeError, RuntimeError) as error:
        raise NotationError(f"PyTorch refuses it: {error}", str(spec)) from None


def _group_of(name: str, spec: OptimizerSpec) -> int:
    for index, (pattern, _) in enumerate(spec.groups, start=1):
        if fnmatchcase(name, pattern):
            return index
    return 0
