"""Schedulers that lower the lr by a rule."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import pairwise

from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry, always
from lrtui.schedules.parameter import Parameter, count

END_SHARE = 0.01
"""Share of its initial lr at which a fitted decay ends: low enough to remove the noise, high enough to train."""

DROPS = 3
"""How often a fitted schedule of steps lowers the lr."""

GAMMA = Parameter(name="gamma", kind="float", help="factor that the lr is multiplied by at each drop", default=0.1)

DEEPEST_DROP = 0.1
"""The smallest factor that is fitted to a drop, which is also PyTorch's default gamma."""


def gamma_for(drops: int) -> float:
    """Return the factor that reaches END_SHARE after so many drops, with 1 - factor rounded to two digits.

    A single drop does not go that far.
    """
    gamma: float = max(DEEPEST_DROP, END_SHARE ** (1 / drops))
    digits = 2 if gamma < 0.9 else 1 - math.floor(math.log10(1 - gamma))
    return round(gamma, digits)


def scale_milestones(milestones: Iterable[int], calls: int) -> tuple[int, ...] | None:
    """Return milestones in the same proportions within so many calls; None if these are too few."""
    milestones = sorted(set(milestones) - {0})
    if not milestones or len(milestones) >= calls:
        return None
    # a sixth of the run is left after the last milestone, similar to known recipes
    target = max(len(milestones), min(calls - 1, int(calls * 5 / 6)))
    found: list[int] = []
    for index, milestone in enumerate(milestones):
        left = len(milestones) - 1 - index
        least = found[-1] + 1 if found else 1
        found.append(min(max(least, round(milestone * target / milestones[-1])), calls - 1 - left))
    return tuple(found) if all(later > earlier for earlier, later in pairwise(found)) else None


def factor_text(value: float) -> str:
    """Return a number as text for an expression, without rounding errors: `1 - 0.9` is 0.1."""
    text = f"{value:.15g}"
    return f"({text})" if value < 0 else text


def _fit_exponential(arguments: Arguments, calls: int) -> Arguments:
    return {"gamma": gamma_for(calls - 1)}


def _exponential_factor(arguments: Arguments, calls: int) -> str:
    return f"{factor_text(arguments['gamma'])} ** epoch"


def _fit_steps(arguments: Arguments, calls: int) -> Arguments:
    size = arguments["step_size"]
    if size >= calls:
        size = max(1, calls // DROPS)
    gamma = gamma_for((calls - 1) // size)
    return {"step_size": size} | ({} if gamma == arguments["gamma"] else {"gamma": gamma})


def _steps_factor(arguments: Arguments, calls: int) -> str:
    return f"{factor_text(arguments['gamma'])} ** (epoch // {arguments['step_size']})"


def _fit_milestones(arguments: Arguments, calls: int) -> Arguments | None:
    milestones, gamma = arguments["milestones"], arguments["gamma"]
    if max(milestones) >= calls or min(milestones) == 0 or len(set(milestones)) < len(milestones):
        scaled = scale_milestones(milestones, calls)
        if scaled is None:
            return None
        milestones = scaled
    if not 0 < gamma < 1 or gamma ** len(milestones) < END_SHARE:
        gamma = gamma_for(len(milestones))
    return {"milestones": tuple(milestones), "gamma": gamma}


def _milestones_factor(arguments: Arguments, calls: int) -> str:
    reached = " + ".join(f"(epoch >= {milestone})" for milestone in sorted(arguments["milestones"]))
    return f"{factor_text(arguments['gamma'])} ** ({reached or 0})"


def _fit_polynomial(arguments: Arguments, calls: int) -> Arguments:
    power = arguments["power"]
    return {"total_iters": calls, "power": None if power == 1.0 else min(2.0, power) if power > 0 else 1.0}


def _polynomial_factor(arguments: Arguments, calls: int) -> str | None:
    power, length = arguments["power"], arguments["total_iters"]
    if power <= 0 or length < 1:
        return None
    left = f"max(0, 1 - epoch / {length})"
    return left if power == 1 else f"{left} ** {factor_text(power)}"


SCHEDULERS = (
    SchedulerEntry(
        name="ExponentialLR",
        short_name="Exp",
        summary="multiplies the lr by gamma at every step",
        family="decay",
        unit="epoch",
        parameters=(Parameter(name="gamma", kind="float", help="factor that the lr is multiplied by at each step"),),
        notes=("With gamma=0.1 per epoch the lr falls to a thousandth in 3 epochs, and training stands still.",),
        example="ExponentialLR(gamma=0.9)",
        fit=_fit_exponential,
        factor=_exponential_factor,
    ),
    SchedulerEntry(
        name="StepLR",
        summary="multiplies the lr by gamma every step_size steps",
        family="decay",
        unit="epoch",
        parameters=(count("step_size", "steps between two drops", "period"), GAMMA),
        example="StepLR(step_size=3, gamma=0.5)",
        lowers=always,
        fit=_fit_steps,
        factor=_steps_factor,
    ),
    SchedulerEntry(
        name="MultiStepLR",
        summary="multiplies the lr by gamma at each milestone",
        family="decay",
        unit="epoch",
        parameters=(count("milestones", "steps at which the lr drops", "milestones", minimum=0), GAMMA),
        notes=("A milestone given twice multiplies twice.",),
        example="MultiStepLR([5, 8], gamma=0.1)",
        lowers=always,
        # a Counter
        read={"milestones": lambda scheduler: sorted(scheduler.milestones.elements())},
        fit=_fit_milestones,
        factor=_milestones_factor,
    ),
    SchedulerEntry(
        name="PolynomialLR",
        short_name="Poly",
        summary="lowers the lr to 0 over total_iters steps, along a power curve",
        family="decay",
        unit="epoch",
        parameters=(
            count("total_iters", "steps until the lr is 0", "length", default=5),
            Parameter(name="power", kind="float", help="1 is a straight line", default=1.0, minimum=0),
        ),
        notes=("After total_iters steps the lr is exactly 0.",),
        example="PolynomialLR(total_iters=10, power=1.0)",
        length_argument="total_iters",
        lowers=always,
        fit=_fit_polynomial,
        factor=_polynomial_factor,
    ),
)
