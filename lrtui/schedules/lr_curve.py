"""Statistics of an lr curve, and the lr below which training stands still."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrtui.run.spec import trained_group

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

DEAD_SHARE = 1e-3
"""An lr at or below this share of the schedule's peak is dead: a whole run at it moves the weights as far as a
thousandth of a run at the peak."""

MIN_DEAD_SHARE = 0.1
"""Share of the run that must be dead (for a check), or still to come (for advice): at the very end an lr near 0 is
intended."""

MIN_TAIL_SHARE = 0.2
"""The same share for an lr that is dead at the end of a schedule, if no test shows that training stands still.

In well-known recipes the lr is dead for up to a sixth of the run: for 10 of ImageNet's 90 epochs, where it falls to a
tenth after 30, 60 and 80 (P. Goyal et al., "Accurate, Large Minibatch SGD", 2017), and for 4 of the 25 epochs of
PyTorch's transfer learning tutorial."""

ROUNDING = 1e-9
"""Relative tolerance: 0.1 ** 3 is 1.0000000000000002e-3 in floating point."""

LOW_SHARE = 0.01
"""Steps whose lr is below this share of the peak count as low."""


@dataclass(frozen=True, slots=True)
class CurveStatistics:
    """Statistics of an lr curve; NaN if they depend on a value that is not finite, or if there is no step.

    Args:
        peak: the highest lr.
        last: the lr of the last step.
        area: the sum of the lr over all steps, relative to that of a constant lr equal to the optimizer's; 1.0 for
            ConstantLR(factor=1.0). NaN if the optimizer's lr is 0.
        low: the share of steps whose lr is below a hundredth of the peak; 1.0 if the peak is 0.
    """

    peak: float
    last: float
    area: float
    low: float


def trained_lrs(lrs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the curve of the first parameter group that is not frozen at lr 0, shape (steps,).

    Args:
        lrs: shape (steps, parameter groups).
    """
    return lrs[:, trained_group(lrs.max(axis=0, initial=0.0))]


def curve_statistics(lrs: ArrayLike, base_lr: float) -> CurveStatistics:
    """Return the statistics of a curve.

    Args:
        lrs: the lr of each step, shape (steps,).
        base_lr: the optimizer's lr.
    """
    import numpy as np  # 60 ms, which checks of the notation alone do without

    values = np.asarray(lrs, dtype=np.float64)
    if not len(values):
        return CurveStatistics(math.nan, math.nan, math.nan, math.nan)
    # adding 0.0 turns -0.0 into 0.0
    peak, last = float(values.max()) + 0.0, float(values[-1]) + 0.0
    if not np.isfinite(values).all():
        return CurveStatistics(peak, last, math.nan, math.nan)
    area = float((values / base_lr).mean()) if base_lr > 0 and math.isfinite(base_lr) else math.nan
    return CurveStatistics(peak, last, area, share_below_peak(values))


def share_below_peak(lrs: NDArray[np.float64]) -> float:
    """Return the share of lrs below a hundredth of the highest one; 1.0 if it is 0."""
    peak = float(lrs.max())
    return float((lrs < LOW_SHARE * (1 - ROUNDING) * peak).mean()) if peak > 0 else 1.0


def percent_text(share: float) -> str:
    """Return a share in percent: `70.0 %`, `11.1 %`; a dash for NaN."""
    if not math.isfinite(share):
        return "—"
    percent = 100 * share
    # a share above 0 is not shown as 0, nor one below 100 % as 100 %
    if 0 < percent < 0.1:
        return "<0.1 %"
    if 99.9 < percent < 100:
        return ">99.9 %"
    return f"{percent:,.1f} %"
