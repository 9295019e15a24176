"""A series smoothed along its steps, so that zooming never changes the curve."""

from __future__ import annotations

import numpy as np

from lrtui.run.levels import Blocks, Floats
from lrtui.run.series import Series

CHUNK = 256


class Smoothed:
    """The exponential mean of a series, caught up with it on reading.

    Value i is the mean of the series' values up to i, weighted by (1 - 2/(span + 1)) ** age and divided by the sum of
    the weights, so that the beginning is not drawn towards 0 (D. Kingma, J. Ba, "Adam", section 3). Values that are
    not finite are left out; a mean before the first finite value is NaN. Where the series is known as blocks alone,
    each block's own mean stands for the mean in it.

    Args:
        source: the series; if it is truncated, so is the mean.
        span: in steps; larger is smoother.
    """

    def __init__(self, source: Series, span: int) -> None:
        self._source = source
        self._keep = 1.0 - 2.0 / (span + 1.0)
        self._sums = Series()
        self._weights = Series()
        self._means = Series()
        powers = self._keep ** np.arange(CHUNK + 1)
        age = np.subtract.outer(np.arange(CHUNK), np.arange(CHUNK))
        self._decay = powers[1:]
        self._kernel = np.where(age >= 0, powers[np.maximum(age, 0)], 0.0)

    @property
    def series(self) -> Series:
        """The mean at each step."""
        length = len(self._source)
        if len(self._means) > length:
            # what was truncated may have been told anew since: the mean is of what stands there now
            self._sums.truncate(0)
            self._weights.truncate(0)
            self._means.truncate(0)
        if not len(self._means) and self._source.known_from:
            self._begin_with_blocks()
        start = len(self._means)
        if start < length:
            self._catch_up(self._source.values[start - self._source.known_from :])
        return self._means

    def _begin_with_blocks(self) -> None:
        blocks = self._source.blocks
        with np.errstate(divide="ignore", invalid="ignore"):
            means = blocks.sum / blocks.count
        self._means.extend_blocks(Blocks(means, means, blocks.sum, blocks.count))
        # what comes after them goes on from the last one's mean, as if all before had been that
        weight = np.where(np.isfinite(means[-1:]), 1.0, 0.0)
        for series, last in ((self._sums, np.nan_to_num(means[-1:])), (self._weights, weight)):
            series.extend(last)

    def _catch_up(self, values: Floats) -> None:
        total = self._sums.last if len(self._sums) else 0.0
        weight = self._weights.last if len(self._weights) else 0.0
        finite = np.isfinite(values)
        kept = np.where(finite, values, 0.0)
        sums, weights = np.empty(len(values)), np.empty(len(values))
        for start in range(0, len(values), CHUNK):
            stop = min(start + CHUNK, len(values))
            size = stop - start
            kernel, decay = self._kernel[:size, :size], self._decay[:size]
            sums[start:stop] = kernel @ kept[start:stop] + decay * total
            weights[start:stop] = kernel @ finite[start:stop] + decay * weight
            total, weight = float(sums[stop - 1]), float(weights[stop - 1])
        self._sums.extend(sums)
        self._weights.extend(weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            self._means.extend(np.where(weights > 0, sums / weights, np.nan))
