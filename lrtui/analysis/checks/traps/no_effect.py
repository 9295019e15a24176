"""Schedules that do nothing in a run."""

from __future__ import annotations

from lrtui.analysis.checks.context import ScheduleContext
from lrtui.analysis.checks.fixes import fits, per_batch
from lrtui.analysis.checks.trap import Example, Problem, trap
from lrtui.analysis.checks.traps.lr_values import LOST_IN_ROUNDING
from lrtui.text.format import four_digits

ORDER = 120

MIN_CHANGE = 0.05
"""Smallest change of the lr that counts as an effect, as a share of the peak."""


@trap(
    "does-nothing",
    "the schedule does not change the lr",
    Example(
        "CosineAnnealingLR()",
        'CosineAnnealingLR(per="batch")',
        "0.01 | 0.01",
        "0.01 | 2.8e-08",
        epochs=1,
    ),
)
def does_nothing(context: ScheduleContext) -> Problem | None:
    """In a run of this length the schedule has no effect: it is much longer than the run, it is stepped per epoch in a
    run of one epoch, or its factors are 1.
    """
    if not context.is_finite or context.peak <= LOST_IN_ROUNDING or len(context.lrs) < 2 or context.follows_metric:
        return None
    lowest, highest = context.lrs.min(axis=0), context.peaks
    constant_on_purpose = all(part.entry.composite or part.entry.is_constant(part.values) for part in context.parts)
    if constant_on_purpose or ((highest - lowest) > MIN_CHANGE * highest).any():
        return None
    low, high = four_digits(float(lowest.max())), four_digits(context.peak)
    if context.calls == 1:
        return Problem(
            f"step() is called once per {context.unit}, and the run has one {context.unit}: the lr is always {high}",
            per_batch(context),
        )
    lrs = f"stays at {high}" if float(lowest.max()) == context.peak else f"stays between {low} and {high}"
    return Problem(f"the lr {lrs} for all {context.calls_text(context.calls)}", fits(context))
