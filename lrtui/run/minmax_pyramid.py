"""What a series is kept in: columns of numbers that grow, and blocks of ever larger stretches of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FANOUT = 16
"""How many values, or blocks, a block of the next level sums up."""

BLOCK = FANOUT**2
"""Values in each of the blocks that a series may begin with in place of the values themselves."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """What is known of stretches of BLOCK values each; arrays of one length.

    Args:
        low: least finite value; +inf where there is none.
        high: greatest finite value; -inf where there is none.
        sum: of the finite values.
        count: finite values.
    """

    low: Floats
    high: Floats
    sum: Floats
    count: Floats

    @classmethod
    def without_values(cls, count: int) -> Blocks:
        """Return so many blocks without a finite value."""
        return cls(np.full(count, np.inf), np.full(count, -np.inf), np.zeros(count), np.zeros(count))


class Column:
    """A float64 array that grows; appending costs the same however long it is."""

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
        """Take the first values away, and give back the room they had."""
        self._room = self.values[count:].copy()
        self.length = len(self._room)


class Level:
    """Blocks of one size: least, greatest, sum and number of the finite values in each.

    Args:
        missing: how many blocks at the series' beginning are not there, only larger ones being known.
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
        """Take away the blocks before this one."""
        for column in (self.low, self.high, self.sum, self.count):
            column.drop(missing - self.missing)
        self.missing = missing

    def truncate(self, length: int) -> None:
        for column in (self.low, self.high, self.sum, self.count):
            column.length = min(column.length, max(0, length - self.missing))
