"""Which curve a character cell shows where several curves meet."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lrtui.plotting.layers import FADED

Codes = NDArray[np.uint8]
"""Braille bits of each cell, shape (lines, columns)."""

Owners = NDArray[np.int64]
"""Index of the curve that each cell shows, -1 for none; shape (lines, columns)."""

UNDER = ("band", "ghost")
"""Forms that are below all lines: the dots of a line replace theirs."""


def visible_cells(
    curves: Sequence[tuple[int, str, str, Codes]], lines: int, columns: int
) -> tuple[NDArray[np.uint8], Owners]:
    """Return the dots of each cell and the curve that they belong to.

    Args:
        curves: index, style, form and cells of each curve, from bottom to top.
        lines: height of the chart.
        columns: width of the chart.
    """
    below = _shared([curve for curve in curves if curve[2] in UNDER], lines, columns)
    above = _shared([curve for curve in curves if curve[2] not in UNDER], lines, columns)
    lit = above[0] > 0
    return np.where(lit, above[0], below[0]), np.where(lit, above[1], below[1])


def _shared(
    curves: Sequence[tuple[int, str, str, Codes]], lines: int, columns: int
) -> tuple[NDArray[np.uint8], Owners]:
    """Return the cells of curves, where those of one colour share a cell dot by dot.

    A cell has one colour, so curves of different colours take turns along the columns that they share.
    """
    codes, owners = np.zeros((lines, columns), dtype=np.uint8), np.full((lines, columns), -1)
    colours: dict[str, tuple[Codes, Owners]] = {}
    for index, style, _, cells in curves:
        before = colours.get(style.removesuffix(FADED), (codes, owners))
        colours[style.removesuffix(FADED)] = before[0] | cells, np.where(cells > 0, index, before[1])
    if not colours:
        return codes, owners
    of_colours = np.stack([cells for cells, _ in colours.values()])
    place = np.cumsum(of_colours > 0, axis=0)
    turn = np.arange(columns) % np.maximum(place[-1], 1)
    for (cells, owner), rank in zip(colours.values(), place, strict=True):
        chosen = (cells > 0) & (rank - 1 == turn)
        codes, owners = np.where(chosen, cells, codes), np.where(chosen, owner, owners)
    return codes, owners
