"""The storage of a series: growing columns of numbers, and summaries of blocks of increasing size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FANOUT = 16
"""Number of values, or of blocks, that a block of the next level summarizes."""

BLOCK = FANOUT**2
"""Values per block, of the blocks that stand for the oldest values of a long series."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """Summaries of blocks of BLOCK values each; arrays of equal length.

    Args:
        low: smallest finite value; +inf if there is none.
        high: largest finite value; -inf if there is none.
        sum: sum of the finite values.
        count: number of finite values.
    """

    low: Floats
    high: Floats
    sum: Floats
    count: Floats

    @classmethod
    def without_values(cls, count: int) -> Blocks:
        """Return `count` blocks without a finite value."""
        return cls(np.full(count, np.inf), np.full(count, -np.inf), np.zeros(count), np.zeros(count))


class Column:
    """A growing float64 array; appending takes amortised constant time."""

    def __init__(self) -> None:
        self._room = np.empty(1024)
        self.length = 0

    @property
    def values(self) -> Floats:
        return self._room[: self.length]

    def extend(self, values: Floats) -> None:
        end = self.length + len(values)
        if end > len(self._room):
            room = np.empty(max(end, 2 * len(self._room)))
            room[: self.length] = self.values
            self._room = room
        self._room[self.length : end] = values
        self.length = end

    def drop(self, count: int) -> None:
        """Drop the first values and release their memory."""
        self._room = self.values[count:].copy()
        self.length = len(self._room)


class Level:
    """Blocks of one size: minimum, maximum, sum and number of the finite values in each.

    Args:
        missing: number of blocks at the start of the series that are known as larger blocks only.
    """

    def __init__(self, missing: int = 0) -> None:
        self.missing = missing
        self.low, self.high, self.sum, self.count = Column(), Column(), Column(), Column()

    def __len__(self) -> int:
        return self.missing + self.low.length

    def extend(self, low: Floats, high: Floats, total: Floats, count: Floats) -> None:
        self.low.extend(low)
        self.high.extend(high)
        self.sum.extend(total)
        self.count.extend(count)

    def drop_before(self, missing: int) -> None:
        """Drop the blocks before this one."""
        for column in (self.low, self.high, self.sum, self.count):
            column.drop(missing - self.missing)
        self.missing = missing

    def truncate(self, length: int) -> None:
        for column in (self.low, self.high, self.sum, self.count):
            column.length = min(column.length, max(0, length - self.missing))
