"""Where along a series of rising values an x lies, such as the second at which each step was done."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lrtui.run.minmax_pyramid import BLOCK
from lrtui.run.series import Series

Floats = NDArray[np.float64]


def index_at(xs: Series, x: Floats) -> NDArray[np.int64]:
    """Return the index of the first value that is not below each x; the length where there is none.

    Where the series is known as blocks alone, the index of the block's first value.
    """
    index = np.searchsorted(xs.values, x, side="left") + xs.known_from
    if xs.known_from:
        in_blocks = np.searchsorted(xs.blocks.low, x, side="left") * BLOCK
        index = np.where(index > xs.known_from, index, np.minimum(in_blocks, xs.known_from))
    return np.asarray(index, dtype=np.int64)


def value_at(series: Series, index: int) -> float:
    """Return the value of that index; the mean of its block where that is all that is known."""
    if index >= series.known_from:
        return series[index]
    blocks, block = series.blocks, index // BLOCK
    return float(blocks.sum[block] / blocks.count[block]) if blocks.count[block] else float("nan")
