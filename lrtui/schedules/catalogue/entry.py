"""What lrtui knows about a scheduler without importing PyTorch: one `SchedulerEntry` per class."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lrtui.schedules.parameter import LrRole, Parameter

Per = Literal["batch", "epoch"]

Family = Literal[
    "decay",  # lowers the lr by a rule: steps, powers, plateaus
    "curve",  # one course over the whole run, or cycles; a warm-up that is part of the curve belongs here
    "warm-up",  # nothing but a start: it raises the lr or holds it back, then leaves it at the optimizer's lr
    "function",  # a function of the step, written by the user
    "composite",  # made of other schedulers
]
"""Groups of schedulers, in the order in which lists show them."""

Arguments = Mapping[str, Any]
"""Values of a scheduler's arguments by name, defaults included, without those that are filled in later."""


def never(arguments: Arguments) -> bool:
    """Return False."""
    return False


def always(arguments: Arguments) -> bool:
    """Return True."""
    return True


def one_or_each(values: Iterable[Any]) -> Any:
    """Return the value of all parameter groups if they have the same, otherwise the list."""
    each = list(values)
    return each[0] if each and all(bool(value == each[0]) for value in each) else each


def roundest(estimate: float, fits: Callable[[float], bool]) -> float:
    """Return the number with the fewest digits that fits, near an estimate; the estimate if none does."""
    rounded = (float(f"{estimate:.{digits}g}") for digits in range(1, 18))
    neighbours = (math.nextafter(estimate, side) for side in (math.inf, -math.inf))
    return next((number for number in (*rounded, *neighbours) if fits(number)), estimate)


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerEntry:
    """One scheduler class, declared once: everything that the rest of lrtui needs to know about it.

    Every file in `schedules/catalogue/` is imported; it lists its entries in `SCHEDULERS`. It must not import torch: a
    class that is defined in the same file is created in the module's `__getattr__`, as in `cycles.py`.
    """

    name: str
    """Class name, as the notation has it."""

    short_name: str = ""
    """Its name in lists and labels; the class name without LR when empty."""

    summary: str
    """What it does to the lr, in one line."""

    family: Family
    """The group in which lists show it; see `Family`."""

    unit: Per
    """Whether `step()` is called after each batch or each epoch, unless `per=` says otherwise."""

    parameters: tuple[Parameter, ...]
    """The constructor's arguments in its order, without the optimizer."""

    example: str
    """Notation to start from, in forms, messages and tests: must be valid for a ten-epoch run; omit the arguments in
    `fills`."""

    notes: tuple[str, ...] = ()
    """What users trip over, one sentence each."""

    fills: Mapping[str, str] = field(default_factory=dict)
    """Arguments that are set to the number of remaining `step()` calls when left out, each with the text that help
    shows for that: `{"T_max": "the remaining step() calls"}`. Each must accept 1, since a run may have one step."""

    class_path: str = ""
    """`package.module:Class` of the class, which takes the optimizer first; a class in the same file is
    `f"{__name__}:Name"`. Empty for a class of `torch.optim.lr_scheduler`."""

    stepped_as: str = ""
    """`package.module:Class` of a subclass that lrtui builds in its place; the class itself when empty."""

    documentation: str = ""
    """Address of its documentation; PyTorch's page when empty."""

    composite: Literal["sequence", "chain", "warmup"] | None = None
    """How it combines others: its `schedulers` one after the other at its `milestones`, or all in every step; or its
    `scheduler` after a warmup of `steps`. None for a scheduler that has none."""

    absolute: bool = False
    """Whether its arguments are the lrs themselves, whatever the optimizer's lr is."""

    recomputes: bool = False
    """Whether it computes each lr from `base_lrs` alone, ignoring the current one: in a ChainedScheduler it discards
    the effect of the schedulers before it."""

    continues: bool = False
    """Whether it continues from the current lr when a SequentialLR switches to it, not from `base_lrs`."""

    metric: Callable[[Arguments], str] | None = None
    """Returns the metric that it follows unless `metric=` names one; None for a scheduler that follows none."""

    averages_weights: bool = False
    """Whether an AveragedModel is updated while it is active."""

    length_argument: str | None = None
    """The argument that says after how many `step()` calls its curve ends; None for a scheduler without an end.

    With `T_max=10` the curve ends after call 10, but a ten-epoch run makes only nine calls before its last epoch.
    OneCycleLR ends one call earlier; such classes may declare it too."""

    length_factors: tuple[str, ...] = ()
    """Arguments whose product is the length if `length_argument` is not given; either all or none of them are given."""

    lowers: Callable[[Arguments], bool] = never
    """Returns True if the lr ends lower than its peak within the counted length or period; False if it only rises, or
    if the counts do not determine when it falls."""

    warm_up_argument: str | None = None
    """The argument that says for how many `step()` calls it raises the lr, or holds it back, at its start; None for a
    scheduler that does neither."""

    warms_up: Callable[[Arguments], bool] = always
    """With a `warm_up_argument`: returns whether the lr rises step by step until then, with these arguments."""

    restarts: bool = False
    """Whether it falls to its lowest lr and jumps back to the highest, again and again. The argument that counts a
    `period` is the length of the first cycle; `T_mult`, if it has one, multiplies the length of each later cycle."""

    is_constant: Callable[[Arguments], bool] = never
    """Returns whether the lr is constant with these arguments."""

    fit: Callable[[Arguments, int], Arguments | None] | None = None
    """Takes the arguments and a number of `step()` calls, and returns the arguments to change so that the schedule has
    that length and ends low: `{"total_iters": 40, "power": None}` sets one and removes the other, so that its default
    holds or it is filled in. Returns None if there are no such arguments; None for a scheduler that fits any length."""

    factor: Callable[[Arguments, int], str | None] | None = None
    """Closed form: returns what the optimizer's lr is multiplied by over so many `step()` calls, as an expression of
    `epoch`, or None if there is none for these arguments. For a class that is not PyTorch's it must exist for every
    filled-in schedule without a floor: exported code writes it in place of the class. A floor there holds from the end
    of the warm-up on: `floor + (lr - floor) * factor`."""

    read: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    """Functions that take an object of the class and return the argument that it was created with, or None for its
    default; arguments without one are attributes of the same name."""

    hints: Mapping[str, str] = field(default_factory=dict)
    """Advice on the constructor's errors: text found in `ErrorType: message`, and the advice added to the message."""

    def __post_init__(self) -> None:
        if not self.class_path:
            object.__setattr__(self, "class_path", f"torch.optim.lr_scheduler:{self.name}")
        if not self.short_name:
            object.__setattr__(self, "short_name", self.name.removesuffix("LR"))

    @property
    def module(self) -> str:
        """Module that the class is imported from."""
        return self.class_path.partition(":")[0]

    @property
    def is_pytorch(self) -> bool:
        """Whether its class is one of PyTorch's."""
        return self.module.startswith("torch.")

    @property
    def url(self) -> str:
        """Address of its documentation; empty for a class that has none."""
        if self.documentation or not self.is_pytorch:
            return self.documentation
        return f"https://docs.pytorch.org/docs/stable/generated/{self.class_path.replace(':', '.')}.html"

    @property
    def follows_metric(self) -> bool:
        """Whether `step()` takes the result of a test; such a scheduler is stepped per epoch."""
        return self.metric is not None

    @property
    def cycles_momentum(self) -> bool:
        """Whether it changes the optimizer's momentum unless `cycle_momentum=False`."""
        return self.parameter("cycle_momentum") is not None

    @property
    def takes_function(self) -> bool:
        """Whether it needs a function of the step, written as an expression."""
        return any(parameter.kind == "expression" and parameter.is_required for parameter in self.parameters)

    @property
    def counts(self) -> tuple[Parameter, ...]:
        """The arguments that count `step()` calls."""
        return tuple(each for each in self.parameters if each.count_role in ("length", "period", "milestones"))

    def lrs(self, *roles: LrRole) -> tuple[Parameter, ...]:
        """Return the arguments that are lrs in these roles, in the order of the roles."""
        return tuple(each for role in roles for each in self.parameters if each.lr == role)

    def parameter(self, name: str) -> Parameter | None:
        """Return the argument of that name, or None."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)

    def values(self, given: Arguments) -> dict[str, Any]:
        """Return the arguments with the defaults of those not given."""
        defaults = {each.name: each.default for each in self.parameters if not each.is_required}
        return {**defaults, **given}

    def length(self, given: Arguments) -> int | None:
        """Return the `step()` calls after which its curve ends; None without an end, or before it is filled in."""
        values = self.values(given)
        length = values.get(self.length_argument) if self.length_argument else None
        factors = [values[name] for name in self.length_factors if values.get(name) is not None]
        if length is None and factors and len(factors) == len(self.length_factors):
            length = math.prod(factors)
        return None if length is None else int(length)

    def has_given_length(self, given: Arguments) -> bool:
        """Return whether a length is given that would otherwise be filled in from the run."""
        return any(name in given for name in (*self.fills, *self.length_factors))
