"""Schedules that end at a high lr: the lr rises again, its decay is cut short, or it is never lowered."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from lrtui.analysis.checks.context import ScheduleContext
from lrtui.analysis.checks.fixes import change, fit_of, fits, slowed, with_run_length
from lrtui.analysis.checks.lr_context import LrContext
from lrtui.analysis.checks.trap import Example, Problem, lr_trap, trap
from lrtui.analysis.checks.traps.units import warm_up_per_batch
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import four_digits

ORDER = 80

HIGH = 0.5
"""Share of its peak below which a schedule that fell earlier should end."""

LOW = 0.1
"""Share of its peak at or below which a schedule counts as lowered."""


@trap(
    "goes-up-again",
    "CosineAnnealingLR rises again after T_max",
    Example(
        "CosineAnnealingLR(T_max=5)",
        "CosineAnnealingLR()",
        "0.01 0.009 0.0065 0.0035 0.00095 0 0.00095 0.0035 0.0065 0.009 | 0.009",
        "0.01 0.0098 0.009 0.0079 0.0065 0.005 0.0035 0.0021 0.00095 0.00024 | 0.00024",
    ),
)
def goes_up_again(context: ScheduleContext) -> Problem | None:
    """After T_max CosineAnnealingLR rises again as far as it fell. Leave out T_max: lrtui fills in the number of steps.
    CosineAnnealingWarmRestarts is the scheduler that is meant to repeat.
    """
    for part in context.parts_with("T_max"):
        length = part.get("T_max")
        if length >= part.calls - 1 or not context.is_finite:
            continue
        lowest, end = part.start + length, part.start + part.calls
        first_step = int(context.starts[lowest])
        end_step = len(context.lrs) if end >= len(context.starts) else int(context.starts[end])
        if float(context.share[first_step:end_step].max()) < 2 * context.share_at(lowest) + 0.01:
            continue
        cycles = part.calls / (2 * length)
        course = (
            f"oscillates {cycles:,.0f} times" if cycles >= 2 else f"rises again from {context.call_text(lowest)} on"
        )
        return Problem(
            f"the cosine reaches its lowest lr after T_max={length:,} of {context.calls_text(part.calls)} and then "
            f"{course}: it ends at {four_digits(float(context.lrs[end_step - 1].max()))}",
            [with_run_length(context, [part]), *fit_of(context, part)],
        )
    return None


@trap(
    "unfinished-cycle",
    "the run ends early in a cycle",
    Example(
        "CosineAnnealingWarmRestarts(T_0=3)",
        "CosineAnnealingWarmRestarts(T_0=5)",
        "0.01 0.0075 0.0025 0.01 0.0075 0.0025 0.01 0.0075 0.0025 0.01 | 0.01",
        "0.01 0.009 0.0065 0.0035 0.00095 0.01 0.009 0.0065 0.0035 0.00095 | 0.00095",
    ),
)
def unfinished_cycle(context: ScheduleContext) -> Problem | None:
    """The run ends early in a cycle, at a high lr: the last restart undoes the gains of the previous cycle. A cycle
    that is longer than the run does not come down at all.
    Choose T_0 and T_mult so that a cycle ends with the run: with T_mult=1, T_0 divides the length of the run; with
    T_mult=2, T_0 is the length divided by 3, 7 or 15.
    """
    for part in context.parts:
        if not part.entry.restarts or not part.is_last or part.calls < 2 or not context.is_finite:
            continue
        period = next(parameter.name for parameter in part.entry.counts if parameter.count_role == "period")
        position, length = part.calls - 1, part.get(period)
        while position >= length:
            position, length = position - length, length * (part.get("T_mult") or 1)
        if context.share[-1] <= LOW:
            continue
        if length > part.calls and position == part.calls - 1:
            return Problem(
                f"a cycle of {context.calls_text(length)} is longer than {context.calls_text(part.calls)}: it is never "
                f"restarted, and the run ends with the lr at {_end_text(context)}",
                fit_of(context, part),
            )
        if position >= length / 2:
            continue
        return Problem(
            f"the run of {context.calls_text(context.calls)} ends at {context.unit} {position + 1:,} of a cycle of "
            f"{length:,}, with the lr at {_end_text(context)}",
            fit_of(context, part),
        )
    return None


@trap(
    "cut-short",
    "a decay is longer than the run",
    Example(
        "CosineAnnealingLR(T_max=20)",
        "CosineAnnealingLR()",
        "0.01 0.0099 0.0098 0.0095 0.009 0.0085 0.0079 0.0073 0.0065 0.0058 | 0.0058",
        "0.01 0.0098 0.009 0.0079 0.0065 0.005 0.0035 0.0021 0.00095 0.00024 | 0.00024",
    ),
)
def cut_short(context: ScheduleContext) -> Problem | None:
    """The run ends before the lr has come down. Set the length of the decay to that of the run."""
    if not context.is_finite:
        return None
    for part in context.parts:
        argument = part.entry.length_argument
        if argument is None or part.entry.absolute or not part.lowers or not part.is_last or part.calls < 2:
            continue
        length, lowest = part.get(argument), part.get("end_factor") or 0.0
        if length <= part.calls + 1 or context.share[-1] <= max(LOW, 1.5 * lowest):
            continue
        return Problem(
            f"{argument}={length:,} is more than {context.calls_text(part.calls)}: the lr ends at {_end_text(context)}",
            [change(context, [part], **{argument: None if argument in part.entry.fills else part.calls})],
        )
    return None


@trap(
    "endless-warm-up",
    "a warm-up is longer than the run",
    Example(
        "LinearLR(start_factor=0.1, total_iters=100)",
        'LinearLR(start_factor=0.1, total_iters=100, per="batch")',
        "0.001 0.0011 0.0012 0.0013 0.0014 0.0015 0.0015 0.0016 0.0017 0.0018 | 0.0018",
        "0.001 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 | 0.01",
    ),
)
def endless_warm_up(context: ScheduleContext) -> Problem | None:
    """The run ends during the warm-up, before the lr has reached its target. Lower total_iters, or step the schedule
    per batch.
    """
    for part in context.parts:
        if part.warm_up is None or not part.is_last or part.calls < 2 or not context.is_finite:
            continue
        length = part.get(part.warm_up)
        if length < part.calls:
            continue
        return Problem(
            f"the warm-up takes {context.calls_text(length)} ({part.warm_up}), but the run ends after {part.calls:,}, "
            f"at an lr of {four_digits(context.last)}",
            chain(warm_up_per_batch(context), fit_of(context, part)),
        )
    return None


def _turned(context: ScheduleContext) -> Iterator[Schedule]:
    for part in context.parts:
        grows = part.entry.family == "decay" and (part.get("gamma") or 0) > 1
        if grows or part.entry.warm_up_argument:
            yield from fit_of(context, part)
    for part in context.parts:
        for floor in part.entry.lrs("floor"):
            yield change(context, [part], **{floor.name: None})
    yield from fits(context)


@lr_trap(
    "only-rises",
    "the lr only rises",
    Example(
        "ExponentialLR(gamma=1.2)",
        "ExponentialLR(gamma=0.6)",
        "0.1 0.12 0.14 0.17 0.21 0.25 0.3 0.36 0.43 0.52 | 0.52",
        "0.1 0.06 0.036 0.022 0.013 0.0078 0.0047 0.0028 0.0017 0.001 | 0.001",
        optimizer="SGD(lr=0.1)",
    ),
    fixes=_turned,
)
def only_rises(context: LrContext) -> Problem | None:
    """A run that ends at its highest lr ends with its noisiest weights. Lower the lr at the end, for example with a
    cosine, a line or steps.
    """
    if not never_falls(context):
        return None
    return Problem(
        f"the lr only rises, from {four_digits(float(context.lrs[0].max()))} to {four_digits(context.last)} in the "
        f"last {context.unit}, and is never lowered"
    )


def never_falls(context: LrContext) -> bool:
    """Return whether the lr rises from a low start to a peak at the very end of the run."""
    if not context.is_finite or len(context.starts) < 2 or len(context.lrs) < 2 or context.peak <= 0:
        return False
    shares = context.share[context.starts]
    # a schedule that holds its peak for a while has warmed up and is complete
    return bool(shares[0] <= HIGH and shares.argmax() >= 0.95 * (len(shares) - 1) and np.all(np.diff(shares) >= -1e-9))


def _slowed_to_end(context: ScheduleContext) -> Iterator[Schedule]:
    """Yield schedules that have their lowest lr at the end of the run."""
    yield from slowed(context, round(_lowest_after_peak(context) / len(context.lrs), 2))
    yield from fits(context)


def _lowest_after_peak(context: LrContext) -> int:
    peak = int(context.share.argmax())
    return peak + int(context.share[peak:].argmin())


@lr_trap(
    "ends-high",
    "the lr rises again before the end of the run",
    Example(
        'LambdaLR("0.5 * (1 + cos(pi * epoch / 5))")',
        'LambdaLR("0.5 * (1 + cos(pi * (0.5 * epoch) / 5))")',
        "0.01 0.009 0.0065 0.0035 0.00095 0 0.00095 0.0035 0.0065 0.009 | 0.009",
        "0.01 0.0098 0.009 0.0079 0.0065 0.005 0.0035 0.0021 0.00095 0.00024 | 0.00024",
    ),
    fixes=_slowed_to_end,
)
def ends_high(context: LrContext) -> Problem | None:
    """The lr falls and rises again before the end. It should be lowest in the last part of a run."""
    # `swa-lr-high` covers averaged weights
    if not context.is_finite or len(context.lrs) < 2 or context.repeats_cycles or context.averages_at_end:
        return None
    lowest = _lowest_after_peak(context)
    if context.share[lowest] > LOW or context.share[-1] < HIGH:
        return None
    return Problem(
        f"the lr falls to {four_digits(float(context.lrs[lowest].max()))} at {context.step_text(lowest)} and rises "
        f"again: the run ends at {_end_text(context)}"
    )


def _end_text(context: LrContext) -> str:
    return f"{four_digits(context.last)}, {100 * context.share[-1]:.0f} % of its peak"
