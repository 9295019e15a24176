"""Lrs outside any useful range: not finite, negative, zero, or far too high."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

import numpy as np

from lrtui.analysis.checks.context import ScheduleContext
from lrtui.analysis.checks.fixes import (
    change,
    change_part,
    counted_from_one,
    each_expression,
    fits,
    with_default_unit,
    with_run_length,
)
from lrtui.analysis.checks.lr_context import LrContext
from lrtui.analysis.checks.trap import Example, Problem, lr_trap, trap
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import four_digits, two_digits

ORDER = 20

LOST_IN_ROUNDING = 1e-7
"""Peak lr at or below which no weight changes: relative to a weight of size 1 such a step is lost in 32-bit rounding
(1.2e-7)."""

EXPLODED = 100.0
"""Largest multiple of the optimizer's lr that a schedule may reach."""

NEAR_PEAK = 0.05
"""Tolerance for the highest value of an expression, since its peak may lie between two steps."""

MAX_REDUCTION = 1e3
"""Largest factor by which a fix lowers the lr; if the lr is even higher, the cause is something else."""

HIGHEST: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("Adam", "AdamW", "NAdam", "RAdam", "Adamax", "RMSprop"), (0.1, 0.01)),
    **dict.fromkeys(("SGD", "ASGD"), (100.0, 0.1)),
    **dict.fromkeys(("Adagrad", "Adafactor", "Rprop", "Muon"), (1.0, 0.05)),
    "Adadelta": (10.0, 1.0),
}
"""By optimizer: the highest lr that is known to train anything, and a usual one. With an adaptive optimizer each
weight moves by about the lr in a step, whatever the gradient; weights are around 0.1. SGD's step scales with the
gradient: MoCo's linear classifier uses lr=30 (K. He et al., "Momentum Contrast for Unsupervised Visual
Representation Learning", 2020), and so does the language model AWD-LSTM, also with ASGD (S. Merity et al.,
"Regularizing and Optimizing LSTM Language Models", 2018)."""


def _with_valid_factors(context: ScheduleContext) -> Iterator[Schedule]:
    for part in context.parts:
        if part.entry.family == "decay" and (part.get("gamma") or 0) < 0:
            yield change(context, [part], gamma=abs(part.get("gamma")))
        if part.entry.takes_function and part.entry.continues:
            yield change(context, [part], lr_lambda=each_expression(part, lambda text: f"max(0.1, {text})"))
    yield from fits(context)


@lr_trap(
    "not-finite",
    "the lr becomes infinite or NaN",
    Example(
        "ExponentialLR(gamma=1e200)",
        "ExponentialLR(gamma=0.6)",
        "0.01 1e+198 inf inf inf inf inf inf inf inf | inf",
        "0.01 0.006 0.0036 0.0022 0.0013 0.00078 0.00047 0.00028 0.00017 0.0001 | 0.0001",
    ),
    fixes=_with_valid_factors,
    needs_end=False,
)
def not_finite(context: LrContext) -> Problem | None:
    """An lr of NaN or inf makes every weight NaN in the next step, and training can't recover from that. The cause is
    a factor that keeps growing, a division by zero in an expression, or a gamma above 1 that is applied often.
    """
    if context.is_finite:
        return None
    step = int(np.argmin(np.isfinite(context.lrs).all(axis=1)))
    return Problem(f"the lr is not finite from {context.step_text(step)} on")


@lr_trap(
    "negative",
    "the lr falls below zero",
    Example(
        'LambdaLR("1 - epoch / 5")',
        'LambdaLR("max(0.01, 1 - epoch / 5)")',
        "0.01 0.008 0.006 0.004 0.002 0 -0.002 -0.004 -0.006 -0.008 | -0.008",
        "0.01 0.008 0.006 0.004 0.002 0.0001 0.0001 0.0001 0.0001 0.0001 | 0.0001",
    ),
    fixes=_with_valid_factors,
    needs_end=False,
)
def negative(context: LrContext) -> Problem | None:
    """With a negative lr, steps increase the loss. Expressions that fall along a line or a polynomial become negative
    after their end. Put max(0, ...) around the expression.
    """
    if not context.is_finite or not (context.lrs < 0).any():
        return None
    step = int(np.argmax((context.lrs < 0).any(axis=1)))
    lr = float(context.lrs[step].min())
    return Problem(
        f"the lr is negative from {context.step_text(step)} on ({four_digits(lr)}), which increases the loss"
    )


