"""An optimizer as a value: from its notation, and to PyTorch's object."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from lrtui.run.errors import NotationError, TaskError, UsageError
from lrtui.schedules.arguments import did_you_mean, keywords_by_name, match_arguments, read_value
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS, OptimizerEntry
from lrtui.schedules.schedule import value_text
from lrtui.schedules.source import Source, dotted_name, read_source

if TYPE_CHECKING:
    import torch

MAX_GROUPS = 100

_UNSUPPORTED = {
    "LBFGS": "its step needs a function that computes the loss again",
    "SparseAdam": "it takes sparse gradients only",
}


@dataclass(frozen=True, slots=True)
class OptimizerSpec:
    """An optimizer's class and arguments.

    Args:
        name: PyTorch's class name.
        items: (argument, value) pairs in PyTorch's order, only those given.
        groups: (pattern of parameter names, (argument, value) pairs of that group), as written.
    """

    name: str
    items: tuple[tuple[str, Any], ...] = ()
    groups: tuple[tuple[str, tuple[tuple[str, Any], ...]], ...] = ()

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments given, by name."""
        return dict(self.items)

    @property
    def entry(self) -> OptimizerEntry:
        """The catalogue's entry."""
        return OPTIMIZERS[self.name]

    @property
    def lr(self) -> float:
        """The configured lr of the default group."""
        return float(self.arguments.get("lr", self.entry.default_lr))

    @property
    def lrs(self) -> tuple[float, ...]:
        """The configured lr of each group: the default one, then the patterns as written."""
        return (self.lr, *(float(dict(items).get("lr", self.lr)) for _, items in self.groups))

    @property
    def has_momentum(self) -> bool:
        """Whether it has a momentum above 0 that a scheduler can cycle; Adam's beta1 counts as one."""
        if self.entry.momentum_argument != "momentum":
            return self.entry.momentum_argument is not None
        default = next(each.default for each in self.entry.parameters if each.name == "momentum")
        return bool(self.arguments.get("momentum", default))

    def has_flag(self, name: str) -> bool:
        """Return whether a flag is set for any parameter group."""
        return any(
            settings.get(name) is True for settings in (self.arguments, *(dict(items) for _, items in self.groups))
        )

    @property
    def group_names(self) -> tuple[str, ...]:
        """`default`, then the patterns as written."""
        return ("default", *(pattern for pattern, _ in self.groups))

    def with_arguments(self, **arguments: Any) -> OptimizerSpec:
        """Return the optimizer with these arguments set; None removes an argument."""
        merged = {**self.arguments, **arguments}
        names = [parameter.name for parameter in self.entry.parameters]
        items = tuple((name, merged[name]) for name in names if merged.get(name) is not None)
        return OptimizerSpec(self.name, items, self.groups)

    def __str__(self) -> str:
        parts = [f"{name}={setting_text(value)}" for name, value in self.items]
        if self.groups:
            groups = {pattern: dict(items) for pattern, items in self.groups}
            inner = ", ".join(f"{value_text(pattern)}: {_settings_text(items)}" for pattern, items in groups.items())
            parts.append(f"groups={{{inner}}}")
        return f"{self.name}({', '.join(parts)})"


def setting_text(value: Any) -> str:
    """Return an optimizer setting as Python; unlike in a schedule, pairs such as betas are tuples."""
    return f"({', '.join(setting_text(item) for item in value)})" if isinstance(value, tuple) else value_text(value)


def _settings_text(items: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{value_text(name)}: {setting_text(value)}" for name, value in items.items()) + "}"


def parse_optimizer(text: str) -> OptimizerSpec:
    """Return the optimizer that the text stands for: `Adam(lr=0.01)`, `SGD(lr=0.1, groups={"fc*": {"lr": 0.01}})`.

    Raises:
        NotationError: for anything else; `position` is the offset of the error.
    """
    source = read_source(text, "optimizer")
    call = source.tree
    if not isinstance(call, ast.Call):
        name = dotted_name(call) or ""
        hint = f"; write {name}(lr=0.01)" if name in OPTIMIZERS else did_you_mean(name, OPTIMIZERS)
        source.refuse(f"an optimizer is a call such as Adam(lr=0.01), not {source.segment(call)}{hint}", call)
    name = dotted_name(call.func) or ""
    if name in _UNSUPPORTED:
        source.refuse(f"{name} can't be used: {_UNSUPPORTED[name]}", call.func)
    if name not in OPTIMIZERS:
        source.refuse(f"unknown optimizer {source.segment(call.func)}{did_you_mean(name, OPTIMIZERS)}", call.func)
    keywords_by_name(source, call)
    entry = OPTIMIZERS[name]
    groups = _read_groups(source, call, entry)
    _drop_parameters(call)
    values = {
        parameter.name: read_value(source, node, parameter)
        for parameter, node in match_arguments(source, call, name, entry.parameters)
    }
    items = tuple((p.name, values[p.name]) for p in entry.parameters if values.get(p.name) is not None)
    return OptimizerSpec(name, items, groups)


