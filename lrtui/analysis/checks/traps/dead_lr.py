"""Lrs that are too low to train for a long part of the run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lrtui.analysis.checks.context import ScheduleContext
from lrtui.analysis.checks.fixes import change, counted_from_one, fits, with_default_unit
from lrtui.analysis.checks.lr_context import LrContext
from lrtui.analysis.checks.trap import Example, Problem, lr_trap
from lrtui.analysis.checks.traps.lr_values import LOST_IN_ROUNDING
from lrtui.analysis.checks.traps.units import per_batch_in_batches
from lrtui.schedules.lr_curve import DEAD_SHARE, MIN_DEAD_SHARE, MIN_TAIL_SHARE, ROUNDING
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import four_digits, two_digits

ORDER = 90


def _alive(context: LrContext) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return for each step whether its lr is high enough to train; empty if there are no steps, or every lr is too
    low."""
    if not context.is_finite or context.peak <= LOST_IN_ROUNDING:
        return np.zeros(0, dtype=np.bool_)
    alive: np.ndarray[tuple[int], np.dtype[np.bool_]] = context.share > DEAD_SHARE * (1 + ROUNDING)
    return alive


def _dead_text(highest: float, steps: int, of: int) -> tuple[str, str]:
    """Return the dead lr and the share of the run that learns nothing, as text."""
    share = 100 * steps / of
    percent = "100 %" if share >= 99.5 else f"{share:.2g} %"
    if highest == 0:
        return "exactly 0", f"{percent} of the run learns nothing"
    return (
        f"{four_digits(highest)} or lower, a thousandth of its peak or less",
        f"{percent} of the run learns next to nothing",
    )


def _with_higher_end(context: ScheduleContext) -> Iterator[Schedule]:
    for part in context.parts:
        for end in part.entry.lrs("end"):
            yield change(context, [part], **{end.name: two_digits(context.peak / 10)})
    if any(part.entry.absolute and part.entry.fills for part in context.parts):
        yield with_default_unit(context.schedule)
    yield from fits(context)


@lr_trap(
    "dead-tail",
    "long before the run ends, the lr is too low to train",
    Example(
        "ExponentialLR(gamma=0.1)",
        "ExponentialLR(gamma=0.6)",
        "0.01 0.001 0.0001 1e-05 1e-06 1e-07 1e-08 1e-09 1e-10 1e-11 | 1e-11",
        "0.01 0.006 0.0036 0.0022 0.0013 0.00078 0.00047 0.00028 0.00017 0.0001 | 0.0001",
    ),
    fixes=_with_higher_end,
)
def dead_tail(context: LrContext) -> Problem | None:
    """From some step on the lr is a thousandth of its peak or less: the weights hardly change any more, and the
    remaining epochs are wasted. The classic case is ExponentialLR(gamma=0.1) per epoch: 0.01, 0.001, 0.0001 ...,
    which is dead after three epochs. Choose gamma so that the run ends at about 1 % of its peak:
    0.01 ** (1 / (epochs - 1)).
    """
    alive = _alive(context)
    if not alive.any():
        return None
    tail = int(np.argmax(alive[::-1]))
    # a single batch of a very short run does not matter
    if tail < MIN_TAIL_SHARE * len(alive) or (tail == 1 and context.unit == "step"):
        return None
    start = len(alive) - tail
    lr, effect = _dead_text(float(context.lrs[start:].max()), tail, len(alive))
    message = f"from {context.step_text(start)} on the lr is {lr}: the last {effect}"
    return Problem(message, short=f"dead after {context.epoch_text(start - 1)}")


def _with_higher_start(context: ScheduleContext) -> Iterator[Schedule]:
    for part in context.parts:
        if part.entry.warm_up_argument:
            for factor in ("start_factor", "factor"):
                if part.entry.parameter(factor) and part.get(factor) < 0.1:
                    yield change(context, [part], **{factor: 0.1})
        elif part.entry.parameter("div_factor"):
            yield change(context, [part], div_factor=None)
    yield from per_batch_in_batches(context)
    yield from counted_from_one(context)
    yield from fits(context)


@lr_trap(
    "dead-start",
    "the lr is too low to train at the start of the run",
    Example(
        'LambdaLR("min(1, epoch / 3)")',
        'LambdaLR("min(1, (epoch + 1) / 3)")',
        "0 0.0033 0.0067 0.01 0.01 0.01 0.01 0.01 0.01 0.01 | 0.01",
        "0.0033 0.0067 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 | 0.01",
    ),
    fixes=_with_higher_start,
)
def dead_start(context: LrContext) -> Problem | None:
    """In its first epochs the lr is a thousandth of its peak or less, so that nothing is learned in them."""
    alive = _alive(context)
    if not alive.any():
        return None
    head = int(np.argmax(alive))
    # a batch or two of a warm-up that starts at 0 do not matter
    if head < 2 or head < min(MIN_DEAD_SHARE * len(alive), context.horizon.batches_per_epoch):
        return None
    lr, effect = _dead_text(float(context.lrs[:head].max()), head, len(alive))
    message = f"until {context.step_text(head)} the lr is {lr}: the first {effect}"
    return Problem(message, short=f"dead until {context.epoch_text(head)}")
