"""Schedules as factors on the optimizer's lr: an expression of the step's number that says the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lrtui.analysis.checks.part import Place


def as_factor(place: Place) -> str | None:
    """Return the schedule of a place as a factor in an expression; None where none says exactly the same."""
    factor = _FACTORS.get(place.name)
    return None if factor is None else factor(place)


def _lambda(place: Place) -> str | None:
    given = place.get("lr_lambda")
    return f"({given})" if isinstance(given, str) else None


def _exponential(place: Place) -> str:
    return f"{_number(place.get('gamma'))} ** epoch"


def _step(place: Place) -> str:
    return f"{_number(place.get('gamma'))} ** (epoch // {place.get('step_size')})"


def _milestones(place: Place) -> str:
    reached = " + ".join(f"(epoch >= {milestone})" for milestone in sorted(place.get("milestones")))
    return f"{_number(place.get('gamma'))} ** ({reached or 0})"


def _constant(place: Place) -> str | None:
    factor, length = place.get("factor"), place.get("total_iters")
    # nothing brings back what was multiplied by 0, and a length of 0 holds for ever
    return f"({_number(factor)} if epoch < {length} else 1)" if factor > 0 and length > 0 else None


def _linear(place: Place) -> str | None:
    low, high, length = place.get("start_factor"), place.get("end_factor"), place.get("total_iters")
    return f"({_number(low)} + {_number(high - low)} * min(1, epoch / {length}))" if length > 0 else None


def _polynomial(place: Place) -> str | None:
    power, length = place.get("power"), place.get("total_iters")
    if power <= 0 or length < 1:
        return None
    left = f"max(0, 1 - epoch / {length})"
    return left if power == 1 else f"{left} ** {_number(power)}"


def _cosine(place: Place) -> str | None:
    length = place.get("T_max")
    # past its foot it goes up in a way of its own
    if place.get("eta_min") != 0 or length < place.calls - 1:
        return None
    return f"0.5 * (1 + cos(pi * epoch / {length}))"


def _restarts(place: Place) -> str | None:
    length = place.get("T_0")
    if place.get("eta_min") != 0 or place.get("T_mult") != 1:
        return None
    return f"0.5 * (1 + cos(pi * (epoch % {length}) / {length}))"


def _number(value: float) -> str:
    """Return a number as it stands in an expression, without the last digit's rounding: `1 - 0.9` is 0.1."""
    text = f"{value:.15g}"
    return f"({text})" if value < 0 else text


_FACTORS: Mapping[str, Callable[[Place], str | None]] = {
    "LambdaLR": _lambda,
    "ExponentialLR": _exponential,
    "StepLR": _step,
    "MultiStepLR": _milestones,
    "ConstantLR": _constant,
    "LinearLR": _linear,
    "PolynomialLR": _polynomial,
    "CosineAnnealingLR": _cosine,
    "CosineAnnealingWarmRestarts": _restarts,
}