def _drop_parameters(call: ast.Call) -> None:
    """Skip `model.parameters()` as the first argument, so that a pasted line works."""
    if call.args and isinstance(call.args[0], (ast.Call, ast.Name, ast.Attribute)):
        call.args.pop(0)
    call.keywords = [keyword for keyword in call.keywords if keyword.arg != "params"]


def _read_groups(
    source: Source, call: ast.Call, entry: OptimizerEntry
) -> tuple[tuple[str, tuple[tuple[str, Any], ...]], ...]:
    given = next((keyword for keyword in call.keywords if keyword.arg == "groups"), None)
    if given is None:
        return ()
    call.keywords.remove(given)
    example = 'groups={"fc*": {"lr": 0.001}}'
    if not isinstance(given.value, ast.Dict) or not given.value.keys:
        source.refuse(
            f"groups must be a dict of patterns of parameter names and their settings, for example {example}",
            given.value,
            "groups",
        )
    if len(given.value.keys) > MAX_GROUPS:
        source.refuse(f"there are more than {MAX_GROUPS} groups", given.value, "groups")
    groups: dict[str, tuple[tuple[str, Any], ...]] = {}
    for key, settings in zip(given.value.keys, given.value.values, strict=True):
        if not (isinstance(key, ast.Constant) and isinstance(key.value, str) and key.value):
            source.refuse(f"a group's pattern must be a string, for example {example}", key or given.value, "groups")
        if not isinstance(settings, ast.Dict):
            source.refuse(f"a group's settings must be a dict, for example {example}", settings, "groups")
        if key.value in groups:
            source.refuse(f"the pattern {key.value[:40]!r} is given twice", key, "groups")
        groups[key.value] = _read_settings(source, settings, entry)
    return tuple(groups.items())


def _read_settings(source: Source, settings: ast.Dict, entry: OptimizerEntry) -> tuple[tuple[str, Any], ...]:
    by_name = {parameter.name: parameter for parameter in entry.parameters}
    values: dict[str, Any] = {}
    for key, node in zip(settings.keys, settings.values, strict=True):
        name = key.value if isinstance(key, ast.Constant) else None
        if not isinstance(name, str) or name not in by_name:
            found = source.segment(key) if key is not None else "**"
            source.refuse(
                f"{entry.name} has no setting {found}{did_you_mean(str(name), by_name)}", key or settings, "groups"
            )
        values[name] = read_value(source, node, by_name[name])
    items = tuple((name, value) for name, value in values.items() if value is not None)
    if not items:
        source.refuse("the group sets nothing; give it an lr", settings, "groups")
    return items


def check_flags(spec: OptimizerSpec, device: str) -> None:
    """Check that the optimizer can train on a kind of device.

    Raises:
        UsageError: for `differentiable=True`, and for `capturable=True` on a device without CUDA graphs.
    """
    if spec.has_flag("differentiable"):
        raise UsageError(
            f"{spec}: differentiable=True needs a loop that differentiates through the step, which training does "
            "not; leave it out"
        )
    if spec.has_flag("capturable") and device in ("cpu", "mps"):
        raise UsageError(f"{spec}: capturable=True needs a CUDA device, and this run uses {device}; leave it out")


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
        NotationError: for an empty group, and for whatever PyTorch refuses.
    """
    import torch

    members: list[list[torch.nn.Parameter]] = [[] for _ in spec.group_names]
    for name, parameter in named_parameters:
        if parameter.requires_grad:
            members[_group_of(name, spec)].append(parameter)
    if not any(members):
        raise TaskError("the model has no trainable parameters (none with requires_grad)")
    for index, pattern in enumerate(spec.group_names):
        if not members[index]:
            reason = (
                "every parameter matches a pattern, so the default group is empty"
                if index == 0
                else f"no parameter is left for {pattern!r}: no name matches it, or earlier patterns took all that do"
            )
            raise NotationError(f"{reason}; look at the names in model.named_parameters()", str(spec), None, "groups")
    settings: list[dict[str, Any]] = [{}, *(dict(items) for _, items in spec.groups)]
    groups = [{"params": parameters, **extra} for parameters, extra in zip(members, settings, strict=True)]
    optimizer_class = getattr(torch.optim, spec.name, None)
    if optimizer_class is None:
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
        raise NotationError(f"PyTorch refuses it: {error}", str(spec)) from None


def _group_of(name: str, spec: OptimizerSpec) -> int:
    for index, (pattern, _) in enumerate(spec.groups, start=1):
        if fnmatchcase(name, pattern):
            return index
    return 0
