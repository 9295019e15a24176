"""A chart: layers with an x range and a y scale, drawn as rows of styled text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lrtui.plotting.layers import Curve, Flag, Label, Layer, Line, Marks
from lrtui.plotting.overlap import UNDER, visible_cells
from lrtui.plotting.raster import BRAILLE, CELLS, ascii_rows, broken, cell_codes, column_dots
from lrtui.plotting.scale import AxisName, Scale, scale_for, with_even_ticks, x_ticks
from lrtui.plotting.signs import Signs, line_of
from lrtui.text.format import four_digits

Segment = tuple[str, str]
Row = tuple[Segment, ...]
"""Pieces of text with their style: a component class of ChartView, with FADED if dimmed; "" for none."""

CROP = 1.5
"""A cropped axis ends at this multiple of the 95th percentile of the columns, measured from the foot of the axis."""

FEW = 100
"""Up to this number of columns, the 85th percentile is used, since the first losses are a large share of them."""

MARGIN = 1
"""Columns right of the plotting area, so that the label of a tick at the right end can be centred below it."""

AXIS, LABEL = "chart--axis", "chart--label"

# length of a dash with its gap, and of the dash alone, in dots
_PERIOD = {"dotted": (4, 1), "dashed": (8, 5), "ghost": (6, 3)}


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart; `draw` renders it at a size.

    Args:
        layers: the layers, from bottom to top.
        x_low: x at the left edge.
        x_high: x at the right edge.
        logarithmic: whether the y axis is logarithmic.
        from_zero: whether a linear y axis starts at 0.
        crops_peaks: whether a linear y axis cuts off peaks that would flatten the rest of the curve, in at most a
            twentieth of the columns.
        x_label: name of the x axis, left of its labels; None for no axis.
        axis: unit of the x axis, which determines its ticks.
        ascii: whether to use ASCII characters only.
        label_width: width of the y labels, equal in charts that are aligned.
    """

    layers: Sequence[Layer]
    x_low: float
    x_high: float
    logarithmic: bool = False
    from_zero: bool = False
    crops_peaks: bool = False
    x_label: str | None = None
    label_width: int = 7
    axis: AxisName = "epoch"
    ascii: bool = False

    def columns(self, width: int) -> int:
        """Return the width of the plotting area in a chart of this width."""
        return max(0, width - self.label_width - 2 - MARGIN)

    def draw(self, width: int, height: int) -> list[Row]:
        """Return `height` rows of `width` columns."""
        if width < 1 or height < 1:
            return [()] * max(0, height)
        axis_lines = 2 if self.x_label is not None and height >= 5 else 0
        columns, lines = self.columns(width), height - axis_lines
        if columns < 4 or lines < 2:
            return [((" " * width, ""),)] * height
        curves = [self._columns_of(layer, columns * 2) for layer in self.layers]
        scale = self._scale(curves, lines)
        characters, styles = self._paint(curves, scale, columns, lines)
        left = self._left(scale, lines)
        margin = (" " * MARGIN, "")
        rows = [(*left[line], *_segments(characters[line], styles[line]), margin) for line in range(lines)]
        if axis_lines:
            rows += self._x_axis(columns)
        return ascii_rows(rows) if self.ascii else rows

    # -- the plotting area --------------------------------------------------------------------------------------------

    def _columns_of(self, layer: Layer, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if isinstance(layer, (Curve, Line)):
            return layer.columns(self.x_low, self.x_high, count)
        if isinstance(layer, Marks):
            inside = [y for x, y in zip(layer.xs, layer.ys, strict=True) if self.x_low <= x <= self.x_high]
            values = np.asarray(inside, dtype=np.float64)
            return values, values
        return np.empty(0), np.empty(0)

    def _scale(self, curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], lines: int) -> Scale:
        lows = np.concatenate([low for low, _ in curves]) if curves else np.empty(0)
        highs = np.concatenate([high for _, high in curves]) if curves else np.empty(0)
        if self.logarithmic:
            lows, highs = lows[lows > 0], highs[highs > 0]
        lows, highs = lows[np.isfinite(lows)], highs[np.isfinite(highs)]
        low = float(lows.min()) if len(lows) else np.nan
        high = float(highs.max()) if len(highs) else np.nan
        if self.crops_peaks and not self.logarithmic and len(highs) > 20:
            # a quarter of each, so that no difference overflows
            foot = min(low, 0.0) / 4.0
            usual = 0.95 if len(highs) > FEW else 0.85
            high = min(high, 4.0 * (foot + CROP * (float(np.quantile(highs / 4.0, usual)) - foot)))
        scale = scale_for(low, high, logarithmic=self.logarithmic, from_zero=self.from_zero)
        return with_even_ticks(scale, lines)

    def _paint(
        self,
        curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
        scale: Scale,
        columns: int,
        lines: int,
    ) -> tuple[list[list[str]], list[list[str]]]:
        drawn: list[tuple[int, str, str, NDArray[np.uint8]]] = []
        course = np.zeros((lines, columns), dtype=np.bool_)
        for index, (layer, (low, high)) in enumerate(zip(self.layers, curves, strict=True)):
            if not isinstance(layer, (Curve, Line)):
                continue
            form = layer.form if isinstance(layer, Curve) else "line"
            dots = column_dots(scale.place(low), scale.place(high), lines * 4)
            if form not in UNDER:
                # before the dots are removed, so that the gaps of dotted lines count as well
                course |= cell_codes(dots) > 0
            if period := _PERIOD.get(form):
                dots = broken(dots, *period)
            drawn.append((index, layer.style, form, cell_codes(dots)))
        # in a cell of another line, the dots of a ghost would look like dots of that line
        drawn = [
            (index, style, form, np.where(course, 0, cells).astype(np.uint8) if form == "ghost" else cells)
            for index, style, form, cells in drawn
        ]
        codes, owners = visible_cells(drawn, lines, columns)
        if self.ascii:
            signs = [CELLS[layer.form] if isinstance(layer, Curve) else "*" for layer in self.layers]
            characters = [[signs[owner] if owner >= 0 else " " for owner in row] for row in owners.tolist()]
        else:
            characters = [[chr(BRAILLE + code) if code else " " for code in row] for row in codes.tolist()]
        names = [getattr(layer, "style", "") for layer in self.layers]
        styles = [[names[owner] if owner >= 0 else "" for owner in row] for row in owners.tolist()]
        signs_of_chart = Signs(characters, styles, scale, lambda x: self._column(x, columns))
        signs_of_chart.paint([*self.layers, *self._clipped(curves, scale, columns)])
        return characters, styles

    def _clipped(
        self, curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]], scale: Scale, columns: int
    ) -> list[Label]:
        """Return a label with the highest value above the y axis, if there is one."""
        highs = [high for layer, (_, high) in zip(self.layers, curves, strict=True) if isinstance(layer, Curve)]
        if not self.crops_peaks or not highs:
            return []
        highest = np.max(np.nan_to_num(np.stack(highs), nan=-np.inf, posinf=-np.inf), axis=0)
        place = scale.place(highest)
        if not np.nanmax(place, initial=0.0) > 1.0:
            return []
        at = int(np.argmax(highest))
        # right of the spike, which reaches the upper edge
        x = self.x_low + (at // 2 + 1.5) / columns * (self.x_high - self.x_low)
        return [Label(x, four_digits(float(highest[at])), LABEL, "↑", top=True)]

    def _column(self, x: float, columns: int) -> int | None:
        span = self.x_high - self.x_low
        if not span > 0 or not self.x_low <= x <= self.x_high:
            return None
        return min(columns - 1, int((x - self.x_low) / span * columns))

    # -- the axes -----------------------------------------------------------------------------------------------------

    def _left(self, scale: Scale, lines: int) -> list[Row]:
        rows: list[Row] = [((" " * (self.label_width + 1), ""), ("│", AXIS))] * lines
        # at least two lines apart; if two labels share a line, the lower one is shown
        for tick in reversed(scale.ticks(max(1, (lines * 4 - 1) / 8))):
            if -0.01 <= tick.place <= 1.01:
                label = f"{tick.label[: self.label_width]:>{self.label_width}} "
                rows[line_of(tick.place, lines)] = ((label, LABEL), ("┤", AXIS))
        return rows

    def _x_axis(self, columns: int) -> list[Row]:
        marks, labels = ["─"] * columns, [" "] * (columns + MARGIN)
        for x, label in x_ticks(self.x_low, self.x_high, columns, self.axis):
            if (column := self._column(x, columns)) is not None:
                marks[column] = "┬"
                _write(labels, column, label)
        styles = [AXIS] * columns
        for layer in self.layers:
            if isinstance(layer, Flag) and (column := self._column(layer.x, columns)) is not None:
                marks[column], styles[column] = layer.glyph, layer.style
        pad = " " * (self.label_width + 1)
        name = (self.x_label or "")[: self.label_width]
        return [
            ((pad, ""), ("└", AXIS), *_segments(marks, styles), (" " * MARGIN, "")),
            ((f"{name:>{self.label_width}}  {''.join(labels)}", LABEL),),
        ]


def _write(line: list[str], column: int, text: str) -> None:
    if len(text) > len(line):
        return
    start = max(0, min(column - (len(text) - 1) // 2, len(line) - len(text)))
    if all(character == " " for character in line[max(0, start - 1) : start + len(text) + 1]):
        line[start : start + len(text)] = list(text)


def _segments(characters: Sequence[str], styles: Sequence[str]) -> Row:
    segments: list[Segment] = []
    start = 0
    for index in range(1, len(characters) + 1):
        # an unstyled blank has no colour, so it does not end a segment
        if index == len(characters) or (
            styles[index] != styles[start] and not (characters[index] == " " and styles[index] == "")
        ):
            segments.append(("".join(characters[start:index]), styles[start]))
            start = index
    return tuple(segments)
