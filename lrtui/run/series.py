"""A series of one number per step, which charts read at a cost that does not grow with the run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from lrtui.run.minmax_pyramid import BLOCK, FANOUT, Blocks, Column, Floats, Level

FINENESS = 8
"""Minimum number of blocks per column, so that a value is drawn at most an eighth of a column off."""

PENDING = 4096
"""Maximum number of values kept as Python objects, which take four times the memory of an array."""

SEARCHED = 64
"""Number of values that are searched first for one that is not NaN."""

RECENT = 2**17
"""Number of newest values that `forget_old` keeps; a series holds at most twice as many."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Minimum, maximum and mean in each column of a chart; NaN in a column without a finite value.

    Args:
        low: minimum.
        high: maximum.
        mean: mean of the finite values.
        count: number of finite values.
    """

    low: Floats
    high: Floats
    mean: Floats
    count: Floats


class Series:
    """Values by index, with minimum, maximum and sum of blocks of increasing size.

    The first values of a long series may be known as blocks only. Blocks are built when the series is read, so that
    appending is cheap. Used by one thread.
    """

    def __init__(self, values: Iterable[float] = ()) -> None:
        self.known_from = 0
        """Index of the first value that is known itself; earlier ones are known as blocks of BLOCK values."""
        self._pending: list[float] = []
        self._raw = Column()
        self._levels: list[Level] = []
        self.extend(values)

    @classmethod
    def without_values(cls, length: int, known_from: int = 0) -> Series:
        """Return a series of NaN, the first of them known as blocks only."""
        series = cls()
        series.extend_blocks(Blocks.without_values(known_from // BLOCK))
        series.extend(np.full(length - known_from, np.nan))
        return series

    @property
    def has_values(self) -> bool:
        """Whether there is a finite value."""
        return bool(self.summary(np.array([0, len(self)])).count[0])

    def append(self, value: float) -> None:
        """Append a value."""
        self._pending.append(value)
        if len(self._pending) >= PENDING:
            self._settle()

    def extend(self, values: Iterable[float]) -> None:
        """Append values."""
        self._settle()
        self._add(np.asarray(values if isinstance(values, np.ndarray) else list(values), dtype=np.float64))

    def extend_blocks(self, blocks: Blocks) -> None:
        """Append blocks of BLOCK values each, before the first value.

        Raises:
            ValueError: if there are values already.
        """
        if len(self) > self.known_from:
            raise ValueError("blocks must come before all values")
        added = len(blocks.low)
        if not added:
            return
        self.known_from += added * BLOCK
        while len(self._levels) < 2:
            self._levels.append(Level())
        self._levels[0].missing = self.known_from // FANOUT
        self._levels[1].extend(blocks.low, blocks.high, blocks.sum, blocks.count)
        self._build(from_level=2)

    def forget_old(self) -> None:
        """Drop the oldest values of a long series and keep their blocks, which bounds its memory."""
        self._settle()
        if self._raw.length < 2 * RECENT:
            return
        known_from = (len(self) - RECENT) // BLOCK * BLOCK
        self._raw.drop(known_from - self.known_from)
        self._levels[0].drop_before(known_from // FANOUT)
        self.known_from = known_from

    def truncate(self, length: int) -> None:
        """Drop the values from this index on. If a cut block's values are not known, the remaining ones become NaN."""
        self._settle()
        if length >= len(self):
            return
        self._raw.length = min(self._raw.length, max(0, length - self.known_from))
        if length < self.known_from:
            self.known_from = max(0, length) // BLOCK * BLOCK
            self._levels[0] = Level(self.known_from // FANOUT)
        size = FANOUT
        for level in self._levels:
            level.truncate(len(self) // size)
            size *= FANOUT
        if len(self) < length:
            self.extend(np.full(length - len(self), np.nan))

    @property
    def values(self) -> Floats:
        """The values from `known_from` on, float64; a view that is valid until the next change."""
        self._settle()
        return self._raw.values

    @property
    def blocks(self) -> Blocks:
        """The blocks of the values before `known_from`."""
        count = self.known_from // BLOCK
        if not count:
            return Blocks(*(np.empty(0) for _ in range(4)))
        level = self._levels[1]
        return Blocks(*(column.values[:count] for column in (level.low, level.high, level.sum, level.count)))

    @property
    def last(self) -> float:
        """The newest value.

        Raises:
            IndexError: if the series is empty.
        """
        return self._pending[-1] if self._pending else float(self.values[-1])

    @property
    def last_known(self) -> float:
        """The newest value that is not NaN; NaN if there is none among those that are not known as blocks only."""
        place = self.known_place(len(self) - 1)
        return float("nan") if place is None else self[place]

    def known_place(self, index: int, step: int = -1) -> int | None:
        """Return the nearest index from this one on with a value that is not NaN, or None.

        Args:
            index: where to begin.
            step: direction, -1 to the left or 1 to the right.
        """
        values, begin = self.values, index - self.known_from
        size = SEARCHED
        while 0 <= begin < len(values):
            end = begin + step * size
            part = values[begin : None if end < 0 else end : step]
            found = (part == part).nonzero()[0]
            if len(found):
                return self.known_from + begin + step * int(found[0])
            begin, size = end, 8 * size
        return None

    def __len__(self) -> int:
        return self.known_from + self._raw.length + len(self._pending)

    def __getitem__(self, index: int) -> float:
        place = index if index < 0 else index - self.known_from
        if not -len(self.values) <= place < len(self.values) or (index >= 0) > (place >= 0):
            raise IndexError(f"value {index} of {len(self)}, known from {self.known_from} on")
        return float(self.values[place])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Series) or self.known_from != other.known_from:
            return False
        pairs = [(self.values, other.values)]
        pairs += [(getattr(self.blocks, item.name), getattr(other.blocks, item.name)) for item in fields(Blocks)]
        return all(np.array_equal(mine, theirs, equal_nan=True) for mine, theirs in pairs)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Series({len(self)} values)"

    def summary(self, edges: NDArray[np.int64]) -> Summary:
        """Return minimum, maximum and mean of the values between each two edges.

        Costs the same for a thousand values as for ten million, since long ranges are read from blocks. No minimum or
        maximum is lost; where blocks are read, a value near an edge may count on the other side of it, at most an
        eighth of a column off. The last range ends exactly at its edge.

        Args:
            edges: non-decreasing indices, n + 1 for n ranges; those beyond the last value count as the end.

        Returns:
            Arrays of n.
        """
        self._settle()
        columns = len(edges) - 1
        edges = np.clip(edges, 0, len(self))
        if columns < 1 or edges[-1] <= edges[0]:
            nothing = np.full(max(columns, 0), np.nan)
            return Summary(nothing, nothing, nothing, np.zeros(max(columns, 0)))
        level = self._level_for((int(edges[-1]) - int(edges[0])) / columns)
        if edges[0] < self.known_from:
            level = max(level, 2)
        if level == 0:
            values = self._raw.values
            return _reduce(values, values, values, None, edges - self.known_from)
        size = FANOUT**level
        blocks = self._levels[level - 1]
        whole = np.minimum((edges + size // 2) // size, len(blocks)) - blocks.missing
        # the newest values are in no block yet: they are summarized separately and added to the last column
        result = _reduce(blocks.low.values, blocks.high.values, blocks.sum.values, blocks.count.values, whole)
        return self._with_tail(result, (int(whole[-1]) + blocks.missing) * size, edges)

    # sums near the largest float overflow
    @np.errstate(over="ignore", invalid="ignore")
    def _with_tail(self, summary: Summary, start: int, edges: NDArray[np.int64]) -> Summary:
        end = int(edges[-1])
        raw = self._raw.values[max(0, start - self.known_from) : max(0, end - self.known_from)]
        finite = raw[np.isfinite(raw)]
        lows, highs, total, counted = [finite], [finite], finite.sum(), float(len(finite))
        if start < min(end, self.known_from):
            # blocks before `known_from` that are not part of a larger one
            level = self._levels[1]
            part = slice(start // BLOCK, (min(end, self.known_from) + BLOCK // 2) // BLOCK)
            counts = level.count.values[part]
            lows.append(level.low.values[part][counts > 0])
            highs.append(level.high.values[part][counts > 0])
            total, counted = total + level.sum.values[part].sum(), counted + counts.sum()
        if not counted:
            return summary
        column = int(np.flatnonzero(np.diff(edges) > 0)[-1])
        low, high, mean, count = summary.low, summary.high, summary.mean, summary.count
        total += mean[column] * count[column] if count[column] else 0.0
        low[column] = np.fmin(low[column], np.concatenate(lows).min())
        high[column] = np.fmax(high[column], np.concatenate(highs).max())
        count[column] += counted
        mean[column] = total / count[column]
        return summary

    def _level_for(self, width: float) -> int:
        """Return the coarsest level with FINENESS blocks in a column of this width; 0 stands for the values."""
        level, size = 0, FANOUT
        while level < len(self._levels) and size * FINENESS <= width and len(self._levels[level]):
            level, size = level + 1, size * FANOUT
        return level

    def _settle(self) -> None:
        """Move pending values into the array."""
        if self._pending:
            pending, self._pending = self._pending, []
            self._add(np.asarray(pending, dtype=np.float64))

    def _add(self, values: Floats) -> None:
        """Add values to the array and build the blocks that are full."""
        self._raw.extend(values)
        self._build()

    def _build(self, from_level: int = 0) -> None:
        length, index = len(self) // FANOUT**from_level, from_level
        while length >= FANOUT:
            if index == len(self._levels):
                self._levels.append(Level())
            level = self._levels[index]
            begin, end = len(level), length // FANOUT
            if end > begin:
                # sums near the largest float overflow to infinity, or to NaN if both signs occur
                with np.errstate(over="ignore", invalid="ignore"):
                    level.extend(*self._blocks(index, begin * FANOUT, end * FANOUT))
            length, index = end, index + 1

    def _blocks(self, index: int, begin: int, end: int) -> tuple[Floats, Floats, Floats, Floats]:
        if index == 0:
            raw = self._raw.values[begin - self.known_from : end - self.known_from].reshape(-1, FANOUT)
            finite = np.isfinite(raw)
            low = np.where(finite, raw, np.inf).min(axis=1)
            high = np.where(finite, raw, -np.inf).max(axis=1)
            return low, high, np.where(finite, raw, 0.0).sum(axis=1), finite.sum(axis=1).astype(np.float64)
        below = self._levels[index - 1]
        begin, end = begin - below.missing, end - below.missing
        low, high, total, count = (
            column.values[begin:end].reshape(-1, FANOUT) for column in (below.low, below.high, below.sum, below.count)
        )
        return low.min(axis=1), high.max(axis=1), total.sum(axis=1), count.sum(axis=1)


def _reduce(low: Floats, high: Floats, total: Floats, count: Floats | None, edges: NDArray[np.int64]) -> Summary:
    """Return the summary of blocks between each two edges, or of values if there is no count."""
    begin, end = int(edges[0]), int(edges[-1])
    # empty ranges are left out: for them reduceat would return the value at their start
    filled = np.diff(edges) > 0
    starts = (edges[:-1] - begin)[filled]
    low, high, total = low[begin:end], high[begin:end], total[begin:end]
    if count is None:
        finite = np.isfinite(low)
        low, high = np.where(finite, low, np.inf), np.where(finite, high, -np.inf)
        total, count = np.where(finite, total, 0.0), finite.astype(np.float64)
    else:
        count = count[begin:end]
    lows, highs, means = (np.full(len(filled), np.nan) for _ in range(3))
    counts = np.zeros(len(filled))
    if len(starts):
        lows[filled], highs[filled] = np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)
        counts[filled] = np.add.reduceat(count, starts)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            means[filled] = np.add.reduceat(total, starts) / counts[filled]
    nothing = counts == 0
    lows[nothing] = highs[nothing] = means[nothing] = np.nan
    return Summary(lows, highs, means, counts)


def index_at(xs: Series, x: Floats) -> NDArray[np.int64]:
    """Return for each x the index of the first value >= x in a non-decreasing series; its length if there is none.

    Where the series is known as blocks only, this is the index of the block's first value.
    """
    index = np.searchsorted(xs.values, x, side="left") + xs.known_from
    if xs.known_from:
        in_blocks = np.searchsorted(xs.blocks.low, x, side="left") * BLOCK
        index = np.where(index > xs.known_from, index, np.minimum(in_blocks, xs.known_from))
    return np.asarray(index, dtype=np.int64)


def value_at(series: Series, index: int) -> float:
    """Return the value at an index, or the mean of its block if the value itself is not known."""
    if index >= series.known_from:
        return series[index]
    blocks, block = series.blocks, index // BLOCK
    return float(blocks.sum[block] / blocks.count[block]) if blocks.count[block] else float("nan")
