"""Statistics of curves whose statistics are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lr_curve import curve_statistics, percent_text
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate


def test_a_constant_lr_has_the_area_of_the_base() -> None:
    facts = curve_statistics(np.full(7, 0.03), 0.03)
    assert (facts.peak, facts.last, facts.low) == (0.03, 0.03, 0.0)
    assert facts.area == pytest.approx(1.0, rel=1e-15)


def test_a_line_down_to_0_has_half_the_area() -> None:
    facts = curve_statistics(np.linspace(0.1, 0.0, 1001), 0.1)
    assert facts.area == pytest.approx(0.5)
    # the last ten steps are below a hundredth: 0.0009, ... 0
    assert facts.low == pytest.approx(10 / 1001)
    assert (facts.peak, facts.last) == (0.1, 0.0)


def test_the_case_study_has_a_ninth_of_the_area_of_a_constant_lr() -> None:
    lrs = simulate(parse_schedule("ExponentialLR(gamma=0.1)"), parse_optimizer("Adam(lr=0.01)"), Horizon(10, 938))
    facts = curve_statistics(lrs[:, 0], 0.01)
    assert facts.area == pytest.approx(sum(0.1**epoch for epoch in range(10)) / 10)
    # the third epoch is at a hundredth, except for rounding; the seven after it are below
    assert facts.low == 0.7
    assert facts.last == pytest.approx(1e-11)


def test_the_area_of_an_absolute_schedule_is_relative_to_the_optimizers_lr() -> None:
    lrs = simulate(parse_schedule("OneCycleLR(max_lr=0.003)"), parse_optimizer("Adam(lr=0.01)"), Horizon(10, 100))
    facts = curve_statistics(lrs[:, 0], 0.01)
    assert facts.peak == pytest.approx(0.003)
    assert facts.area == pytest.approx(lrs[:, 0].sum() / (0.01 * 1000))
    assert 0.1 < facts.area < 0.2


def test_statistics_without_a_value_are_nan() -> None:
    assert all(
        map(math.isnan, (curve_statistics([], 0.1).peak, curve_statistics([], 0.1).area, curve_statistics([], 0.1).low))
    )
    assert math.isnan(curve_statistics([0.1, 0.2], 0.0).area)
    broken = curve_statistics([0.1, math.inf, 0.2], 0.1)
    assert (broken.peak, broken.last) == (math.inf, 0.2)
    assert math.isnan(broken.area)
    assert math.isnan(broken.low)
    assert curve_statistics([0.0, 0.0], 0.1).low == 1.0


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.0, "0.0 %"),
        (0.7, "70.0 %"),
        (0.11111, "11.1 %"),
        (1.0, "100.0 %"),
        (0.0001, "<0.1 %"),
        (0.9999, ">99.9 %"),
        (12.345, "1,234.5 %"),
        (math.nan, "—"),
    ],
)
def test_a_share_is_shown_in_percent(share: float, expected: str) -> None:
    assert percent_text(share) == expected
