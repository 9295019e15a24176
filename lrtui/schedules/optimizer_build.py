"""PyTorch's optimizer from an optimizer's value, over the parameters of a model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lrtui.run.errors import NotationError, TaskError, UsageError, describe_exception
from lrtui.schedules.arguments import did_you_mean
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.optimizer_class import load_optimizer_class
from lrtui.schedules.parameter_pattern import matches

if TYPE_CHECKING:
    import torch

Members = list[tuple[str, list["torch.nn.Parameter"], dict[str, Any]]]
"""For each group its name, parameters and settings."""

SCHEDULERS_SETTINGS = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr")
"""Settings of a parameter group that schedulers add."""


def check_flags(spec: OptimizerSpec, device: str) -> None:
    """Check that the optimizer can train on a kind of device.

    Raises:
        UsageError: for `differentiable=True`, and for `capturable=True` on a device without CUDA graphs.
    """
    if spec.path:
        # flags of these names may mean anything there
        return
    if spec.has_flag("differentiable"):
        raise UsageError(
            f"{spec}: differentiable=True needs a loop that differentiates through the step, which training does "
            "not; leave it out"
        )
    if spec.has_flag("capturable") and device in ("cpu", "mps"):
        raise UsageError(f"{spec}: capturable=True needs a CUDA device, and this run uses {device}; leave it out")


def resolved_groups(
    spec: OptimizerSpec, named_parameters: Iterable[tuple[str, torch.nn.Parameter]]
) -> tuple[OptimizerSpec, Members]:
    """Return the optimizer and the members of its groups; those that need no gradient are left out.

    If every parameter belongs to a group, the returned optimizer says so, and there is no default group.

    Raises:
        TaskError: for a model without trainable parameters.
        NotationError: for a group without parameters.
    """
    default: list[torch.nn.Parameter] = []
    members: list[list[torch.nn.Parameter]] = [[] for _ in spec.groups]
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            _group_of(spec, name, parameter, members, default).append(parameter)
    if not default and not any(members):
        raise TaskError("the model has no trainable parameters (none with requires_grad)")
    if default and not spec.has_default_group:
        raise NotationError(
            "default_group=False, but there are parameters that no group has; leave it out", str(spec), None, "groups"
        )
    if not default and spec.keeps_default_group:
        spec = replace(spec, has_default_group=False)
    settings: list[dict[str, Any]] = [dict(items) for _, items in spec.groups]
    if spec.keeps_default_group:
        members, settings = [default, *members], [{}, *settings]
    for name, parameters in zip(spec.group_names, members, strict=True):
        if not parameters:
            raise NotationError(
                f"no parameter is left for {name!r}: no name matches it, or earlier patterns took all that do; look "
                "at the names in model.named_parameters()",
                str(spec),
                None,
                "groups",
            )
    return spec, list(zip(spec.group_names, members, settings, strict=True))


def _group_of(
    spec: OptimizerSpec,
    name: str,
    parameter: torch.nn.Parameter,
    members: list[list[torch.nn.Parameter]],
    default: list[torch.nn.Parameter],
) -> list[torch.nn.Parameter]:
    found = (group for group, (patterns, _) in enumerate(spec.groups) if matches(patterns, name, parameter.dim()))
    index = next(found, None)
    return default if index is None else members[index]


def build_optimizer(
    spec: OptimizerSpec, named_parameters: Iterable[tuple[str, torch.nn.Parameter]], *, fused: bool = False
) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer over these parameters.

    Args:
        spec: what to build.
        named_parameters: (name, parameter) pairs of the model; those that need no gradient are left out.
        fused: whether to update in one kernel if the class has one and the spec does not say.

    Raises:
        TaskError: for a model without trainable parameters.
        NotationError: for an empty group, and for whatever the class refuses.
    """
    return optimizer_of(*resolved_groups(spec, named_parameters), fused=fused)


def optimizer_of(spec: OptimizerSpec, members: Members, *, fused: bool = False) -> torch.optim.Optimizer:
    """Return PyTorch's optimizer over these groups.

    Raises:
        NotationError: for whatever the class refuses.
    """
    groups = [{"params": parameters, **settings} for _, parameters, settings in members]
    return _users_own(spec, groups) if spec.path else _pytorchs(spec, groups, fused)


