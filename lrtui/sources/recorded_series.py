"""One series of a log: its points by step, of which newer ones supersede older ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrtui.run.minmax_pyramid import Floats
    from lrtui.sources.log import Points

_Number = TypeVar("_Number", np.int64, np.float64)

_REVISIONS = 64
"""Number of changes that are told apart; older ones count as one."""

_GROWTH = 1.0625
"""Factor by which full arrays grow: their free part takes memory as well."""


class RecordedSeries:
    """The points of one series, in the order of their steps.

    A point at the step of an earlier one, or at a step before it, supersedes that and all later ones: the run went
    back. Used by one thread.

    Args:
        name: name of the series in the log.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.revision = 0
        """Increases with every change."""
        self._steps: NDArray[np.int64] = np.empty(0, np.int64)
        self._values: Floats = np.empty(0)
        self._times: Floats = np.empty(0)
        self._length = 0
        self._changes: list[tuple[int, int]] = []
        """Revision and first changed step of the latest changes; both increase, so the first one found counts."""

    def __len__(self) -> int:
        return self._length

    @property
    def steps(self) -> NDArray[np.int64]:
        """The steps, in increasing order; like the others, a view that is valid until the next change."""
        return self._steps[: self._length]

    @property
    def values(self) -> Floats:
        """The value at each step."""
        return self._values[: self._length]

    @property
    def times(self) -> Floats:
        """When each was written, in seconds since 1970; NaN if the log does not say."""
        return self._times[: self._length]

    def extend(self, points: Points) -> None:
        """Add points, in the order in which they were written."""
        steps, values, times = points.steps, points.values, points.times
        if not len(steps):
            return
        first = int(steps[0])
        if len(steps) > 1 and not (steps[1:] > steps[:-1]).all():
            # a point is superseded if a later one has the same step or an earlier one
            lowest = np.minimum.accumulate(steps[::-1])[::-1]
            first = int(lowest[0])
            kept = np.append(steps[:-1] < lowest[1:], True)
            steps, values, times = steps[kept], values[kept], times[kept]
        self._cut(first)
        end = self._length + len(steps)
        if end > len(self._steps):
            room = end if not self._length else max(end, int(len(self._steps) * _GROWTH))
            self._steps = _grown(self.steps, room)
            self._values = _grown(self.values, room)
            self._times = _grown(self.times, room)
        self._steps[self._length : end] = steps
        self._values[self._length : end] = values
        self._times[self._length : end] = times
        self._length = end
        self._changed(first)

    def restart(self, step: int) -> None:
        """Drop the points at this step and later ones."""
        before = self._length
        self._cut(step)
        if self._length < before:
            self._changed(step)

    def thin(self, count: int) -> None:
        """Keep about `count` points: evenly spread ones, the first, the last, the lowest and the highest."""
        if self._length <= count:
            return
        kept = set(np.linspace(0, self._length - 1, max(count, 2)).astype(np.int64).tolist())
        finite = np.isfinite(self.values)
        if finite.any():
            kept.add(int(np.where(finite, self.values, np.inf).argmin()))
            kept.add(int(np.where(finite, self.values, -np.inf).argmax()))
        places = np.array(sorted(kept))
        self._steps, self._values, self._times = self.steps[places], self.values[places], self.times[places]
        self._length = len(places)
        self._changed(int(self._steps[0]))

    def changed_from(self, revision: int) -> int | None:
        """Return the first step at which something has changed since this revision; None if nothing has."""
        return next((step for changed, step in self._changes if changed > revision), None)

    def _cut(self, step: int) -> None:
        if self._length and step <= self._steps[self._length - 1]:
            self._length = int(np.searchsorted(self.steps, step))

    def _changed(self, step: int) -> None:
        self.revision += 1
        while self._changes and self._changes[-1][1] >= step:
            self._changes.pop()
        self._changes.append((self.revision, step))
        if len(self._changes) > _REVISIONS:
            (_, earliest), (changed, _) = self._changes[:2]
            self._changes[:2] = [(changed, earliest)]


def _grown(array: NDArray[_Number], room: int) -> NDArray[_Number]:
    grown = np.empty(room, array.dtype)
    grown[: len(array)] = array
    return grown
