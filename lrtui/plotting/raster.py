"""Rasterisation: columns to dots, dots to Braille characters of 2 x 4 dots, and charts in ASCII."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Dots = NDArray[np.bool_]
"""Shape (4 * lines, 2 * columns), top row first."""

BRAILLE = 0x2800
# the bit of each dot in a Braille character (Unicode, "Braille Patterns")
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.uint8)


def column_dots(low: Floats, high: Floats, height: int) -> Dots:
    """Return the dots of a curve.

    Args:
        low: minimum of each column of dots, as a position in [0, 1]; NaN for a gap.
        high: maximum of each column.
        height: height in dots.

    Returns:
        Columns filled from minimum to maximum, and connected to their neighbours.
    """
    with np.errstate(invalid="ignore"):
        bottom = np.clip(np.rint(np.clip(low, -1, 2) * (height - 1)), 0, height - 1)
        top = np.clip(np.rint(np.clip(high, -1, 2) * (height - 1)), 0, height - 1)
        # a step between two columns is drawn half in each of them
        rise = bottom[1:] - top[:-1]
        fall = bottom[:-1] - top[1:]
        up, down = rise > 1, fall > 1
        middle_up = np.floor((top[:-1] + bottom[1:]) / 2)
        middle_down = np.floor((bottom[:-1] + top[1:]) / 2)
        new_top, new_bottom = top.copy(), bottom.copy()
        new_top[:-1] = np.where(up, np.maximum(new_top[:-1], middle_up), new_top[:-1])
        new_bottom[1:] = np.where(up, np.minimum(new_bottom[1:], middle_up + 1), new_bottom[1:])
        new_bottom[:-1] = np.where(down, np.minimum(new_bottom[:-1], middle_down + 1), new_bottom[:-1])
        new_top[1:] = np.where(down, np.maximum(new_top[1:], middle_down), new_top[1:])
        rows = np.arange(height - 1, -1, -1)[:, None]
        dots: Dots = (rows >= new_bottom) & (rows <= new_top)
    return dots


def broken(dots: Dots, period: int, lit: int) -> Dots:
    """Return a dashed line, with the gaps evenly spaced along its length.

    Dashes are counted from the right end, so that they stay in place while the left end of a forecast advances.

    Args:
        dots: dots of the line, one connected range per column.
        period: length of a dash with its gap, in dots.
        lit: length of a dash, in dots.
    """
    counts = dots.sum(axis=0)
    lengths = np.maximum(counts, 1)
    beyond = np.cumsum(lengths[::-1])[::-1] - lengths
    first = dots.argmax(axis=0)
    last = first + counts - 1
    middle = first + last
    rises = np.append(middle[1:], middle[-1:]) < middle
    rows = np.arange(dots.shape[0])[:, None]
    along = beyond + np.where(rises, rows - first, last - rows)
    dashes: Dots = dots & (along % period < lit)
    return dashes


def cell_codes(dots: Dots) -> NDArray[np.uint8]:
    """Return the Braille bits of each character cell, shape (lines, columns); 0 for an empty cell."""
    lines, columns = dots.shape[0] // 4, dots.shape[1] // 2
    cells = dots.reshape(lines, 4, columns, 2)
    codes: NDArray[np.uint8] = np.einsum("lrck,rk->lc", cells.view(np.uint8), _BITS)
    return codes


CELLS = {"line": "*", "band": ".", "dotted": ".", "dashed": "-", "ghost": "-"}
"""The ASCII character of each form; a dotted curve lies right of the present, a band left of it."""

_SIGNS = str.maketrans(
    {
        **{"│": "|", "┤": "+", "└": "+", "─": "-", "┬": "+", "┼": "+", "┊": ":"},
        **{"●": "o", "○": "O", "▲": "^", "▾": "v", "↑": "^", "…": "."},
    }
)


def in_ascii(text: str) -> str:
    """Return the text in ASCII, of the same length; characters without a counterpart become `?`."""
    text = text.translate(_SIGNS)
    return text if text.isascii() else "".join(sign if sign.isascii() else "?" for sign in text)


def ascii_rows(rows: Sequence[tuple[tuple[str, str], ...]]) -> list[tuple[tuple[str, str], ...]]:
    """Return the rows of a chart in ASCII."""
    return [tuple((in_ascii(text), style) for text, style in row) for row in rows]
