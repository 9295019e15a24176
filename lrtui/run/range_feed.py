"""Where the points of a range test come out, and where it is told to stop: no event of any run's story."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal

from lrtui.run.errors import LrtuiError

RangeOutcome = Literal["done", "diverged", "stopped", "failed"]
"""All lrs were tried, the loss left the curve before that, somebody had enough, or it could not be made."""


@dataclass(frozen=True, slots=True)
class RangeStart:
    """What is known when the first step is about to be made.

    Args:
        own_lr: the optimizer's, that of the first parameter group.
    """

    own_lr: float


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
        self.waits_for = "its turn"
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
