"""Schedulers that take a function of the step, written as an expression."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from lrtui.run.errors import NotationError
from lrtui.schedules.catalogue.decay import END_SHARE
from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry, one_or_each
from lrtui.schedules.expression import Expression, depends_on_step
from lrtui.schedules.parameter import Parameter
from lrtui.text.format import two_digits

MAX_FACTORS = 10_000
"""Number of factors of a MultiplicativeLR that are evaluated; later ones are assumed to be similar."""


def _each(texts: Any, change: Callable[[str], str]) -> Any:
    """Return the expression changed, or each of a tuple of expressions."""
    return tuple(change(text) for text in texts) if isinstance(texts, tuple) else change(texts)


def _read_lambdas(scheduler: Any) -> Any:
    return one_or_each(scheduler.lr_lambdas)


def _is_constant(arguments: Arguments) -> bool:
    texts = arguments["lr_lambda"]
    return not any(depends_on_step(text) for text in (texts if isinstance(texts, tuple) else (texts,)))


def _fit_lambda(arguments: Arguments, calls: int) -> Arguments:
    return {"lr_lambda": _each(arguments["lr_lambda"], lambda text: f"max({END_SHARE}, {text})")}


def _lambda_factor(arguments: Arguments, calls: int) -> str | None:
    given = arguments["lr_lambda"]
    return f"({given})" if isinstance(given, str) else None


def _fit_multiplicative(arguments: Arguments, calls: int) -> Arguments | None:
    """Raise the factors to the power at which their product ends at END_SHARE."""

    def with_power(text: str) -> str:
        factors = [Expression(text)(call) for call in range(1, min(calls, MAX_FACTORS))]
        logarithm = sum(math.log(factor) for factor in factors)
        power = two_digits(math.log(END_SHARE) / logarithm * len(factors) / (calls - 1))
        return f"({text}) ** {power}"

    try:
        return {"lr_lambda": _each(arguments["lr_lambda"], with_power)}
    except (NotationError, ValueError, ZeroDivisionError, OverflowError):
        # a factor is undefined or not above 0, or the product is 1
        return None


SCHEDULERS = (
    SchedulerEntry(
        name="LambdaLR",
        summary="the optimizer's lr times an expression of the step number",
        family="function",
        unit="epoch",
        parameters=(
            Parameter(
                name="lr_lambda",
                kind="expression",
                help="factor that the optimizer's lr is multiplied by; epoch counts step() calls from 0",
            ),
        ),
        example='LambdaLR("0.95 ** epoch")',
        recomputes=True,
        read={"lr_lambda": _read_lambdas},
        is_constant=_is_constant,
        fit=_fit_lambda,
        factor=_lambda_factor,
    ),
    SchedulerEntry(
        name="MultiplicativeLR",
        short_name="Multiply",
        summary="multiplies the lr at each step by an expression of the step number",
        family="function",
        unit="epoch",
        parameters=(
            Parameter(
                name="lr_lambda",
                kind="expression",
                help="factor that the lr of the step before is multiplied by; epoch counts step() calls from 1",
            ),
        ),
        example='MultiplicativeLR("0.9 if epoch > 3 else 1")',
        continues=True,
        read={"lr_lambda": _read_lambdas},
        is_constant=_is_constant,
        fit=_fit_multiplicative,
    ),
)