def _raised(context: ScheduleContext) -> Iterator[Schedule]:
    if _starts_at_zero(context):
        return
    cycles = [part for part in context.parts if part.entry.absolute and part.entry.fills]
    if cycles:
        yield with_default_unit(with_run_length(context, cycles))
    yield from counted_from_one(context)
    yield from fits(context)


@lr_trap(
    "nothing",
    "the lr is zero in the whole run",
    Example(
        'OneCycleLR(max_lr=0.003, per="epoch")',
        "OneCycleLR(max_lr=0.003)",
        "1.2e-08 | 1.2e-08",
        "0.00012 | 1.2e-08",
        epochs=1,
    ),
    fixes=_raised,
)
def zero(context: LrContext) -> Problem | None:
    """Nothing is learned at an lr of zero. The optimizer's lr is 0, or the schedule multiplies it by 0. A less obvious
    case is a OneCycleLR of a single step, which starts at its last lr, max_lr / 25 / 10,000.
    """
    if not context.is_finite or (context.lrs < 0).any() or context.peak > LOST_IN_ROUNDING:
        return None
    lrs = "0" if context.peak == 0 else f"{four_digits(context.peak)} or lower"
    if isinstance(context, ScheduleContext) and _starts_at_zero(context):
        return Problem(
            f"the lr is {lrs} in the whole run, because the optimizer's lr is {four_digits(max(context.base_lrs))}: "
            f"nothing is learned. Set the lr of {context.optimizer.name}"
        )
    return Problem(f"the lr is {lrs} in the whole run: nothing is learned")


def _starts_at_zero(context: ScheduleContext) -> bool:
    """Return whether the optimizer's own lr is the cause, which no schedule can correct."""
    return max(context.base_lrs) <= LOST_IN_ROUNDING and not any(part.entry.absolute for part in context.parts)


@trap(
    "exploding",
    "the lr grows far above the optimizer's",
    Example(
        "ExponentialLR(gamma=3)",
        "ExponentialLR(gamma=0.6)",
        "0.01 0.03 0.09 0.27 0.81 2.4 7.3 22 66 200 | 200",
        "0.01 0.006 0.0036 0.0022 0.0013 0.00078 0.00047 0.00028 0.00017 0.0001 | 0.0001",
        optimizer="SGD(lr=0.01)",
    ),
)
def exploding(context: ScheduleContext) -> Problem | None:
    """The lr becomes more than a hundred times the optimizer's lr: a gamma or factor above 1, or a rising expression,
    is applied at every step or epoch.
    """
    if not context.is_finite or any(part.entry.absolute for part in context.parts):
        return None
    with np.errstate(all="ignore"):
        times = max((peak / lr for peak, lr in zip(context.peaks, context.base_lrs, strict=True) if lr > 0), default=0)
    if times <= EXPLODED:
        return None
    step = int(context.lrs.max(axis=1).argmax())
    times_text = f"{times:,.0f}" if times < 1e6 else f"{times:.0e}"
    return Problem(
        f"the lr grows to {four_digits(context.peak)} at {context.step_text(step)}, {times_text} times the optimizer's "
        "lr",
        chain(_without_absolute_lrs(context), fits(context)),
    )


def _without_absolute_lrs(context: ScheduleContext) -> Iterator[Schedule]:
    """Yield the schedule without floors and last lrs, which may be above the optimizer's lr."""
    whole = context.schedule
    for part in context.parts:
        if part.entry.absolute or part.entry.follows_metric:
            continue
        changes: dict[str, float | None] = {
            **{floor.name: None for floor in part.entry.lrs("floor")},
            **{end.name: two_digits(max(context.base_lrs) / 2) for end in part.entry.lrs("end")},
        }
        changes = {name: value for name, value in changes.items() if part.get(name) not in (0, None)}
        whole = change_part(whole, part.path, **changes)
    if whole != context.schedule:
        yield whole


