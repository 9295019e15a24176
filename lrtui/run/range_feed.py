"""The lrs of a range test, and the feed of its points, which are not events of a run."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

from lrtui.run.errors import LrtuiError, UsageError

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


RangeOutcome = Literal["done", "diverged", "stopped", "failed"]
"""All lrs were tried, the loss left the curve before that, somebody had enough, or it could not be made."""


@dataclass(frozen=True, slots=True)
class RangeStart:
    """What is known when the first step is about to be made.

    Args:
        current_lr: the optimizer's, that of the first parameter group.
    """

    current_lr: float


@dataclass(frozen=True, slots=True)
class RangeEnd:
    """How a range test ended.

    Args:
        outcome: in a word.
        error: why it could not be made.
    """

    outcome: RangeOutcome
    error: LrtuiError | None = None


class RangeFeed:
    """Between the thread that makes a range test and the one that shows it.

    One thread publishes, one takes; any may stop it. Publishing neither blocks nor raises.
    """

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()
        self._stop, self._over = threading.Event(), threading.Event()
        self.waiting_for = "its turn"
        """What has to happen before the first step, in words."""
        self.start: RangeStart | None = None
        """Set when the first step is about to be made."""
        self._end: RangeEnd | None = None

    def publish(self, lr: float, loss: float) -> None:
        """Append a point: the loss of a batch before the step that was made with this lr."""
        self._points.append((lr, loss))

    def take(self) -> list[tuple[float, float]]:
        """Return (lr, loss) of the steps that have not been taken yet, in their order; never blocks."""
        return [self._points.popleft() for _ in range(len(self._points))]

    def stop(self, because: str = "") -> None:
        """Have it end after the step under way, or before its first.

        Args:
            because: what ends it; a range test keeps no story to tell it in.
        """
        self._stop.set()

    @property
    def is_stopped(self) -> bool:
        """Whether somebody has had enough."""
        return self._stop.is_set()

    def close(self, end: RangeEnd) -> None:
        """Say how it ended, after its last point; the first word holds."""
        if self._end is None:
            self._end = end
            self._over.set()

    @property
    def end(self) -> RangeEnd | None:
        """How it ended; None while it has not. Points that were not taken are still there."""
        return self._end

    def wait(self, seconds: float | None = None) -> bool:
        """Block until it has ended, `seconds` at most; return whether it has."""
        return self._over.wait(seconds)
