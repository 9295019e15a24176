"""Which lrs a range test goes through."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lrtui.run.errors import UsageError

FEWEST_STEPS, MOST_STEPS = 20, 10_000
"""With fewer steps noise and curve can't be told apart; with more the model learns at each lr, and hides the next."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The lrs of a range test: from one to the other, one optimizer step at each.

    L. Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186, section 3.3), has it linear;
    fastai made it exponential, and its limits the usual ones.

    Args:
        start: lr of the first step.
        end: lr of the last one.
        steps: how many.
        linear: whether lrs have equal differences, and not equal ratios.

    Raises:
        UsageError: for limits or a length that can't be.
    """

    start: float = 1e-7
    end: float = 10.0
    steps: int = 150
    linear: bool = False

    def __post_init__(self) -> None:
        for words, value in (("from", self.start), ("to", self.end)):
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"a range test goes {words} a finite lr above 0, not {value!r}")
        if not self.start < self.end:
            raise UsageError(f"a range test goes up: from {self.start!r} to {self.end!r} it does not")
        if not FEWEST_STEPS <= self.steps <= MOST_STEPS:
            raise UsageError(f"a range test has {FEWEST_STEPS} to {MOST_STEPS:,} steps, not {self.steps:,}")

    def x(self, lr: float) -> float:
        """Return where on a chart an lr stands: in powers of ten, of a linear sweep at itself."""
        return lr if self.linear else math.log10(lr)

    def lr(self, step: int) -> float:
        """Return the lr of a step, from 0."""
        share = step / (self.steps - 1)
        if self.linear:
            return self.start + (self.end - self.start) * share
        # exact at both ends
        return self.end if step == self.steps - 1 else self.start * (self.end / self.start) ** share
