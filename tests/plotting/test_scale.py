"""Positions on a scale, ticks of the x axis, and times as text."""

from __future__ import annotations

import numpy as np
import pytest

from lrtui.plotting.scale import AxisName, LinearScale, format_time, x_ticks


@pytest.mark.parametrize(
    ("axis", "low", "high", "columns", "labels"),
    [
        ("epoch", 0.0, 1.0, 72, ["0", "1"]),
        ("epoch", 0.0, 10.0, 72, ["0", "2", "4", "6", "8", "10"]),
        ("epoch", 3.2, 3.6, 40, ["3.2", "3.3", "3.4", "3.5", "3.6"]),
        ("step", 0.0, 9380.0, 40, ["0", "2,000", "4,000", "6,000", "8,000"]),
        ("step", 0.0, 2_000_000.0, 40, ["0", "1,000,000", "2,000,000"]),
        ("step", 10.0, 12.0, 72, ["10", "11", "12"]),
        ("time", 0.0, 160.0, 48, ["0s", "30s", "1m", "1m30s", "2m", "2m30s"]),
        ("time", 0.0, 2.0, 40, ["0s", "0.5s", "1.0s", "1.5s", "2.0s"]),
        ("time", 3600.0, 3640.0, 40, ["1h", "1h00m15s", "1h00m30s"]),
        ("time", 0.0, 400_000.0, 60, ["0s", "24h", "48h", "72h", "96h"]),
    ],
)
def test_x_ticks_are_round_numbers(axis: AxisName, low: float, high: float, columns: int, labels: list[str]) -> None:
    assert [label for _, label in x_ticks(low, high, columns, axis)] == labels


@pytest.mark.parametrize(
    ("seconds", "decimals", "text"),
    [(0.0, 0, "0s"), (0.04, 1, "0s"), (59.96, 1, "1m"), (90.0, 0, "1m30s"), (65.5, 1, "1m05.5s"), (3900.0, 0, "1h05m")],
)
def test_a_time_is_written_in_its_largest_units(seconds: float, decimals: int, text: str) -> None:
    assert format_time(seconds, decimals) == text


def test_a_large_value_on_a_scale_of_tiny_ones_is_off_the_chart() -> None:
    assert LinearScale(0.0, 2.4e-279).place(np.array([1.2e-279, 1e30, -1e30])).tolist() == [0.5, np.inf, -np.inf]
