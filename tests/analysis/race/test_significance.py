"""Differences paired over seeds: their confidence intervals and verdicts."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lrtui.analysis.race.significance import paired_difference

MINE = [0.91, 0.92, 0.915, 0.93, 0.905]
THEIRS = [0.90, 0.91, 0.912, 0.915, 0.901]


def test_the_interval_is_that_of_a_paired_t_test() -> None:
    found = paired_difference(MINE, THEIRS, better_high=True)
    test = stats.ttest_rel(MINE, THEIRS)
    interval = test.confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(MINE) - np.mean(THEIRS))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.verdict == "better") == (test.pvalue < 0.05)


def test_an_effect_of_the_seed_on_both_cancels() -> None:
    shifts = [0.0, 0.2, -0.1, 0.05, -0.3]
    shifted = paired_difference(
        [value + shift for value, shift in zip(MINE, shifts, strict=True)],
        [value + shift for value, shift in zip(THEIRS, shifts, strict=True)],
        better_high=True,
    )
    alone = paired_difference(MINE, THEIRS, better_high=True)
    assert (shifted.low, shifted.high) == pytest.approx((alone.low, alone.high))


@pytest.mark.parametrize(
    ("mine", "theirs", "better_high", "verdict"),
    [
        (MINE, THEIRS, True, "better"),
        (THEIRS, MINE, True, "worse"),
        (MINE, THEIRS, False, "worse"),
        (THEIRS, MINE, False, "better"),
        (MINE, MINE, True, "within noise"),
        ([0.9, 0.8, 0.95], [0.8, 0.9, 0.94], True, "within noise"),
        ([0.9], [0.1], True, "one seed"),
    ],
)
def test_the_verdict_follows_from_the_interval(
    mine: list[float], theirs: list[float], better_high: bool, verdict: str
) -> None:
    assert paired_difference(mine, theirs, better_high=better_high).verdict == verdict


def test_one_seed_has_no_interval() -> None:
    found = paired_difference([0.9], [0.8], better_high=True)
    assert (found.low, found.high, found.seeds) == (None, None, 1)
    assert found.mean == pytest.approx(0.1)


def test_more_comparisons_widen_the_interval_by_bonferroni() -> None:
    found = paired_difference(MINE, THEIRS, better_high=True, comparisons=4)
    interval = stats.ttest_rel(MINE, THEIRS).confidence_interval(1 - 0.05 / 4)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_two_equal_differences_are_not_significant() -> None:
    # both seeds gain one of 100 samples: the spread is 0 only because of the rounding
    assert paired_difference([0.91, 0.92], [0.90, 0.91], better_high=True, resolution=0.01).verdict == "within noise"


def test_the_numbers_of_values_must_match() -> None:
    with pytest.raises(ValueError, match=r"zip|argument"):
        paired_difference([0.9, 0.8], [0.9], better_high=True)


def test_noise_is_called_significant_in_one_case_of_twenty() -> None:
    draws = np.random.default_rng(3).normal(size=(2, 4000, 5))
    verdicts = [
        paired_difference(mine.tolist(), theirs.tolist(), better_high=True).verdict
        for mine, theirs in zip(*draws, strict=True)
    ]
    # 5 % give or take four standard errors of 4,000 draws
    assert 0.036 < 1 - verdicts.count("within noise") / len(verdicts) < 0.064


@settings(max_examples=60)
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=2, max_size=8))
def test_swapping_the_schedules_reverses_the_difference(pairs: list[tuple[float, float]]) -> None:
    mine, theirs = [list(values) for values in zip(*pairs, strict=True)]
    one = paired_difference(mine, theirs, better_high=True, comparisons=3)
    other = paired_difference(theirs, mine, better_high=True, comparisons=3)
    assert one.mean == pytest.approx(-other.mean)
    assert one.low is not None
    assert other.high is not None
    assert math.isclose(one.low, -other.high, rel_tol=1e-9, abs_tol=1e-9)
    opposite = {"better": "worse", "worse": "better", "within noise": "within noise"}
    assert other.verdict == opposite[one.verdict]
