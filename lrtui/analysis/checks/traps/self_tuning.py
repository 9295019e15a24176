"""Schedules on optimizers that need none: Schedule-Free, Prodigy and D-Adaptation."""

from __future__ import annotations

import math

import numpy as np

from lrtui.analysis.checks.context import ScheduleContext
from lrtui.analysis.checks.trap import Example, Problem, trap
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import four_digits

ORDER = 15

CONSTANT = Schedule("ConstantLR", (("factor", 1.0),))
COSINE = Schedule("CosineAnnealingLR")


def _is_constant(context: ScheduleContext) -> bool:
    return not context.follows_metric and bool((context.lrs == context.lrs[0]).all())


def _rises(context: ScheduleContext) -> bool:
    # rounding must not count as a rise
    return bool((np.diff(context.share) > 1e-6).any())


@trap(
    "schedule-free",
    "the optimizer needs no schedule",
    Example(
        "CosineAnnealingLR()",
        "ConstantLR(factor=1.0)",
        "0.0025 0.0024 0.0023 0.002 0.0016 0.0013 0.00086 0.00052 0.00024 6.1e-05 | 6.1e-05",
        "0.0025 0.0025 0.0025 0.0025 0.0025 0.0025 0.0025 0.0025 0.0025 0.0025 | 0.0025",
        optimizer="schedulefree:AdamWScheduleFree(lr=0.0025)",
    ),
)
def schedule_free(context: ScheduleContext) -> Problem | None:
    """Schedule-Free optimizers average their weights during training, which has the effect of a falling lr at every
    step: the lr stays constant, and the length of the run need not be known. A warm-up is an argument of the optimizer,
    warmup_steps; RAdamScheduleFree needs none. A schedule works, but is pointless: a lower lr only slows training.

    Source: A. Defazio et al., "The Road Less Scheduled", arXiv:2405.15682, and the page of schedulefree ("There is no
    need to use a learning rate scheduler").
    """
    name = context.optimizer.name
    if "ScheduleFree" not in name or _is_constant(context):
        return None
    warm_up = "it needs no warm-up either" if "RAdam" in name else "its warm-up is its own argument, warmup_steps"
    return Problem(
        f"{name} averages its weights in place of lowering the lr, and needs no schedule; {warm_up}", [CONSTANT]
    )


@trap(
    "prodigy-lr",
    "the lr multiplies a step size that the optimizer estimates",
    Example(
        "OneCycleLR(max_lr=0.003)",
        "CosineAnnealingLR()",
        "0.00012 0.00084 0.0023 0.003 0.0029 0.0024 0.0018 0.0012 0.00056 0.00015 | 1.2e-08",
        "1 0.98 0.9 0.79 0.65 0.5 0.35 0.21 0.095 0.024 | 0.024",
        optimizer="prodigyopt:Prodigy(lr=1.0)",
    ),
)
def prodigy_lr(context: ScheduleContext) -> Problem | None:
    """Prodigy and D-Adaptation estimate their step size, and the lr only multiplies it. Its peak should be 1, which is
    the default; lrs that are usual for Adam make every step hundreds of times too small. To make the estimate itself
    smaller or larger, Prodigy has d_coef.

    Source: the pages of prodigyopt ("We recommend using lr=1. (default) for all networks") and dadaptation.
    """
    name = context.optimizer.name
    if not name.startswith(("Prodigy", "DAdapt")) or not context.is_finite or context.peak <= 0:
        return None
    if math.isclose(context.peak, 1.0, rel_tol=0.01):
        return None
    text = f"{name} estimates its step size, which the lr multiplies: the peak should be 1, not "
    base = max(context.base_lrs)
    if not math.isclose(base, 1.0, rel_tol=0.01):
        return Problem(f"{text}{four_digits(context.peak)}. Set the lr of {name} to 1")
    return Problem(f"{text}{four_digits(context.peak)}", [COSINE, CONSTANT])


@trap(
    "prodigy-schedule",
    "the optimizer estimates its step size",
    Example(
        "StepLR(step_size=3)",
        "CosineAnnealingLR()",
        "1 1 1 0.1 0.1 0.1 0.01 0.01 0.01 0.001 | 0.001",
        "1 0.98 0.9 0.79 0.65 0.5 0.35 0.21 0.095 0.024 | 0.024",
        optimizer="prodigyopt:Prodigy(lr=1.0)",
    ),
)
def prodigy_schedule(context: ScheduleContext) -> Problem | None:
    """Prodigy estimates its step size from the way that the weights have moved. Its authors recommend a constant lr, or
    one cosine over the whole run. Steps and plateaus lower a step size that is adapted already. After a warm-up or a
    restart the estimate is too large, unless the optimizer has safeguard_warmup=True. D-Adaptation takes usual
    schedules.

    Source: K. Mishchenko, A. Defazio, "Prodigy", arXiv:2306.06101, and the page of prodigyopt.
    """
    name = context.optimizer.name
    if not name.startswith("Prodigy") or not context.is_finite or _is_constant(context):
        return None
    steps = [part for part in context.parts if part.calls > 0 and part.entry.family == "decay"]
    rises = _rises(context) and not context.optimizer.arguments.get("safeguard_warmup")
    if not steps and not rises:
        return None
    why = (
        "a warm-up or restart misleads it without safeguard_warmup=True"
        if rises
        else f"{steps[0].name} works against it"
    )
    return Problem(
        f"{name} estimates its step size, and {why}: its authors recommend a constant lr, or one cosine over the run",
        [COSINE, CONSTANT],
    )
