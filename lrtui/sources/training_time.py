"""The training time of a run at each logged step, from the times at which its values were written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lrtui.run.minmax_pyramid import Floats

LONG_PAUSE = 600.0
"""Seconds without a value from which they can be a pause."""

_UNUSUAL = 20
"""How many times longer than the mean time between two values before it a pause is."""

_KNOWN = 5
"""Number of intervals from which their mean is known."""


def training_seconds(times: Floats) -> Floats:
    """Return the training time in seconds at each value; 0 at the first one.

    A clock that was set back stands still until it is past where it was. A pause, as between the end of a process and
    the start of the one that continues the run, counts as long as the mean interval before it. The result at a value
    depends only on the values before it.

    Args:
        times: when each value was written, in seconds since 1970; NaN if unknown.
    """
    if not len(times):
        return np.empty(0)
    known = np.isfinite(times)
    if not known.all():
        if not known.any():
            return np.zeros(len(times))
        first = times[known.argmax()]
        # an unknown time is that of the value before
        times = np.maximum.accumulate(np.where(known, times, -np.inf))
        times = np.where(np.isfinite(times), times, first)
    elapsed: Floats = np.maximum.accumulate(times) - times[0]
    gaps = np.diff(elapsed)
    long = np.flatnonzero(gaps >= LONG_PAUSE)
    if not len(long):
        return elapsed
    removed = 0.0
    cuts = np.zeros(len(gaps))
    for index in long.tolist():
        mean = (elapsed[index] - removed) / index if index else 0.0
        if index >= _KNOWN and gaps[index] > _UNUSUAL * mean:
            cuts[index] = gaps[index] - mean
            removed += cuts[index]
    elapsed[1:] -= np.cumsum(cuts)
    return elapsed
