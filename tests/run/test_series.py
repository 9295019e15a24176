"""Series: block summaries, truncation, smoothed means and positions along the x axis."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recorded_runs import loss_at

from lrtui.run.minmax_pyramid import BLOCK, Blocks
from lrtui.run.series import RECENT, Series, index_at, value_at
from lrtui.run.smoothing import SPAN_GROWTH, Smoothed


def naive(values: np.ndarray, edges: np.ndarray) -> tuple[list[float], list[float]]:
    lows, highs = [], []
    for start, stop in itertools.pairwise(edges):
        part = values[start:stop]
        part = part[np.isfinite(part)]
        lows.append(float(part.min()) if len(part) else np.nan)
        highs.append(float(part.max()) if len(part) else np.nan)
    return lows, highs


@settings(max_examples=60, deadline=None)
@given(length=st.integers(1, 600), columns=st.integers(1, 80), seed=st.integers(0, 99))
def test_a_short_series_is_summarized_exactly(length: int, columns: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=length)
    values[generator.random(length) < 0.1] = np.nan
    edges = np.sort(generator.integers(0, length + 1, columns + 1))
    summary = Series(values).summary(edges)
    lows, highs = naive(values, edges)
    if np.diff(edges).max() < 128:
        np.testing.assert_array_equal(summary.low, lows)
        np.testing.assert_array_equal(summary.high, highs)


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 299_999), length=st.sampled_from([300_000, 299_993]), sign=st.sampled_from([-1, 1]))
def test_no_spike_is_lost_however_long_the_run(place: int, length: int, sign: int) -> None:
    values = np.zeros(length)
    place = min(place, length - 1)
    values[place] = sign * 50.0
    edges = np.linspace(0, length, 145).astype(np.int64)
    summary = Series(values).summary(edges)
    columns = np.flatnonzero((summary.high if sign > 0 else -summary.low) == 50)
    assert len(columns) == 1
    width = length / 144
    assert abs(columns[0] + 0.5 - place / width) <= 0.5 + 1 / 8 + 0.01


def test_non_finite_values_are_left_out_and_a_column_of_them_is_nan() -> None:
    summary = Series([1.0, np.nan, np.inf, -np.inf, 3.0, np.nan]).summary(np.array([0, 2, 4, 6]))
    np.testing.assert_array_equal(summary.low, [1.0, np.nan, 3.0])
    np.testing.assert_array_equal(summary.count, [1, 0, 1])


def test_appending_and_extending_give_the_same_series() -> None:
    one, other = Series(), Series(np.arange(1000.0))
    for value in range(1000):
        one.append(float(value))
    assert one == other
    assert one.last == 999.0
    assert one[-2] == 998.0


def test_truncating_drops_the_blocks_too() -> None:
    values = np.random.default_rng(0).normal(size=50_000)
    series = Series(values)
    series.summary(np.array([0, 50_000]))
    series.truncate(20_000)
    series.extend(-np.ones(30_000))
    edges = np.linspace(0, 50_000, 11).astype(np.int64)
    expected = Series(np.concatenate([values[:20_000], -np.ones(30_000)])).summary(edges)
    np.testing.assert_array_equal(series.summary(edges).high, expected.high)


def test_the_summary_of_an_empty_series_is_nan() -> None:
    summary = Series().summary(np.array([0, 5, 9]))
    assert np.isnan(summary.low).all()
    with pytest.raises(IndexError):
        _ = Series().last


@pytest.mark.parametrize("growth", [0.0, SPAN_GROWTH])
@pytest.mark.parametrize("span", [1, 20, 500])
def test_the_exponential_mean_follows_its_definition(span: int, growth: float) -> None:
    values = np.random.default_rng(1).normal(size=700)
    values[100:110] = np.nan
    total, weight, expected = 0.0, 0.0, []
    for index, value in enumerate(values):
        span_here = min(span, 1 + growth * (index + 1)) if growth else span
        keep = 1 - 2 / (span_here + 1)
        total, weight = keep * total, keep * weight
        if np.isfinite(value):
            total, weight = total + value, weight + 1
        expected.append(total / weight if weight else np.nan)
    series = Series()
    smoothed = Smoothed(series, span, growth)
    for start in range(0, 700, 90):
        series.extend(values[start : start + 90])
        got = smoothed.series.values
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


def test_the_drawn_mean_of_a_short_run_stays_near_its_losses() -> None:
    # noise of at most 0.06 either side of the trend
    trend = [0.3 + 2.0 * math.exp(-step / 40) for step in range(170)]
    losses = [loss_at(step) for step in range(170)]
    drawn = Smoothed(Series(losses), 100, SPAN_GROWTH).series.values
    assert np.abs(drawn - trend).max() < 0.07
    assert np.abs(drawn - trend)[100:].mean() < np.abs(np.array(losses) - trend)[100:].mean() / 2
    # with the whole span from the first step on, the mean is far above every loss that a column of the chart shows
    assert (Smoothed(Series(losses), 100).series.values - trend).max() > 0.4


def test_the_drawn_mean_of_a_step_never_changes_as_the_run_grows() -> None:
    losses = [loss_at(step) for step in range(3000)]
    series = Series(losses[:170])
    mean = Smoothed(series, 100, SPAN_GROWTH)
    before = mean.series.values.tolist()
    series.extend(losses[170:])
    assert mean.series.values[:170].tolist() == before
    # long after its start the mean has the whole span
    whole = Smoothed(series, 100).series.values
    np.testing.assert_allclose(mean.series.values[2500:], whole[2500:], rtol=1e-6)


def test_the_exponential_mean_follows_a_truncation() -> None:
    series = Series(np.ones(100))
    smoothed = Smoothed(series, 10)
    assert smoothed.series.last == pytest.approx(1.0)
    series.truncate(50)
    assert len(smoothed.series) == 50
    series.extend(np.full(500, 3.0))
    assert smoothed.series.last == pytest.approx(3.0)


def blocks_of(values: np.ndarray) -> Blocks:
    parts = values.reshape(-1, BLOCK)
    finite = np.isfinite(parts)
    return Blocks(
        np.where(finite, parts, np.inf).min(axis=1),
        np.where(finite, parts, -np.inf).max(axis=1),
        np.where(finite, parts, 0.0).sum(axis=1),
        finite.sum(axis=1).astype(float),
    )


@settings(max_examples=40, deadline=None)
@given(blocks=st.integers(1, 600), tail=st.integers(0, 700), columns=st.integers(1, 200), seed=st.integers(0, 99))
def test_a_series_that_starts_with_blocks_is_summarized_like_its_values(
    blocks: int, tail: int, columns: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    values = generator.normal(size=blocks * BLOCK + tail)
    values[generator.random(len(values)) < 0.01] = np.nan
    whole, short = Series(values), Series()
    for part in np.split(values[: blocks * BLOCK], [blocks // 2 * BLOCK]):
        short.extend_blocks(blocks_of(part))
    short.extend(values[blocks * BLOCK :])
    assert len(short) == len(whole)
    edges = np.linspace(0, len(values), columns + 1).astype(np.int64)
    mine, exact = short.summary(edges), whole.summary(edges)
    if len(values) / columns >= 8 * BLOCK:
        np.testing.assert_allclose(mine.mean, exact.mean, rtol=1e-9, atol=1e-12)
        np.testing.assert_array_equal([mine.low, mine.high, mine.count], [exact.low, exact.high, exact.count])
    else:
        # some columns narrower than a block are empty, but no extreme is lost
        assert np.nanmin(mine.low) == np.nanmin(values)
        assert np.nanmax(mine.high) == np.nanmax(values)
    # values that are known themselves are summarized exactly
    if tail:
        edges = np.linspace(blocks * BLOCK, len(values), min(tail, 50) + 1).astype(np.int64)
        np.testing.assert_array_equal(short.summary(edges).high, whole.summary(edges).high)
        np.testing.assert_equal(short[-1], whole[-1])
        np.testing.assert_equal(short[blocks * BLOCK], whole[blocks * BLOCK])


def test_a_series_that_starts_with_blocks_can_be_extended_and_truncated() -> None:
    values = np.arange(10 * BLOCK, dtype=float)
    series = Series()
    series.extend_blocks(blocks_of(values))
    for value in range(40):
        series.append(value)
    assert (len(series), series.known_from, series[-1]) == (10 * BLOCK + 40, 10 * BLOCK, 39.0)
    with pytest.raises(IndexError, match="known from 2560 on"):
        _ = series[5]
    with pytest.raises(ValueError, match="before all values"):
        series.extend_blocks(blocks_of(values))
    series.truncate(10 * BLOCK + 3)
    assert (len(series), series.last) == (10 * BLOCK + 3, 2.0)
    series.truncate(4 * BLOCK + 100)
    # values of a cut block keep their indices but become NaN
    assert (len(series), series.known_from) == (4 * BLOCK + 100, 4 * BLOCK)
    assert np.isnan(series.values).all()
    series.truncate(4 * BLOCK)
    series.extend([1.0] * 300)
    fresh = Series()
    fresh.extend_blocks(blocks_of(values[: 4 * BLOCK]))
    fresh.extend([1.0] * 300)
    assert series == fresh
    edges = np.array([0, 2 * BLOCK, 4 * BLOCK, 4 * BLOCK + 300])
    np.testing.assert_array_equal(series.summary(edges).high, fresh.summary(edges).high)
    assert series != Series([1.0])


def test_the_mean_of_a_series_that_starts_with_blocks_continues_from_the_last_block() -> None:
    series = Series()
    series.extend_blocks(blocks_of(np.full(3 * BLOCK, 2.0)))
    series.extend(np.full(50, 2.0))
    smooth = Smoothed(series, 20).series
    assert len(smooth) == len(series)
    np.testing.assert_allclose(smooth.values, 2.0)
    edges = np.array([0, BLOCK, 3 * BLOCK, 3 * BLOCK + 50])
    np.testing.assert_allclose(smooth.summary(edges).mean, 2.0)
    series.append(7.0)
    assert 2.0 < Smoothed(series, 20).series.last < 3.0


def test_a_long_series_drops_its_oldest_values_and_has_the_same_summary() -> None:
    values = np.random.default_rng(3).normal(size=5 * RECENT + 777)
    whole, short = Series(values), Series()
    for start in range(0, len(values), 50_000):
        short.extend(values[start : start + 50_000])
        short.forget_old()
    assert len(short) == len(whole)
    assert len(short.values) < 2 * RECENT + 50_000
    assert short.known_from == len(whole) - len(short.values)
    assert short.known_from % BLOCK == 0
    assert short.values.tolist() == values[short.known_from :].tolist()
    edges = np.linspace(0, len(values), 145).astype(np.int64)
    mine, full = short.summary(edges), whole.summary(edges)
    for name in ("low", "high", "mean", "count"):
        assert getattr(mine, name) == pytest.approx(getattr(full, name))
    # where only blocks are left, a window shows these
    near = np.arange(1000, 4000, 10)
    assert np.nanmax(short.summary(near).high) >= values[1000:4000].max()


def test_the_mean_of_values_dropped_before_they_were_read_continues_from_their_blocks() -> None:
    values = np.full(3 * RECENT, 2.0)
    source = Series(values[:10])
    mean = Smoothed(source, 100)
    assert mean.series.last == 2.0
    source.extend(values[10:])
    source.forget_old()
    assert len(mean.series) == len(source)
    assert mean.series.last == pytest.approx(2.0)


def test_values_near_the_largest_float_are_summarized_without_a_mean() -> None:
    series = Series([0.0] * 8 + [1.5e308, 1.5e308, -1.5e308, -1.5e308] + [0.0] * 4)
    summary = series.summary(np.array([0, 16]))
    assert (summary.low[0], summary.high[0], summary.count[0]) == (-1.5e308, 1.5e308, 16)


def test_index_at_finds_the_first_value_not_below_x() -> None:
    xs = Series([1.0, 2.0, 4.0])
    assert index_at(xs, np.array([0.0, 1.0, 1.5, 4.0, 5.0])).tolist() == [0, 0, 1, 2, 3]


def test_index_at_finds_the_start_of_a_block_if_only_blocks_are_known() -> None:
    values = np.arange(4 * BLOCK, dtype=np.float64).reshape(4, BLOCK)
    xs = Series()
    xs.extend_blocks(Blocks(values.min(axis=1), values.max(axis=1), values.sum(axis=1), np.full(4, float(BLOCK))))
    xs.extend([4.0 * BLOCK, 4.0 * BLOCK + 1])
    found = index_at(xs, np.array([0.0, BLOCK, 4.0 * BLOCK, 4.0 * BLOCK + 1, 1e9]))
    assert found.tolist() == [0, BLOCK, 4 * BLOCK, 4 * BLOCK + 1, 4 * BLOCK + 2]
    assert value_at(xs, 3) == values[0].mean()
    assert value_at(xs, 4 * BLOCK + 1) == 4.0 * BLOCK + 1
