"""The length of an epoch in steps, from the epochs that a log has logged."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrtui.run.minmax_pyramid import Floats

ROUNDED = 0.0051
"""Largest error of a fraction of an epoch that was rounded to two digits."""

EXACT = 1e-5
"""Largest relative error of one that was not."""


def epoch_length(steps: NDArray[np.int64], epochs: Floats) -> int | None:
    """Return the steps per epoch, if only one whole number agrees with all points; else None.

    Args:
        steps: the steps of the points, in increasing order.
        epochs: the logged epochs: whole numbers, or fractions of the training data seen.
    """
    known = np.isfinite(epochs)
    steps, epochs = steps[known], epochs[known]
    if len(steps) < 2 or steps[-1] < 1 or np.any(np.diff(epochs) < 0):
        return None
    if np.all(epochs == np.floor(epochs)):
        return _of_whole(steps, epochs)
    return _of_fractions(steps, epochs)


def _of_whole(steps: NDArray[np.int64], epochs: Floats) -> int | None:
    ends = np.flatnonzero(np.diff(epochs) > 0)
    if not len(ends):
        return None
    numbers = epochs[ends + 1] - epochs[0]
    # the first step of the run is step 0 or step 1
    for first in (0, 1):
        least = float(((steps[ends] + 1 - first) / numbers).max())
        most = float(((steps[ends + 1] - first) / numbers).min())
        if math.ceil(least) == math.floor(most) >= 1:
            return math.ceil(least)
    return None


def _of_fractions(steps: NDArray[np.int64], epochs: Floats) -> int | None:
    last, step = float(epochs[-1]), int(steps[-1])
    length = round(step / last)
    if length < 1:
        return None
    errors = np.abs(epochs - steps / length)
    if np.all(errors <= EXACT * np.maximum(epochs, 1.0)):
        return length
    # rounded fractions agree with several lengths, unless the run is long
    is_unique = step / (last - ROUNDED) - step / (last + ROUNDED) < 1 if last > ROUNDED else False
    return length if is_unique and np.all(errors <= ROUNDED) else None
