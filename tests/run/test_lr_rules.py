"""The rules that suggest an lr, each compared with its definition, and how well they agree."""

from __future__ import annotations

import numpy as np
import pytest
from range_curves import curve_of, valley_losses

from lrtui.run.lr_rules import RULES, SIGNS, CurvePart, Suggestions, minimum, slide, steepest, suggest, valley
from lrtui.run.range_feed import RangeOutcome, Sweep

LRS = np.logspace(-6, 1, 100)


def part_of(losses: np.ndarray, noise: float = 0.0) -> CurvePart:
    return CurvePart(LRS[: len(losses)], losses, 100, noise, 10)


def logistic(middle: float, width: float = 0.15) -> np.ndarray:
    """Return a fall from 2 to 1 whose steepest point is at this log10 of lr."""
    return 2 - 1 / (1 + np.exp(-(np.log10(LRS) - middle) / width))


def test_steepest_returns_the_lr_of_the_steepest_fall() -> None:
    assert np.log10(steepest(part_of(logistic(-2.5))) or 0) == pytest.approx(-2.5, abs=0.08)
    # a fall after the minimum, from a peak of the diverging loss, is ignored
    bumpy = logistic(-2.5) + 30 * np.exp(-((np.log10(LRS) - 0.6) ** 2) / 0.001) + np.maximum(0, np.log10(LRS))
    assert np.log10(steepest(part_of(bumpy)) or 0) == pytest.approx(-2.5, abs=0.08)
    assert steepest(part_of(np.linspace(1, 2, 100))) is None
    assert steepest(part_of(np.ones(100))) is None


def test_minimum_returns_a_tenth_of_the_lr_with_the_lowest_loss() -> None:
    losses = np.abs(np.log10(LRS) + 1.5)
    assert np.log10(minimum(part_of(losses)) or 0) == pytest.approx(-2.5, abs=0.08)
    assert minimum(part_of(np.linspace(1, 2, 100))) is None


def longest_fall(losses: np.ndarray) -> tuple[int, int]:
    """Return the first end of a longest decreasing subsequence, and its length, by brute force."""
    lengths = [1] * len(losses)
    for later in range(len(losses)):
        for earlier in range(later):
            if losses[earlier] > losses[later]:
                lengths[later] = max(lengths[later], lengths[earlier] + 1)
    return lengths.index(max(lengths)), max(lengths)


@pytest.mark.parametrize("seed", range(8))
def test_valley_returns_the_middle_of_the_longest_fall(seed: int) -> None:
    losses = logistic(-3 + seed / 4) + np.random.default_rng(seed).normal(0, 0.05, 100)
    end, length = longest_fall(losses)
    start = max(0, end - length)
    place = int(np.flatnonzero(valley(part_of(losses)) == LRS)[0])
    assert start <= place <= end
    assert abs(place - (start + end) / 2) <= 1.5
    assert valley(part_of(np.linspace(1, 2, 100))) is None


def test_slide_stops_below_the_final_rise() -> None:
    rising = logistic(-3.5) + 10 * np.maximum(0, np.log10(LRS)) ** 2
    found = slide(part_of(rising))
    assert found is not None
    # the interval of 15 steps is a decade long, and begins to rise at lr 1
    assert -1.3 < np.log10(found) < -0.9
    assert slide(part_of(logistic(-3.5))) is None
    # a loss of another size gives the same lr
    assert slide(part_of(rising * 1e6)) == found == slide(part_of(rising * 1e-6))
    # noise does not count as a rise
    noise = np.random.default_rng(1).normal(0, 0.004, 100)
    noisy = slide(part_of(rising + noise, noise=0.03))
    assert noisy is not None
    assert abs(np.log10(noisy) - np.log10(found)) < 0.5


def test_on_a_typical_curve_all_rules_choose_an_lr_between_learning_and_divergence() -> None:
    for learns_at, diverges_at in ((1e-3, 0.1), (1e-2, 1.0), (1e-4, 0.05)):
        losses = valley_losses(150, learns_at=learns_at, diverges_at=diverges_at)
        losses = losses[: next(step for step, loss in enumerate(losses) if loss > 10)]
        found = curve_of(losses).suggest()
        assert set(found.found) == set(RULES)
        for lr in found.found.values():
            assert learns_at / 10 < lr < diverges_at
        assert not found.doubt


