"""Where the steps of a log stand among the steps of its run, which have one value each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_STEP = 100_000_000
"""The largest step that is a position; the steps of a log beyond it are counted instead."""

MAX_VALUES = 1_000_000_000
"""The largest number of steps times the number of series: summaries of more would take 125 MB."""

_SMALL = 1_000
"""A first step up to this one is no reason to believe that the run began at another step than 0."""


@dataclass(frozen=True, slots=True)
class StepAxis:
    """The steps of a run.

    Args:
        first: the run's first step.
        count: number of steps up to the last one that has a value.
        shift: what the log's number of a step is larger by than the run's.
        ranks: all steps of the log in order, if they are counted; None if each step is its own position.
    """

    first: int
    count: int
    shift: int = 0
    ranks: NDArray[np.int64] | None = None

    @property
    def is_counted(self) -> bool:
        """Whether the steps are those that have a value, counted from 0."""
        return self.ranks is not None

    def indices(self, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the position of each logged step among the run's steps."""
        if self.ranks is not None:
            return np.searchsorted(self.ranks, steps).astype(np.int64)
        return steps - (self.first + self.shift)

    def index(self, step: int) -> int:
        """Return the position of a logged step, or of the first one after it that has a value."""
        if self.ranks is not None:
            return int(np.searchsorted(self.ranks, step))
        return step - self.first - self.shift


def axis_of(all_steps: Iterable[NDArray[np.int64]], counts_from: int = 0) -> StepAxis:
    """Return the axis of series with these steps, each of them in increasing order.

    Args:
        counts_from: the log's number of the run's first step.
    """
    known = [steps for steps in all_steps if len(steps)]
    if not known:
        return StepAxis(0, 0)
    lowest = min(known, key=lambda steps: int(steps[0]))
    first, last = int(lowest[0]), max(int(steps[-1]) for steps in known)
    interval = int(lowest[1]) - first if len(lowest) > 1 else 0
    begin = 0 if first <= max(_SMALL, 2 * interval) else first
    if first < 0 or last > MAX_STEP or (last + 1 - begin) * len(known) > MAX_VALUES:
        ranks = known[0].copy()
        for steps in known[1:]:
            if not (len(steps) == len(ranks) and (steps == ranks).all()):
                ranks = np.union1d(ranks, steps)
        return StepAxis(0, len(ranks), ranks=ranks)
    # a test before the first step may have the number 0
    shift = counts_from if first >= counts_from else 0
    begin = max(0, begin - shift)
    return StepAxis(begin, last + 1 - shift - begin, shift)
