"""Exponential mean of a series over its steps. It does not depend on what a chart shows, so zooming keeps the curve."""

from __future__ import annotations

import math

import numpy as np

from lrtui.run.minmax_pyramid import Blocks, Floats
from lrtui.run.series import Series

CHUNK = 256

SPAN_GROWTH = 1 / 16
"""Growth of the span of a drawn mean, in steps per step. The mean lags by half its span, so the lag is at most 1/32 of
the steps done."""


class Smoothed:
    """The exponential mean of a series, brought up to date when it is read.

    Value i is the weighted mean of the series' values up to i. A step multiplies all earlier weights by
    1 - 2 / (span_i + 1), where span_i = min(span, 1 + growth * (i + 1)); without growth span_i = span. Dividing by the
    sum of the weights corrects the bias of the first steps (D. Kingma, J. Ba, "Adam", section 3). Values that are not
    finite have no weight; the mean before the first finite value is NaN. Where only blocks of the series are known,
    the mean of each block stands for the values in it.

    Args:
        source: the series; truncating it truncates the mean.
        span: span in steps; larger is smoother.
        growth: growth of the span, in steps per step; 0 for the whole span from the first step on.
    """

    def __init__(self, source: Series, span: int, growth: float = 0.0) -> None:
        self.source = source
        self._span, self._growth = span, growth
        self._means = Series()
        # weighted sum and sum of weights at the last value smoothed
        self._total = self._weight = 0.0
        self._grown_at = math.ceil((span - 1) / growth) if growth else 0
        self._grown_kernel = self._kernel(self._grown_at)

    @property
    def series(self) -> Series:
        """The mean at each step."""
        length, known_from = len(self.source), self.source.known_from
        # after a truncation, later values are new; values that were dropped before they were read exist only as blocks
        if len(self._means) > length or len(self._means) < known_from:
            self._means, self._total, self._weight = Series(), 0.0, 0.0
            if known_from:
                self._start_from_blocks()
        start = len(self._means)
        if start < length:
            self._extend(self.source.values[start - known_from :])
            self._means.forget_old()
        return self._means

    def _start_from_blocks(self) -> None:
        blocks = self.source.blocks
        with np.errstate(divide="ignore", invalid="ignore"):
            means = blocks.sum / blocks.count
        self._means.extend_blocks(Blocks(means, means, blocks.sum, blocks.count))
        # continues from the last block's mean, as if all values before had been equal to it
        last = float(means[-1])
        self._total, self._weight = (last, 1.0) if math.isfinite(last) else (0.0, 0.0)

    def _extend(self, values: Floats) -> None:
        total, weight = self._total, self._weight
        finite = np.isfinite(values)
        known = np.where(finite, values, 0.0)
        sums, weights = np.empty(len(values)), np.empty(len(values))
        for start in range(0, len(values), CHUNK):
            stop = min(start + CHUNK, len(values))
            index, size = len(self._means) + start, stop - start
            kernel, decay = self._grown_kernel if index >= self._grown_at else self._kernel(index, size)
            sums[start:stop] = kernel[:size, :size] @ known[start:stop] + decay[:size] * total
            weights[start:stop] = kernel[:size, :size] @ finite[start:stop] + decay[:size] * weight
            total, weight = float(sums[stop - 1]), float(weights[stop - 1])
        self._total, self._weight = total, weight
        with np.errstate(divide="ignore", invalid="ignore"):
            self._means.extend(np.where(weights > 0, sums / weights, np.nan))

    def _kernel(self, index: int, size: int = CHUNK) -> tuple[Floats, Floats]:
        """Return the weights in the means from this index on: of each value from there on, and of the sum before.

        Returns:
            Arrays of shape (size, size), row by mean and column by value, and (size,).
        """
        spans = np.full(size, float(self._span))
        if self._growth:
            spans = np.minimum(spans, 1 + self._growth * (index + 1 + np.arange(size)))
        factors = 1 - 2 / (spans + 1)
        # a span of 1 has a factor of 0, which has no logarithm; exp(-800) is 0
        logarithms = np.cumsum(np.log(factors, where=factors > 0, out=np.full(size, -800.0)))
        ages = np.subtract.outer(logarithms, logarithms)
        return np.where(np.tri(size, dtype=np.bool_), np.exp(np.minimum(ages, 0.0)), 0.0), np.exp(logarithms)
