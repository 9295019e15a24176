"""Values at some of a run's steps, as arrays of one value per step and as summaries of blocks of steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrtui.run.minmax_pyramid import BLOCK, Blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrtui.run.minmax_pyramid import Floats


@dataclass(frozen=True, slots=True)
class PlacedValues:
    """Values at some of a run's steps; arrays of equal length.

    Args:
        places: positions among the run's steps, in increasing order.
        values: the values.
        is_kept: whether a value also holds at the steps after it, up to the next one, as an lr does.
        before: the value of the steps before the first one, if it is kept.
    """

    places: NDArray[np.int64]
    values: Floats
    is_kept: bool = False
    before: float = np.nan

    @classmethod
    def none(cls) -> PlacedValues:
        """Return no values."""
        return cls(np.empty(0, np.int64), np.empty(0))

    def at(self, places: NDArray[np.int64]) -> Floats:
        """Return the value that holds at each of these steps, if values are kept."""
        if not len(self.places):
            return np.full(len(places), self.before)
        found = np.searchsorted(self.places, places, side="right") - 1
        return np.where(found >= 0, self.values[np.maximum(found, 0)], self.before)

    def dense(self, start: int, end: int) -> Floats:
        """Return one value per step from `start` up to `end`; NaN at steps without one."""
        begin, stop = np.searchsorted(self.places, (start, end)).tolist()
        if not self.is_kept:
            dense = np.full(end - start, np.nan)
            dense[self.places[begin:stop] - start] = self.values[begin:stop]
            return dense
        ends = np.append(self.places[begin:stop], end)
        first = self.before if begin == 0 else self.values[begin - 1]
        values = np.concatenate(([first], self.values[begin:stop]))
        return np.repeat(values, np.diff(ends, prepend=start))

    def blocks(self, count: int) -> Blocks:
        """Return the summaries of the first `count` blocks of steps."""
        end = count * BLOCK
        stop = int(np.searchsorted(self.places, end))
        places, values = self.places[:stop], self.values[:stop]
        if stop == end:
            return _reduced(values, np.ones(end), np.arange(0, end, BLOCK), np.arange(count), count)
        if not self.is_kept:
            of_block = places // BLOCK
            starts = np.flatnonzero(np.diff(of_block, prepend=-1))
            return _reduced(values, np.ones(stop), starts, of_block[starts], count)
        # each block begins with the value that holds there
        borders = np.arange(0, end, BLOCK)
        pieces = np.concatenate((places, borders))
        order = np.argsort(pieces, kind="stable")
        held = np.concatenate((values, self.at(borders)))[order]
        pieces = pieces[order]
        lengths = np.diff(np.append(pieces, end)).astype(np.float64)
        starts = np.searchsorted(pieces, borders, side="left")
        return _reduced(held, lengths, starts, np.arange(count), count)


def _reduced(
    values: Floats, weights: Floats, starts: NDArray[np.int64], blocks: NDArray[np.int64], count: int
) -> Blocks:
    """Return the summaries of values.

    Args:
        weights: for how many steps each value holds.
        starts: where the values of each block begin.
        blocks: the block that begins there; the others have no values.
        count: number of blocks.
    """
    result = Blocks.without_values(count)
    if not len(starts):
        return result
    known = np.isfinite(values) & (weights > 0)
    if known.all():
        lows, highs, totals = values, values, values * weights
    else:
        lows, highs = np.where(known, values, np.inf), np.where(known, values, -np.inf)
        totals, weights = np.where(known, values, 0.0) * weights, np.where(known, weights, 0.0)
    result.low[blocks] = np.minimum.reduceat(lows, starts)
    result.high[blocks] = np.maximum.reduceat(highs, starts)
    with np.errstate(over="ignore", invalid="ignore"):
        result.sum[blocks] = np.add.reduceat(totals, starts)
    result.count[blocks] = np.add.reduceat(weights, starts)
    return result
