"""Dotted and dashed lines."""

from __future__ import annotations

import numpy as np

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Curve
from lrtui.plotting.raster import broken, column_dots
from lrtui.run.series import Series


def test_dashes_are_as_dense_on_a_steep_line_as_on_a_flat_one() -> None:
    zigzag = np.abs(np.arange(200) % 10 - 5) / 5
    dots = column_dots(zigzag, zigzag, 64)
    dashed = broken(dots, 8, 5)
    assert not (dashed & ~dots).any()
    share = dashed.sum() / dots.sum()
    assert 0.5 < share < 0.75
    # every flank has dots
    lit_rows = dashed.reshape(64, 20, 10).any(axis=2)
    assert (lit_rows.sum(axis=0) > 32).all()


def test_dashes_stay_in_place_while_the_left_end_advances() -> None:
    places = np.linspace(0, 1, 120) ** 2
    whole = broken(column_dots(places, places, 64), 4, 1)
    later = np.where(np.arange(120) < 40, np.nan, places)
    rest = broken(column_dots(later, later, 64), 4, 1)
    assert np.array_equal(whole[:, 41:], rest[:, 41:])


def test_a_faded_curve_keeps_its_style_in_the_rows() -> None:
    curve = Curve(Series(np.linspace(0, 1, 100)), 0.0, 10.0, "chart--line-1 faded", "dotted")
    rows = Chart([curve], 0.0, 10.0).draw(60, 10)
    assert any(style == "chart--line-1 faded" for row in rows for _, style in row)
