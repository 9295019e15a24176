"""A series smoothed along its steps, so that zooming never changes the curve."""

from __future__ import annotations

import math

import numpy as np

from lrtui.run.minmax_pyramid import Blocks, Floats
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
        # of the last value smoothed: sum and weights
        self._total = self._weight = 0.0
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
            self._begin_anew()
        if len(self._means) < self._source.known_from:
            # of what was not read until now, only blocks are left
            self._begin_anew()
        if not len(self._means) and self._source.known_from:
            self._begin_with_blocks()
        start = len(self._means)
        if start < length:
            self._catch_up(self._source.values[start - self._source.known_from :])
            self._means.forget_old()
        return self._means

    def _begin_anew(self) -> None:
        self._means, self._total, self._weight = Series(), 0.0, 0.0

    def _begin_with_blocks(self) -> None:
        blocks = self._source.blocks
        with np.errstate(divide="ignore", invalid="ignore"):
            means = blocks.sum / blocks.count
        self._means.extend_blocks(Blocks(means, means, blocks.sum, blocks.count))
        # what comes after them goes on from the last one's mean, as if all before had been that
        last = float(means[-1])
        self._total, self._weight = (last, 1.0) if math.isfinite(last) else (0.0, 0.0)

    def _catch_up(self, values: Floats) -> None:
        total, weight = self._total, self._weight
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
        self._total, self._weight = total, weight
        with np.errstate(divide="ignore", invalid="ignore"):
            self._means.extend(np.where(weights > 0, sums / weights, np.nan))
