"""A curve in one line of text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

ROWS = 4
"""Rows of dots of a Braille character, which has two columns."""

# the bits of the dots, from the lowest row to the highest, of the left and the right column
DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
BLANK = 0x2800


def sparkline(values: Sequence[float] | NDArray[np.float64], width: int) -> str:
    """Return the values as a line of `width` Braille characters; empty without finite values.

    The lowest row is 0 or the lowest value if that is negative, the highest row the highest value.
    """
    numbers = np.asarray(values, dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers) or width < 1:
        return ""
    low, high = min(0.0, float(numbers.min())), float(numbers.max())
    columns = ((np.arange(2 * width) + 0.5) / (2 * width) * len(numbers)).astype(int)
    shares = (numbers[columns] - low) / (high - low) if high > low else np.zeros(2 * width)
    rows = np.rint(shares * (ROWS - 1)).astype(int).tolist()
    cells = [BLANK] * width
    before = rows[0]
    for column, row in enumerate(rows):
        # a jump is a vertical line, drawn where it ends
        start, end = (row, row) if before == row else (min(before, row), max(before, row))
        if end - start > 1:
            start, end = (start, end - 1) if row < before else (start + 1, end)
        else:
            start = end = row
        for dot in range(start, end + 1):
            cells[column // 2] |= DOTS[column % 2][dot]
        before = row
    return "".join(map(chr, cells))
