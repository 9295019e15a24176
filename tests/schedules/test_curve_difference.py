"""How far a recorded lr is from that of a schedule."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lrtui.run.recorded_curve import RecordedCurve
from lrtui.schedules.curve_difference import CurveDifference, curve_differences

LINE = np.linspace(0.1, 0.001, 100)[:, None]


def compared(steps: list[int], lrs: list[float]) -> CurveDifference:
    (difference,) = curve_differences(RecordedCurve(np.array(steps), np.array(lrs)[:, None]), LINE)
    return difference


def test_an_lr_that_was_logged_in_32_bits_every_ten_steps_agrees() -> None:
    steps = list(range(9, 100, 10))
    found = compared(steps, [float(np.float32(LINE[step, 0])) for step in steps])
    assert (found.points, found.agreeing, found.offset) == (10, 1.0, 0)


@pytest.mark.parametrize("offset", [1, -1])
def test_a_log_that_is_a_step_late_or_early_agrees_with_that_offset(offset: int) -> None:
    steps = list(range(10, 90, 10))
    found = compared([step + offset for step in steps], [LINE[step, 0] for step in steps])
    assert (found.agreeing, found.offset) == (1.0, offset)


def test_a_single_point_that_is_off_is_named_and_changes_no_offset() -> None:
    steps = list(range(50))
    lrs = [float(LINE[step, 0]) for step in steps]
    lrs[20] *= 2
    found = compared(steps, lrs)
    assert (found.absolute_step, found.relative_step, found.offset) == (20, 20, 0)
    assert found.largest_relative == 0.5
    assert found.largest_absolute == pytest.approx(LINE[20, 0])
    assert found.agreeing == 0.98
    assert found.mean == pytest.approx(LINE[20, 0] / 50)


def test_the_largest_relative_and_absolute_difference_may_be_at_different_steps() -> None:
    found = compared([0, 99], [0.11, 0.002])
    assert (found.absolute_step, found.relative_step) == (0, 99)


def test_rounding_near_zero_is_no_difference() -> None:
    curve = RecordedCurve(np.arange(2), np.array([[0.1], [1e-18]]))
    assert curve_differences(curve, np.array([[0.1], [0.0]]))[0].agreeing == 1.0


def test_an_infinite_lr_differs_from_a_finite_one_and_not_from_another() -> None:
    found = compared([0, 1], [0.1, math.inf])
    assert (found.agreeing, found.largest_relative, found.absolute_step) == (0.5, math.inf, 1)
    assert found.record()["largest_absolute"] is None
    curve = RecordedCurve(np.arange(2), np.array([[0.1], [math.inf]]))
    assert curve_differences(curve, np.array([[0.1], [math.inf]]))[0].agreeing == 1.0


def test_points_beyond_the_schedule_are_not_compared() -> None:
    found = compared([99, 200], [float(LINE[99, 0]), 5.0])
    assert (found.points, found.agreeing) == (1, 1.0)
    nothing = compared([200], [5.0])
    assert (nothing.points, nothing.agreeing, nothing.relative_step) == (0, 0.0, None)
