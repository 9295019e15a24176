"""What is said of a range test, the same on the command line and in the cockpit."""

from __future__ import annotations

from lrtui.run.lr_rules import Suggestions, factor_words
from lrtui.run.range_curve import RangeCurve
from lrtui.run.range_feed import RangeEnd
from lrtui.text.numbers import four_digits


def ending_words(curve: RangeCurve, end: RangeEnd) -> str:
    """Return how far a range test came, and why not further."""
    steps = f"{len(curve):,} of {curve.sweep.steps:,} steps"
    if not len(curve):
        return f"stopped before its first step of {curve.sweep.steps:,}" if end.outcome == "stopped" else steps
    last = four_digits(curve.lrs.last)
    if end.outcome == "diverged":
        return f"{steps}: the loss leaves off at lr {last}"
    return f"{steps}: stopped at lr {last}" if end.outcome == "stopped" else f"{steps}, up to lr {last}"


def own_lr_words(own_lr: float, suggestions: Suggestions) -> str:
    """Return how the lr in use compares with the one suggested."""
    words = f"the lr in use is {four_digits(own_lr)}"
    suggested = suggestions.suggested
    if suggested is None or own_lr <= 0:
        return words
    factor = own_lr / suggested
    if 1 / 1.5 < factor < 1.5:
        return f"{words}, much the same as suggested"
    times = factor_words(max(factor, 1 / factor))
    return f"{words}: {times} times {'higher' if factor > 1 else 'lower'} than suggested"
