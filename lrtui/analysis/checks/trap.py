"""A trap: how it is seen in a plan, and what may get out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lrtui.analysis.checks.context import Plan
from lrtui.schedules.schedule import Schedule


@dataclass(frozen=True, slots=True)
class Sighting:
    """A trap that a plan is in.

    Args:
        message: what will happen, one sentence with its figures.
        fixes: schedules that may be without it, the best first; none is believed before it was tried.
    """

    message: str
    fixes: Iterable[Schedule] = ()


@dataclass(frozen=True, slots=True)
class Trap:
    """A trap by its code; what it is about is told on its page.

    Args:
        code: identifies it.
        look: returns what there is to say of a plan, or None.
        refused: whether it is looked for in plans that can't be followed to their end, and in no others.
    """

    code: str
    look: Callable[[Plan], Sighting | None]
    refused: bool = False
