"""Four rules that read an lr off a curve, each against what it is defined by; and how far they agree."""

from __future__ import annotations

import numpy as np
import pytest
from range_curves import curve_of, valley_losses

from lrtui.run.lr_rules import RULES, SIGNS, CurvePart, Suggestions, minimum, slide, steepest, suggest, valley

LRS = np.logspace(-6, 1, 100)


def kept(losses: np.ndarray, noise: float = 0.0) -> CurvePart:
    return CurvePart(LRS[: len(losses)], losses, 100, noise, 10)


def logistic(middle: float, width: float = 0.15) -> np.ndarray:
    """Return a fall from 2 to 1 whose steepest point is at this log10 of lr."""
    return 2 - 1 / (1 + np.exp(-(np.log10(LRS) - middle) / width))


def test_steepest_is_where_a_fall_is_at_its_steepest() -> None:
    assert np.log10(steepest(kept(logistic(-2.5))) or 0) == pytest.approx(-2.5, abs=0.08)
    # a fall after the minimum, from a peak on the way out, is none of its business
    bumpy = logistic(-2.5) + 30 * np.exp(-((np.log10(LRS) - 0.6) ** 2) / 0.001) + np.maximum(0, np.log10(LRS))
    assert np.log10(steepest(kept(bumpy)) or 0) == pytest.approx(-2.5, abs=0.08)
    assert steepest(kept(np.linspace(1, 2, 100))) is None
    assert steepest(kept(np.ones(100))) is None


def test_minimum_is_a_tenth_of_the_lowest_ones_lr() -> None:
    losses = np.abs(np.log10(LRS) + 1.5)
    assert np.log10(minimum(kept(losses)) or 0) == pytest.approx(-2.5, abs=0.08)
    assert minimum(kept(np.linspace(1, 2, 100))) is None


def longest_fall(losses: np.ndarray) -> tuple[int, int]:
    """Return where the longest run of ever lower losses ends first, and its length, by trying them all."""
    lengths = [1] * len(losses)
    for later in range(len(losses)):
        for earlier in range(later):
            if losses[earlier] > losses[later]:
                lengths[later] = max(lengths[later], lengths[earlier] + 1)
    return lengths.index(max(lengths)), max(lengths)


@pytest.mark.parametrize("seed", range(8))
def test_valley_is_in_the_middle_of_the_longest_fall(seed: int) -> None:
    losses = logistic(-3 + seed / 4) + np.random.default_rng(seed).normal(0, 0.05, 100)
    end, length = longest_fall(losses)
    start = max(0, end - length)
    place = int(np.flatnonzero(valley(kept(losses)) == LRS)[0])
    assert start <= place <= end
    assert abs(place - (start + end) / 2) <= 1.5
    assert valley(kept(np.linspace(1, 2, 100))) is None


def test_slide_comes_to_rest_below_the_rise() -> None:
    rising = logistic(-3.5) + 10 * np.maximum(0, np.log10(LRS)) ** 2
    found = slide(kept(rising))
    assert found is not None
    # the interval of 15 steps is a decade long, and begins to rise at lr 1
    assert -1.3 < np.log10(found) < -0.9
    assert slide(kept(logistic(-3.5))) is None
    # a loss of another size gives the same lr
    assert slide(kept(rising * 1e6)) == found == slide(kept(rising * 1e-6))
    # noise is no rise
    noise = np.random.default_rng(1).normal(0, 0.004, 100)
    noisy = slide(kept(rising + noise, noise=0.03))
    assert noisy is not None
    assert abs(np.log10(noisy) - np.log10(found)) < 0.5


def test_on_a_curve_as_they_are_all_four_lie_between_where_it_learns_and_where_it_leaves_off() -> None:
    for learns_at, leaves_at in ((1e-3, 0.1), (1e-2, 1.0), (1e-4, 0.05)):
        losses = valley_losses(150, learns_at=learns_at, leaves_at=leaves_at)
        losses = losses[: next(step for step, loss in enumerate(losses) if loss > 10)]
        found = curve_of(losses).suggest()
        assert set(found.found) == set(RULES)
        for lr in found.found.values():
            assert learns_at / 10 < lr < leaves_at
        assert not found.doubt


def test_what_noise_alone_makes_is_doubted() -> None:
    doubted = 0
    for seed in range(20):
        losses = np.random.default_rng(seed).normal(2.3, 0.1, 150)
        found = curve_of(losses.tolist()).suggest()
        doubted += bool(found.doubt)
        if found.doubt:
            assert found.suggested is None
            assert found.agreement == found.doubt
    assert doubted >= 18


def test_too_short_a_curve_tells_nothing() -> None:
    found = curve_of(valley_losses(20)).suggest()
    assert found.suggested is None
    assert found.agreement == "too short a curve to read an lr off it"
    assert not found.found


def test_nothing_after_a_loss_that_is_not_finite_is_looked_at() -> None:
    losses = np.array(valley_losses(120))
    smoothed = curve_of(losses.tolist()).smoothed.values.copy()
    lrs = curve_of(losses.tolist()).lrs.values
    cut = suggest(lrs[:100], losses[:100], smoothed[:100], steps=150, span=15)
    losses[100] = np.nan
    assert suggest(lrs, losses, smoothed, steps=150, span=15) == cut


@pytest.mark.parametrize(
    ("lrs", "by", "words"),
    [
        ((1e-3, 2e-3, 1.5e-3, 1e-3), "minimum/10", "four rules agree within a factor of 2.0"),
        ((1e-3, 8e-3, 4e-3, 2e-3), "minimum/10", "four rules differ by a factor of 8.0: the middle is the safer"),
        ((1e-3, 5e-2, 4e-3, None), "minimum/10", "three rules do not agree, by a factor of 50: look at the curve"),
        ((None, 1e-3, None, 1.2e-3), "slide", "two rules agree within a factor of 1.2"),
        ((None, 1e-3, None, None), "valley", "only one rule finds an lr: valley"),
        ((None, None, None, None), None, "no rule finds an lr on this curve"),
    ],
)
def test_how_far_they_agree(lrs: tuple[float | None, ...], by: str | None, words: str) -> None:
    found = Suggestions(dict(zip(RULES, lrs, strict=True)))
    assert found.suggested_by == by
    assert found.suggested == (None if by is None else found.lrs[by])
    assert found.agreement.startswith(words)


def test_each_rule_has_a_sign_of_its_own() -> None:
    assert set(SIGNS) == set(RULES)
    assert len(set(SIGNS.values())) == len(RULES)


def test_a_fall_that_is_more_than_noise_is_not_doubted() -> None:
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(0, 0.1, 120)
        # from 2.3 to 0.6, and one of a third of that
        for size in (1.0, 0.33):
            losses = np.array(valley_losses(120, noise=0.0)) * size + noise
            assert not curve_of(losses.tolist()).suggest().doubt
