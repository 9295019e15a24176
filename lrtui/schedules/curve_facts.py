"""What a curve of lrs comes to, in four figures that curves are compared by."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lrtui.schedules.dead import ROUNDING

LOW_SHARE = 0.01
"""Steps whose lr is below this share of the peak are counted as low."""


@dataclass(frozen=True, slots=True)
class CurveFacts:
    """The figures of one curve.

    Args:
        peak: the highest lr.
        last: the lr of the last step.
        area: the sum of the lr over all steps, as a share of what the optimizer's own lr, kept constant, would add up
            to; 1.0 for ConstantLR(factor=1.0). NaN where there is nothing to compare with.
        low: the share of steps whose lr is below a hundredth of the peak; 1.0 where the peak is 0.

    Of a curve that holds a number that is none, or has no step at all, each figure is NaN that depends on it.
    """

    peak: float
    last: float
    area: float
    low: float


def curve_facts(lrs: ArrayLike, base_lr: float) -> CurveFacts:
    """Return what a curve comes to.

    Args:
        lrs: the lr of each step, shape (steps,).
        base_lr: the optimizer's own lr.
    """
    values = np.asarray(lrs, dtype=np.float64)
    if not len(values):
        return CurveFacts(math.nan, math.nan, math.nan, math.nan)
    # adding 0.0 makes -0.0 a plain 0
    peak, last = float(values.max()) + 0.0, float(values[-1]) + 0.0
    if not np.isfinite(values).all():
        return CurveFacts(peak, last, math.nan, math.nan)
    area = float((values / base_lr).mean()) if base_lr > 0 and math.isfinite(base_lr) else math.nan
    low = float((values < LOW_SHARE * (1 - ROUNDING) * peak).mean()) if peak > 0 else 1.0
    return CurveFacts(peak, last, area, low)


def share_words(share: float) -> str:
    """Return a share as a person reads it: `70.0 %`, `11.1 %`; a dash where there is none."""
    if not math.isfinite(share):
        return "—"
    percent = 100 * share
    # a share that is not nothing, and one that is not all, are not rounded to it
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return ">99.9 %"
    return f"{percent:,.1f} %"
