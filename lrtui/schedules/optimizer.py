"""An optimizer as a value: its class, arguments and parameter groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lrtui.schedules.optimizer_catalogue import OPTIMIZERS, OptimizerEntry
from lrtui.schedules.optimizer_class import class_settings
from lrtui.schedules.parameter_pattern import Patterns, covers_all, patterns_text
from lrtui.schedules.schedule import value_text

TASK = "task"
"""Stands in place of a module or file for what the task's `optimizer(model)` returned: `task:AdamW(lr=0.01)`."""

SEVERAL = "optimizers"
"""Stands in place of a class for several optimizers: `task:optimizers(muon=task:Muon(...), adamw=task:AdamW(...))`."""

Items = tuple[tuple[str, Any], ...]
"""(argument, value) pairs."""


@dataclass(frozen=True, slots=True)
class OptimizerSpec:
    """An optimizer's class and arguments.

    Args:
        name: class name.
        items: (argument, value) pairs in PyTorch's order, only those given; positional arguments of a class that is
            not PyTorch's have the name "".
        groups: (patterns of parameter names, (argument, value) pairs of that group), as written.
        path: module or file of a class that is not PyTorch's; None for one of `torch.optim`.
        has_default_group: False if the groups are known to have every parameter of the model.
        parts: several optimizers, by the names that the task gives them; the other fields are then empty.
    """

    name: str
    items: Items = ()
    groups: tuple[tuple[Patterns, Items], ...] = ()
    path: str | None = None
    has_default_group: bool = True
    parts: tuple[tuple[str, OptimizerSpec], ...] = ()

    @property
    def is_from_task(self) -> bool:
        """Whether it stands for what the task's `optimizer(model)` returned."""
        return self.path == TASK

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments given by name."""
        return {name: value for name, value in self.items if name}

    @property
    def positional(self) -> tuple[Any, ...]:
        """Arguments of a user's class that are given without a name."""
        return tuple(value for name, value in self.items if not name)

    @property
    def entry(self) -> OptimizerEntry | None:
        """The catalogue's entry; None for a class that is not PyTorch's."""
        return None if self.path else OPTIMIZERS[self.name]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Every argument by name, those that are not given at the default of the class.

        Raises:
            NotationError: for a user's class that can't be imported, or does not take these arguments.
        """
        entry = self.entry
        if self.is_from_task:
            return self.arguments
        if entry is None:
            return class_settings(str(self.path), self.name, self.positional, self.items, self.class_call)
        return {**{parameter.name: parameter.default for parameter in entry.parameters}, **self.arguments}

    @property
    def lr(self) -> float:
        """The configured lr of the default group; a user's class is imported if it isn't given."""
        if self.parts:
            return self.parts[0][1].lr
        return float(self.arguments["lr"] if "lr" in self.arguments else self.settings["lr"])

    @property
    def lrs(self) -> tuple[float, ...]:
        """The configured lr of each group: the default one if there is one, then the groups as written."""
        if self.parts:
            return tuple(lr for _, part in self.parts for lr in part.lrs)
        given = [dict(items).get("lr") for _, items in self.groups]
        lrs = [self.lr if lr is None else float(lr) for lr in given]
        return (self.lr, *lrs) if self.keeps_default_group else tuple(lrs)

    @property
    def keeps_default_group(self) -> bool:
        """Whether there may be parameters that no group has."""
        return self.has_default_group and not covers_all(patterns for patterns, _ in self.groups)

    @property
    def momentum_argument(self) -> str | None:
        """The argument that holds the momentum, which some schedulers cycle: `momentum`, `betas` or None."""
        if self.parts:
            arguments = [part.momentum_argument for _, part in self.parts]
            return None if None in arguments else arguments[0]
        names = self.settings
        return next((name for name in ("momentum", "betas") if name in names), None)

    @property
    def has_momentum(self) -> bool:
        """Whether it has a momentum above 0 that a scheduler can cycle; Adam's beta1 counts as one."""
        if self.parts:
            return all(part.has_momentum for _, part in self.parts)
        argument = self.momentum_argument
        return bool(self.settings["momentum"]) if argument == "momentum" else argument is not None

    def has_flag(self, name: str) -> bool:
        """Return whether a flag is set for any parameter group."""
        return any(
            settings.get(name) is True for settings in (self.arguments, *(dict(items) for _, items in self.groups))
        )

    @property
    def group_names(self) -> tuple[str, ...]:
        """`default` if there is such a group, then the patterns as written.

        Those of several optimizers have the optimizer's name in front: `muon/decay`, or that alone for a single group.
        """
        if self.parts:
            return tuple(
                name if len(part.group_names) == 1 else f"{name}/{group}"
                for name, part in self.parts
                for group in part.group_names
            )
        names = tuple(patterns_text(patterns) for patterns, _ in self.groups)
        return ("default", *names) if self.keeps_default_group else names

    def with_arguments(self, **arguments: Any) -> OptimizerSpec:
        """Return the optimizer with these arguments set; None removes an argument."""
        merged = {**self.arguments, **arguments}
        names = [parameter.name for parameter in self.entry.parameters] if self.entry else list(merged)
        items = tuple((name, merged[name]) for name in names if merged.get(name) is not None)
        return replace(self, items=(*(item for item in self.items if not item[0]), *items))

    def with_lrs(self, changed: Callable[[float], float]) -> OptimizerSpec:
        """Return the optimizer with the lr of every group changed by a function."""
        if self.parts:
            return replace(self, parts=tuple((name, part.with_lrs(changed)) for name, part in self.parts))
        groups = tuple(
            (patterns, tuple((name, changed(float(value)) if name == "lr" else value) for name, value in items))
            for patterns, items in self.groups
        )
        return replace(self.with_arguments(lr=changed(self.lr)), groups=groups)

    def with_own_lr(self) -> OptimizerSpec:
        """Return the optimizer with the lr and the names of all arguments written out.

        Whoever reads the notation then needs no import of a user's class.
        """
        if not self.path or self.is_from_task or ("lr" in self.arguments and not self.positional):
            return self
        given = dict(class_settings(str(self.path), self.name, self.positional, self.items, self.class_call, False))
        return replace(self, items=tuple({"lr": self.settings["lr"], **given}.items()))

    @property
    def class_call(self) -> str:
        """The notation without the groups."""
        return str(replace(self, groups=()))

    def __str__(self) -> str:
        if self.parts:
            return f"{self.path}:{self.name}({', '.join(f'{name}={part}' for name, part in self.parts)})"
        parts = [f"{name}={setting_text(value)}" if name else setting_text(value) for name, value in self.items]
        if self.groups:
            groups = ((key, dict(items)) for key, items in self.groups)
            inner = ", ".join(f"{setting_text(key)}: {_settings_text(items)}" for key, items in groups)
            parts.append(f"groups={{{inner}}}")
        if not self.has_default_group and not self.is_from_task:
            parts.append("default_group=False")
        prefix = f"{self.path}:" if self.path else ""
        return f"{prefix}{self.name}({', '.join(parts)})"


def setting_text(value: Any) -> str:
    """Return an optimizer setting as Python; unlike in a schedule, pairs such as betas are tuples."""
    if not isinstance(value, tuple):
        return value_text(value)
    comma = "," if len(value) == 1 else ""
    return f"({', '.join(setting_text(item) for item in value)}{comma})"


def _settings_text(items: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{value_text(name)}: {setting_text(value)}" for name, value in items.items()) + "}"
