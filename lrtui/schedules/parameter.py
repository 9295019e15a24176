"""An argument of a scheduler or optimizer, declared once: parser, forms, help and tests read it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from lrtui.run.spec import MAX_COUNT

Kind = Literal[
    "int", "steps", "float", "bool", "choice", "ints", "floats", "pair", "expression", "schedules", "schedule"
]

KIND_TEXT: dict[Kind, str] = {
    "int": "whole number",
    "steps": "number of steps (below 1: a share of the run)",
    "float": "number",
    "bool": "True or False",
    "choice": "one of its choices",
    "ints": "list of whole numbers",
    # a list has one item per parameter group
    "floats": "number, or one per group",
    # of fixed length, such as betas
    "pair": "tuple of numbers",
    # text such as "0.95 ** epoch", or a list of one per parameter group
    "expression": "expression of epoch",
    "schedules": "list of schedules",
    "schedule": "schedule",
}
"""The values of each kind, as forms, help and messages name them."""

CountRole = Literal[
    "length",  # step() calls to the end of the curve, or of a part of it that occurs once, such as a warm-up
    "period",  # step() calls of something that repeats: from one drop to the next, of a cycle, of its rise or fall
    "milestones",  # step() calls from the schedule's start, a list
    "epochs",  # epochs of the run
    "batches",  # batches of an epoch
    "tests",  # tests at the ends of epochs
]

LrRole = Literal[
    "peak",  # the highest lr, in place of the optimizer's: OneCycleLR's max_lr
    "low",  # the lr between the peaks of a cycle: CyclicLR's base_lr
    "end",  # the lr that the schedule moves to from the current one, up or down, and then holds: SWALR's swa_lr
    "floor",  # the lowest lr of a schedule that starts at the optimizer's: CosineAnnealingLR's eta_min
]


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED: Any = _Required()
"""Stands for the default of an argument without one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One argument.

    Args:
        name: its name, as the class's constructor has it.
        kind: type of its values.
        help: what it does, one line.
        default: the constructor's default; REQUIRED if it has none.
        minimum: the lower limit, itself accepted unless `above` is set.
        maximum: the greatest value accepted.
        above: whether the value must be above the minimum.
        choices: the values accepted, for the kind `choice`.
        optional: whether None is accepted.
        count_role: what a whole number, or each of a list of them, counts; None for a number that counts nothing,
            such as a factor.
        lr: which lr the argument is; None for an argument that is no lr.
        lr_share: the initial value in forms as a share of the optimizer's lr, instead of the example's value.
    """

    name: str
    kind: Kind
    help: str
    default: Any = REQUIRED
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    choices: tuple[str, ...] = ()
    optional: bool = False
    count_role: CountRole | None = None
    lr: LrRole | None = None
    lr_share: float | None = None

    @property
    def is_required(self) -> bool:
        """Whether the argument is required."""
        return self.default is REQUIRED

    @property
    def range_text(self) -> str:
        """The values accepted: `whole number of at least 1`."""
        text = " or ".join(repr(choice) for choice in self.choices) or KIND_TEXT[self.kind]
        if self.minimum is not None and self.maximum is not None and self.maximum < MAX_COUNT:
            return f"{text} from {'above ' if self.above else ''}{self.minimum:g} to {self.maximum:g}"
        if self.minimum is not None:
            return f"{text} above {self.minimum:g}" if self.above else f"{text} of at least {self.minimum:g}"
        return text

    def refusal(self, value: float) -> str | None:
        """Return why a number is out of range, or None if it is not."""
        if not math.isfinite(value):
            return f"{self.name} must be finite, not {value}"
        low = self.minimum is not None and (value <= self.minimum if self.above else value < self.minimum)
        high = self.maximum is not None and value > self.maximum
        if high and self.maximum == MAX_COUNT:
            return f"{self.name} is at most {MAX_COUNT:,}, not {value:g}"
        return f"{self.name} takes a {self.range_text}, not {value:g}" if low or high else None


def count(
    name: str, help_text: str, role: CountRole, *, default: Any = REQUIRED, minimum: int = 1, optional: bool = False
) -> Parameter:
    """Declare an argument that is a whole number of something, or a list of these for `milestones`."""
    return Parameter(
        name=name,
        kind="ints" if role == "milestones" else "int",
        help=help_text,
        default=default,
        minimum=minimum,
        maximum=MAX_COUNT,
        optional=optional,
        count_role=role,
    )


def steps_or_share(name: str, help_text: str, *, default: Any = REQUIRED) -> Parameter:
    """Declare an argument that is a number of steps, or a share of the run if it is below 1."""
    return Parameter(
        name=name, kind="steps", help=help_text, default=default, minimum=0, maximum=MAX_COUNT, count_role="length"
    )