def _pytorchs(spec: OptimizerSpec, groups: list[dict[str, Any]], fused: bool) -> torch.optim.Optimizer:
    import torch

    optimizer_class = getattr(torch.optim, spec.name, None)
    if optimizer_class is None or spec.entry is None:
        raise NotationError(f"PyTorch {torch.__version__} has no {spec.name}", str(spec), 0)
    arguments = {"lr": spec.lr, **spec.arguments}
    names = {parameter.name for parameter in spec.entry.parameters}
    may_fuse = fused and "fused" in names and not ({"fused", "foreach"} & names & arguments.keys())
    try:
        if may_fuse and not arguments.get("differentiable"):
            try:
                return optimizer_class(groups, **arguments, fused=True)  # type: ignore[no-any-return]
            except RuntimeError:
                pass  # no fused kernel for this device or type of parameters: the default one computes the same
        return optimizer_class(groups, **arguments)  # type: ignore[no-any-return]
    except (ValueError, TypeError, RuntimeError) as error:
        hint = (
            "; give Muon the matrices and another optimizer the rest, with optimizer(model) of the task"
            if spec.name == "Muon" and "2D" in str(error)
            else ""
        )
        raise NotationError(f"PyTorch refuses it: {error}{hint}", str(spec)) from None


def _users_own(spec: OptimizerSpec, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    from torch.optim import Optimizer

    optimizer_class = load_optimizer_class(str(spec.path), spec.name, str(spec))
    # checks the arguments against the signature, whose errors name them
    known = spec.settings
    # without groups as most scripts write it, since some classes take no dicts
    parameters: Any = groups if spec.groups else groups[0]["params"]
    try:
        built = optimizer_class(parameters, *spec.positional, **spec.arguments)
    except Exception as error:  # constructors refuse with any exception
        raise NotationError(f"{spec.path}:{spec.name} fails: {describe_exception(error)}", str(spec), 0) from error
    if not isinstance(built, Optimizer):
        raise NotationError(
            f"{spec.path}:{spec.name} returned a {type(built).__name__}, expected a torch.optim.Optimizer", str(spec), 0
        )
    if len(built.param_groups) != len(groups) or not all("lr" in group for group in built.param_groups):
        raise NotationError(
            f"{spec.path}:{spec.name} changes its parameter groups or has none with an lr, so that no schedule can "
            "set it",
            str(spec),
            0,
        )
    for _, items in spec.groups:
        for name, _value in items:
            if name not in built.defaults and name not in known:
                hint = did_you_mean(name, built.defaults)
                raise NotationError(f"{spec.name} has no setting {name[:40]!r}{hint}", str(spec), None, "groups")
    # one that differs in training and in tests trains from here on
    if callable(train := getattr(built, "train", None)):
        train()
    return built


def parts_of(optimizer: torch.optim.Optimizer) -> Sequence[torch.optim.Optimizer]:
    """Return the optimizers that a `CombinedOptimizer` is made of; a single one alone."""
    return list(getattr(optimizer, "optimizers", {"": optimizer}).values())


def build_tiny_optimizer(spec: OptimizerSpec) -> torch.optim.Optimizer:
    """Return an optimizer of the same class, arguments and groups with one number per group, to try schedules on."""
    import torch

    from lrtui.schedules.combined_optimizer import CombinedOptimizer, StandIn

    if spec.parts:
        return CombinedOptimizer({name: build_tiny_optimizer(part) for name, part in spec.parts})
    settings: list[dict[str, Any]] = [dict(items) for _, items in spec.groups]
    if spec.keeps_default_group:
        settings.insert(0, {})
    if spec.is_from_task:
        # its class is unknown here, and no scheduler depends on it
        return StandIn(settings, spec.arguments)
    # a matrix of one number: Muon takes matrices only
    members = [
        (name, [torch.nn.Parameter(torch.zeros(1, 1))], items)
        for name, items in zip(spec.group_names, settings, strict=True)
    ]
    return optimizer_of(spec, members)
