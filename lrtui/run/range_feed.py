"""The lrs of a range test, and the feed of its points. They are not events of a run."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

from lrtui.run.errors import LrtuiError, UsageError

MIN_STEPS, MAX_STEPS = 20, 10_000
"""With fewer steps the curve is mostly noise; with more, what is learned at one lr hides the effect of the next."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The lrs of a range test: they increase from `start` to `end`, one optimizer step at each.

    The lr increases linearly in L. Smith, "Cyclical Learning Rates for Training Neural Networks" (arXiv:1506.01186,
    section 3.3), and exponentially in fastai, whose limits are the defaults.

    Args:
        start: lr of the first step.
        end: lr of the last step.
        steps: number of steps.
        linear: increase by equal differences instead of equal ratios.

    Raises:
        UsageError: for a value out of its range.
    """

    start: float = 1e-7
    end: float = 10.0
    steps: int = 150
    linear: bool = False

    def __post_init__(self) -> None:
        for name, value in (("first", self.start), ("last", self.end)):
            if not (math.isfinite(value) and value > 0):
                raise UsageError(f"the {name} lr of a range test must be finite and above 0, not {value!r}")
        if not self.start < self.end:
            raise UsageError(f"a range test must end at a higher lr than it starts at: {self.start!r} to {self.end!r}")
        if not MIN_STEPS <= self.steps <= MAX_STEPS:
            raise UsageError(f"a range test takes {MIN_STEPS} to {MAX_STEPS:,} steps, not {self.steps:,}")

    def x(self, lr: float) -> float:
        """Return the x coordinate of an lr: its log10, or the lr itself in a linear sweep."""
        return lr if self.linear else math.log10(lr)

    def lr(self, step: int) -> float:
        """Return the lr of a step; the first step is 0."""
        share = step / (self.steps - 1)
        if self.linear:
            return self.start + (self.end - self.start) * share
        # rounding must not change the last lr
        return self.end if step == self.steps - 1 else self.start * (self.end / self.start) ** share


RangeOutcome = Literal["done", "diverged", "stopped", "failed"]
"""All lrs were tried, the loss diverged, the test was stopped, or it raised an error."""


@dataclass(frozen=True, slots=True)
class RangeEnd:
    """How a range test ended.

    Args:
        outcome: the kind of end.
        error: the error that it failed with, or None.
    """

    outcome: RangeOutcome
    error: LrtuiError | None = None


class RangeFeed:
    """The queue of points between the thread that runs a range test and the one that shows it.

    One thread publishes, one takes; any thread may stop the test. Publishing neither blocks nor raises.
    """

    def __init__(self) -> None:
        self._points: deque[tuple[float, float]] = deque()
        self._stop, self._over = threading.Event(), threading.Event()
        self.waiting_for = "its turn"
        """What the test is waiting for before its first step."""
        self.current_lr: float | None = None
        """The lr of the optimizer's first parameter group; set before the first step."""
        self._end: RangeEnd | None = None

    def publish(self, lr: float, loss: float) -> None:
        """Append a point: an lr, and the loss of the batch before the step with it."""
        self._points.append((lr, loss))

    def take(self) -> list[tuple[float, float]]:
        """Return (lr, loss) of the steps that have not been taken yet, oldest first; never blocks."""
        return [self._points.popleft() for _ in range(len(self._points))]

    def stop(self, because: str = "") -> None:
        """Ask the test to end after the current step, or before its first.

        Args:
            because: ignored, since a range test has no log; it makes the signature that of a run's `stop`.
        """
        self._stop.set()

    @property
    def is_stopped(self) -> bool:
        """Whether the test was asked to stop."""
        return self._stop.is_set()

    def close(self, end: RangeEnd) -> None:
        """Set how the test ended, after its last point; later calls have no effect."""
        if self._end is None:
            self._end = end
            self._over.set()

    @property
    def end(self) -> RangeEnd | None:
        """How the test ended; None while it is running. Points can be taken after the end."""
        return self._end

    def wait(self, seconds: float | None = None) -> bool:
        """Block until the test has ended, at most `seconds`; return whether it has."""
        return self._over.wait(seconds)
