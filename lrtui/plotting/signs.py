"""Single characters and labels over the curves of a chart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lrtui.plotting.layers import Label, Layer, Marks, Rule, Sign
from lrtui.plotting.scale import Scale

Grid = list[list[str]]
"""A character, or the style of one, by line and column."""

BESIDE = (0, 1, -1, 2, -2)
"""Where a mark may be, in columns from its own place, so that it covers no mark of another run."""


class Signs:
    """Writes the layers that are not curves into a drawn chart.

    Args:
        characters: the characters of the plotting area, which are changed.
        styles: their styles, which are changed.
        scale: the y axis.
        column: returns the column of an x, or None if it is outside.
    """

    def __init__(self, characters: Grid, styles: Grid, scale: Scale, column: Callable[[float], int | None]) -> None:
        self._characters, self._styles = characters, styles
        self._scale, self._column = scale, column
        self._marks: dict[tuple[int, int], tuple[str, str]] = {}

    def paint(self, layers: Sequence[Layer]) -> None:
        """Write all of them, the labels last, since they keep clear of everything else."""
        for layer in layers:
            if isinstance(layer, Rule):
                self._paint_rule(layer)
            elif isinstance(layer, Sign):
                if (column := self._column(layer.x)) is not None:
                    self._put(0, column, layer.glyph, layer.style)
            elif isinstance(layer, Marks):
                self._paint_marks(layer)
        for layer in layers:
            if isinstance(layer, Label):
                self._paint_label(layer)

    def _put(self, line: int, column: int, character: str, style: str) -> None:
        self._characters[line][column], self._styles[line][column] = character, style

    def _paint_rule(self, rule: Rule) -> None:
        column = self._column(rule.x)
        for line in range(len(self._characters)):
            if column is not None and self._characters[line][column] == " ":
                self._put(line, column, rule.glyph, rule.style)

    def _paint_marks(self, marks: Marks) -> None:
        lines, columns = len(self._characters), len(self._characters[0])
        own = (marks.glyph, marks.style)
        for x, place in zip(marks.xs, self._scale.place(np.asarray(marks.ys, dtype=np.float64)), strict=True):
            column = self._column(x)
            if column is None or not -0.5 <= place <= 1.5:
                continue
            line = line_of(place, lines)
            near = [column + beside for beside in BESIDE if 0 <= column + beside < columns]
            free = next((each for each in near if self._marks.get((line, each), own) == own), column)
            self._marks[line, free] = own
            self._put(line, free, *own)

    def _paint_label(self, label: Label) -> None:
        """Write a label into the uppermost line that is free right or left of its x."""
        column = self._column(label.x)
        if column is None:
            return
        right, left = f"{label.glyph}{label.text}", f"{label.text}{label.glyph}"
        away = range(len(self._characters[0]) // 4 if label.top else 1)
        for line in range(1 if label.top else len(self._characters)):
            for distance in away:
                # with a blank beyond the text; the glyph may touch what it points at
                if self._write(line, column + distance, right, (0, 1), label.style):
                    return
                if self._write(line, column - distance - len(left) + 1, left, (-1, 0), label.style):
                    return

    def _write(self, line: int, start: int, text: str, around: tuple[int, int], style: str) -> bool:
        """Write a text if its place and the cells around it are blank; return whether they were."""
        row = self._characters[line]
        before, after = around
        end = start + len(text)
        if not 0 <= start <= end <= len(row) or set(row[max(0, start + before) : end + after]) != {" "}:
            return False
        for column, character in enumerate(text, start):
            self._put(line, column, character, style)
        return True


def line_of(place: float, lines: int) -> int:
    """Return the line of text, from the top, of a position on the y axis in [0, 1]."""
    dots = lines * 4 - 1
    return int(min(max(dots - round(place * dots), 0), dots)) // 4
