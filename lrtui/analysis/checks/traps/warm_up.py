"""Warm-ups that are too slow or cut off, and ConstantLR used for a constant lr."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lrtui.analysis.checks.context import ScheduleContext
from lrtui.analysis.checks.fixes import as_written, change, fits
from lrtui.analysis.checks.lr_context import LrContext
from lrtui.analysis.checks.trap import Example, Problem, lr_trap, trap
from lrtui.analysis.checks.traps.high_end import never_falls
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import four_digits

ORDER = 110

SLOW = 0.4
"""Share of the run within which a warm-up should reach half its peak; OneCycleLR takes 0.15."""

JUMP = 1.5
"""How many times higher the lr is after a warm-up that was cut off."""


@trap(
    "default-third",
    "ConstantLR multiplies the lr by 1/3 by default",
    Example(
        "ConstantLR()",
        "ConstantLR(factor=1.0)",
        "0.0033 0.0033 0.0033 0.0033 0.0033 0.01 0.01 0.01 0.01 0.01 | 0.01",
        "0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 0.01 | 0.01",
    ),
)
def default_third(context: ScheduleContext) -> Problem | None:
    """ConstantLR() multiplies the lr by 1/3 for 5 steps and then jumps to the optimizer's lr. Write
    ConstantLR(factor=1.0) to leave the lr as it is, and LinearLR for a warm-up.
    """
    for part in context.parts_with("factor", "total_iters"):
        keeps_lr = part.entry.is_constant({**part.values, "factor": 1.0})
        if "factor" in part.schedule.arguments or part.calls < 1 or not keeps_lr:
            continue
        length, next_call = part.get("total_iters"), part.start + part.calls
        if length < part.calls:
            until = f"for {context.calls_text(length)} and then jumps up"
        elif next_call < context.calls:
            until = f"until {context.call_text(next_call)}, where the next scheduler takes over"
        else:
            until = "until the end of the run"
        return Problem(
            f"{part.name} without factor lowers the lr to a third {until}",
            [change(context, [part], factor=1.0)],
        )
    return None


@trap(
    "warm-up-cut-off",
    "the next scheduler takes over before the warm-up is complete",
    Example(
        "SequentialLR([LinearLR(start_factor=0.1), CosineAnnealingLR()], milestones=[2])",
        "SequentialLR([LinearLR(start_factor=0.1, total_iters=2), CosineAnnealingLR()], milestones=[2])",
        "0.001 0.0028 0.01 0.0096 0.0085 0.0069 0.005 0.0031 0.0015 0.00038 | 0.00038",
        "0.001 0.0055 0.01 0.0096 0.0085 0.0069 0.005 0.0031 0.0015 0.00038 | 0.00038",
    ),
)
def warm_up_cut_off(context: ScheduleContext) -> Problem | None:
    """The next scheduler takes over before the warm-up has reached its end, and the lr jumps. Set total_iters to the
    milestone.
    """
    for part in context.parts:
        if part.warm_up is None:
            continue
        length, next_call = part.get(part.warm_up), part.start + part.calls
        if part.is_last or not 0 < part.calls < length or next_call >= context.calls or not context.is_finite:
            continue
        before, after = context.share_at(next_call - 1), context.share_at(next_call)
        # even a warm-up of the right length ends one increment below the next scheduler
        low, high = part.get("start_factor") or 0.0, part.get("end_factor") or 1.0
        last_factor = low + (high - low) * (part.calls - 1) / part.calls
        if before <= 0 or after < JUMP * before or after * last_factor <= 1.05 * high * before:
            continue
        return Problem(
            f"the warm-up takes {context.calls_text(length)} ({part.warm_up}) but ends after {part.calls:,}: the lr "
            f"jumps from {four_digits(context.lr_at(next_call - 1))} to {four_digits(context.lr_at(next_call))} at "
            f"{context.call_text(next_call)}",
            [change(context, [part], **{part.warm_up: part.calls})],
        )
    return None


def _shortened(context: ScheduleContext) -> Iterator[Schedule]:
    for part in context.parts:
        if name := part.entry.warm_up_argument:
            yield change(context, [part], **{name: as_written(context, part, name, max(1, part.calls // 10))})
    yield from fits(context)


@lr_trap(
    "slow-warm-up",
    "the lr is below half its peak for much of the run",
    Example(
        "SequentialLR([LinearLR(start_factor=0.1, total_iters=5), CosineAnnealingLR()], milestones=[5])",
        "SequentialLR([LinearLR(start_factor=0.1, total_iters=1), CosineAnnealingLR()], milestones=[5])",
        "0.001 0.0028 0.0046 0.0064 0.0082 0.01 0.005 | 0.005",
        "0.001 0.01 0.01 0.01 0.01 0.01 0.005 | 0.005",
        epochs=7,
    ),
    fixes=_shortened,
)
def slow_warm_up(context: LrContext) -> Problem | None:
    """Warm-ups of 1 to 10 % of the run are usual. Stepped per epoch, each increment lasts a whole epoch; per="batch"
    makes a warm-up smooth and short.
    """
    if not context.is_finite or context.peak <= 0 or len(context.starts) < 2:
        return None
    reached = int(np.argmax(context.share >= 0.5))
    total = len(context.lrs)
    if reached < SLOW * total or never_falls(context) or context.restarts:
        return None
    return Problem(
        f"the lr is below half its peak until {context.step_text(reached)}: the warm-up takes "
        f"{100 * reached / total:.0f} % of the run"
    )
