"""The curve of a range test: smoothing, divergence and the drawn part."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from range_curves import curve_of, valley_losses

from lrtui.run.errors import UsageError
from lrtui.run.range_curve import RangeCurve, compare_lr, outcome_line
from lrtui.run.range_feed import RangeEnd, RangeFeed, Sweep
from lrtui.run.smoothing import Smoothed


def test_a_sweep_has_equal_ratios_or_differences_and_exact_ends() -> None:
    sweep, linear = Sweep(1e-5, 1.0, 51), Sweep(0.1, 0.5, 21, linear=True)
    lrs = [sweep.lr(step) for step in range(51)]
    assert (lrs[0], lrs[-1]) == (1e-5, 1.0)
    assert [later / lr for lr, later in itertools.pairwise(lrs)] == pytest.approx([10**0.1] * 50)
    straight = [linear.lr(step) for step in range(21)]
    assert (straight[0], straight[-1]) == (0.1, 0.5)
    assert [later - lr for lr, later in itertools.pairwise(straight)] == pytest.approx([0.02] * 20)
    assert (sweep.x(0.01), linear.x(0.01)) == (-2, 0.01)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((0.0, 1.0, 50), "the first lr of a range test must be finite and above 0, not 0.0"),
        ((1e-5, math.inf, 50), "the last lr of a range test must be finite and above 0, not inf"),
        ((1.0, 1.0, 50), "must end at a higher lr than it starts at: 1.0 to 1.0"),
        ((0.1, 1.0, 19), "20 to 10,000 steps, not 19"),
        ((0.1, 1.0, 10_001), "not 10,001"),
    ],
)
def test_an_invalid_sweep_is_refused(values: tuple[float, float, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Sweep(*values)


def test_the_loss_is_smoothed_by_a_bias_corrected_mean() -> None:
    losses = valley_losses(60)
    curve, keep = curve_of(losses), 1 - 2 / (15 + 1)
    for step in (0, 1, 30, 59):
        weights = [keep ** (step - at) for at in range(step + 1)]
        mean = sum(weight * loss for weight, loss in zip(weights, losses, strict=False)) / sum(weights)
        assert curve.smoothed[step] == pytest.approx(mean)
    # the same mean as in the charts of a run
    assert curve.smoothed.values == pytest.approx(Smoothed(curve.losses, 15).series.values)
    point = curve.add(0.5, 1.25)
    assert (point.step, point.lr, point.loss, point.smoothed) == (60, 0.5, 1.25, curve.smoothed.last)


def test_the_loss_has_diverged_at_four_times_its_minimum_but_not_in_the_first_steps() -> None:
    # a low loss in the first batches does not count as the minimum
    assert not curve_of([0.1, *[1.0] * 140]).has_diverged
    for factor, diverged in ((3.9, False), (4.1, True)):
        curve = curve_of([1.0] * 40)
        while len(curve) < 149:
            curve.add(0.1, factor)
        assert curve.has_diverged is diverged
    # for a negative minimum the limit is three times its size above it
    curve = curve_of([-1.0] * 100)
    assert not curve.has_diverged
    for _ in range(49):
        curve.add(0.1, 2.2)
    assert curve.has_diverged


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_non_finite_loss_ends_the_test_and_the_drawn_curve(bad: float) -> None:
    curve = curve_of([*valley_losses(30), bad])
    assert curve.has_diverged
    assert curve.shown == 30
    assert math.isfinite(curve.top)
    assert curve_of([bad]).has_diverged
    assert curve_of([bad]).shown == 0
    assert math.isnan(curve_of([bad]).top)


def test_a_final_rise_does_not_flatten_the_curve_before_it() -> None:
    losses = valley_losses(150)
    assert max(losses) > 1000
    curve = curve_of(losses)
    assert 2.3 < curve.top < 4
    assert curve.loss_at(1.0) == curve.top
    assert curve.loss_at(0.01) < 1.2


@given(
    st.lists(
        st.one_of(st.floats(-1e6, 1e6), st.just(math.nan), st.just(math.inf), st.just(1e300)), min_size=0, max_size=60
    )
)
def test_any_losses_give_suggestions_or_a_reason(losses: list[float]) -> None:
    curve = curve_of(losses, Sweep(steps=60))
    found = curve.suggest()
    assert found.agreement
    assert all(lr > 0 for lr in found.found.values())
    assert found.suggested is None or found.suggested in found.found.values()
    assert outcome_line(curve, RangeEnd("done"))
    if curve.shown:
        assert math.isfinite(curve.loss_at(1e-3))


def test_the_outcome_and_the_current_lr_are_described() -> None:
    curve = curve_of(valley_losses(120))
    assert outcome_line(curve, RangeEnd("diverged")) == "120 of 150 steps: the loss diverges at lr 0.2451"
    assert outcome_line(curve, RangeEnd("stopped")) == "120 of 150 steps: stopped at lr 0.2451"
    assert outcome_line(curve, RangeEnd("done")) == "120 of 150 steps, up to lr 0.2451"
    assert outcome_line(RangeCurve(Sweep()), RangeEnd("stopped")) == "stopped before its first step of 150"
    found = curve.suggest()
    suggested = found.suggested or 0.0
    assert compare_lr(suggested * 1.2, found).endswith("about the same as suggested")
    assert compare_lr(suggested * 20, found).endswith("20 times higher than suggested")
    assert compare_lr(suggested / 4, found).endswith("4.0 times lower than suggested")


def test_a_feed_returns_points_in_order_and_keeps_its_first_end() -> None:
    feed = RangeFeed()
    assert not feed.wait(0)
    feed.publish(0.1, 1.0)
    feed.publish(0.2, 2.0)
    assert feed.take() == [(0.1, 1.0), (0.2, 2.0)]
    assert feed.take() == []
    feed.stop()
    feed.close(RangeEnd("stopped"))
    feed.close(RangeEnd("failed"))
    assert feed.wait(0)
    assert feed.end == RangeEnd("stopped")
    assert feed.is_stopped