def test_a_curve_of_noise_is_not_reliable() -> None:
    doubted = 0
    for seed in range(20):
        losses = np.random.default_rng(seed).normal(2.3, 0.1, 150)
        found = curve_of(losses.tolist()).suggest()
        doubted += bool(found.doubt)
        if found.doubt:
            assert found.suggested is None
            assert found.agreement.startswith(found.doubt)
    assert doubted >= 18


def test_a_short_curve_gives_no_suggestion() -> None:
    found = curve_of(valley_losses(20)).suggest()
    assert found.suggested is None
    assert found.agreement == "the curve is too short to suggest an lr"
    assert not found.found


def test_losses_after_a_non_finite_one_are_ignored() -> None:
    losses = np.array(valley_losses(120))
    smoothed = curve_of(losses.tolist()).smoothed.values.copy()
    lrs = curve_of(losses.tolist()).lrs.values
    cut = suggest(lrs[:100], losses[:100], smoothed[:100], steps=150, span=15)
    losses[100] = np.nan
    assert suggest(lrs, losses, smoothed, steps=150, span=15) == cut


@pytest.mark.parametrize(
    ("lrs", "by", "text"),
    [
        ((1e-3, 2e-3, 1.5e-3, 1e-3), "minimum/10", "four rules agree within a factor of 2.0"),
        ((1e-3, 8e-3, 4e-3, 2e-3), "minimum/10", "four rules differ by a factor of 8.0: the median is the safer"),
        ((1e-3, 5e-2, 4e-3, None), "minimum/10", "three rules differ by a factor of 50: they disagree,"),
        ((None, 1e-3, None, 1.2e-3), "slide", "two rules agree within a factor of 1.2"),
        ((None, 1e-3, None, None), "valley", "only one rule finds an lr: valley"),
        ((None, None, None, None), None, "no rule finds an lr on this curve"),
    ],
)
def test_the_agreement_of_the_rules_is_described(lrs: tuple[float | None, ...], by: str | None, text: str) -> None:
    found = Suggestions(dict(zip(RULES, lrs, strict=True)))
    assert found.suggested_by == by
    assert found.suggested == (None if by is None else found.lrs[by])
    assert found.agreement.startswith(text)


def test_each_rule_has_its_own_letter() -> None:
    assert set(SIGNS) == set(RULES)
    assert len(set(SIGNS.values())) == len(RULES)


def test_a_fall_larger_than_the_noise_is_reliable() -> None:
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 0.1, 120)
        # a fall from 2.3 to 0.6, and one of a third of its size
        for size in (1.0, 0.33):
            losses = np.array(valley_losses(120, noise=0.0)) * size + noise
            assert not curve_of(losses.tolist()).suggest().doubt


@pytest.mark.parametrize("draw", ["normal", "laplace"])
def test_a_trained_model_has_no_readable_slope_but_a_largest_stable_lr(draw: str) -> None:
    sweep = Sweep()
    lrs = np.array([sweep.lr(step) for step in range(sweep.steps)])
    for seed in range(20):
        noise = getattr(np.random.default_rng(seed), draw)(0, 0.1, sweep.steps)
        # 0.5 +- 0.1 over five decades, then up at 0.05
        curve = curve_of((0.5 + noise + np.maximum(0, lrs / 0.05 - 1)).tolist())
        found = curve.suggest()
        assert found.suggested is None, seed
        assert found.stable is not None
        assert 0.003 <= found.stable <= 0.06, seed
        assert found.agreement.startswith("no slope can be read")
        assert f"the largest stable lr is {found.stable:.2g}" in found.agreement


def test_a_flat_curve_is_stable_up_to_its_last_lr() -> None:
    found = curve_of([0.5] * Sweep().steps).suggest()
    assert found.suggested is None
    assert found.stable == pytest.approx(Sweep().end, rel=0.9)


@pytest.mark.parametrize("outcome", ["stopped", "failed"])
def test_a_test_that_ended_early_recommends_no_lr(outcome: RangeOutcome) -> None:
    curve = curve_of(valley_losses(100))
    assert curve.suggest().suggested is not None
    assert curve.suggest(outcome).suggested is None
    assert curve.suggest(outcome).found == curve.suggest().found