@trap(
    "implausible",
    "the lr is higher than any known to work",
    Example(
        "OneCycleLR(max_lr=1.0)",
        "OneCycleLR(max_lr=0.01)",
        "0.04 0.28 0.76 1 0.95 0.81 0.61 0.39 0.19 0.049 | 4e-06",
        "0.0004 0.0028 0.0076 0.01 0.0095 0.0081 0.0061 0.0039 0.0019 0.00049 | 4e-08",
    ),
)
def implausible(context: ScheduleContext) -> Problem | None:
    """Adam and similar optimizers divide by the size of the gradient, so that each weight moves by about the lr in a
    step: no model is known to train above 0.1. SGD's lr scales with the loss and has a wider range. A range test (key
    f, or lrtui find) shows at which lr the loss diverges.
    """
    highest, usual = HIGHEST.get(context.optimizer.name, (math.inf, 1.0))
    if not context.is_finite or context.peak <= highest:
        return None
    name = context.optimizer.name
    known = f"but no model is known to train with {name} above {highest:g}"
    message = f"the lr reaches {four_digits(context.peak)}, {known}"
    if max(context.base_lrs) > highest:
        return Problem(f"{message}; {name}(lr={usual:g}) is usual", _scaled_down(context, usual))
    return Problem(
        message,
        chain(without_growth(context), _without_absolute_lrs(context), _scaled_down(context, usual), fits(context)),
    )


def without_growth(context: ScheduleContext) -> Iterator[Schedule]:
    """Yield the schedule with cycles that keep their height instead of growing by `gamma`."""
    growing = [part for part in context.parts if part.get("mode") == "exp_range" and part.get("gamma") > 1]
    if growing:
        yield change(context, growing, gamma=None)


def _scaled_down(context: ScheduleContext, usual: float) -> Iterator[Schedule]:
    factor, whole = max(usual / context.peak, 1 / MAX_REDUCTION), context.schedule
    for part in context.parts:
        given = part.schedule.arguments
        names = [lr.name for lr in part.entry.lrs("peak", "low", "end", "floor") if given.get(lr.name)]
        whole = change_part(whole, part.path, **{name: _times(given[name], factor) for name in names})
    if whole != context.schedule:
        yield whole


def _times(value: Any, factor: float) -> float | tuple[float, ...]:
    if isinstance(value, tuple):
        return tuple(two_digits(item * factor) for item in value)
    return two_digits(value * factor)


@trap(
    "factor-is-lr",
    "the expression gives an lr instead of a factor",
    Example(
        'LambdaLR("0.01 * 0.9 ** epoch")',
        'LambdaLR("(0.01 * 0.9 ** epoch) / 0.01")',
        "0.0001 9e-05 8.1e-05 7.3e-05 6.6e-05 5.9e-05 5.3e-05 4.8e-05 4.3e-05 3.9e-05 | 3.9e-05",
        "0.01 0.009 0.0081 0.0073 0.0066 0.0059 0.0053 0.0048 0.0043 0.0039 | 0.0039",
    ),
)
def factor_is_lr(context: ScheduleContext) -> Problem | None:
    """LambdaLR and MultiplicativeLR multiply. An expression that gives the lr itself is multiplied by the optimizer's
    lr, and the result is hundreds of times too low. Divide the expression by the optimizer's lr, or set the
    optimizer's lr to 1.

    Source: PyTorch's page on LambdaLR ("lr_lambda: a function which computes a multiplicative factor").
    """
    outermost = context.parts[0]
    if not (outermost.entry.takes_function and outermost.entry.recomputes) or not context.is_finite:
        return None
    given = outermost.get("lr_lambda")
    # a single expression is written for the default group, a list has one for each group
    groups = range(len(context.base_lrs)) if isinstance(given, tuple) else range(1)
    trained = [group for group in groups if context.base_lrs[group] > 0]
    if not trained or not all(_gives_lr(context, group) for group in trained):
        return None
    base, highest = (
        ", ".join(four_digits(float(lrs[group])) for group in trained) for lrs in (context.base_lrs, context.peaks)
    )
    expression = "the expression gives" if len(trained) == 1 else "the expressions give"
    texts = given if isinstance(given, tuple) else (given,)
    divided = tuple(f"({text}) / {lr!r}" if lr > 0 else text for text, lr in zip(texts, context.base_lrs, strict=False))
    return Problem(
        f"{expression} the lr itself, {base}, but {outermost.name} expects a factor: the highest lr is {highest}",
        [context.schedule.with_arguments(lr_lambda=divided if isinstance(given, tuple) else divided[0])],
    )


def _gives_lr(context: ScheduleContext, group: int) -> bool:
    """Return whether the factor of a parameter group is as high as the group's lr."""
    base = context.base_lrs[group]
    # the highest factor, not the first: a warm-up starts lower
    return 0 < base < 0.5 and math.isclose(float(context.peaks[group]), base * base, rel_tol=NEAR_PEAK)
