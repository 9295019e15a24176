"""Curves in one line of text."""

from __future__ import annotations

import math

import pytest

from lrtui.plotting.sparkline import sparkline


@pytest.mark.parametrize(
    ("values", "width", "drawn"),
    [
        ([0, 1, 2, 3], 2, "⡠⠊"),
        ([7.0] * 20, 4, "⠉⠉⠉⠉"),
        ([0.0] * 20, 4, "⣀⣀⣀⣀"),
        ([1.0, 0.0], 4, "⠉⠉⣆⣀"),
        ([math.nan, math.inf, 1.0], 2, "⠉⠉"),
        ([], 3, ""),
        ([1.0], 0, ""),
        ([-1.0, 1.0], 2, "⣀⠏"),
    ],
)
def test_a_curve_is_a_line_of_dots(values: list[float], width: int, drawn: str) -> None:
    assert sparkline(values, width) == drawn


def test_a_million_values_keep_the_width() -> None:
    assert len(sparkline([1.0] * 1_000_000, 8)) == 8
