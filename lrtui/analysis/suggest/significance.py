"""How much of a difference between two candidates may be chance."""

from __future__ import annotations

import math
from math import comb

from lrtui.analysis.race.significance import paired_difference
from lrtui.analysis.race.standing import Placing, Standing
from lrtui.analysis.race.verdict import interval_words
from lrtui.run.evaluations import ACCURACY
from lrtui.text.format import counted, figure

NOISE = 2.0
"""Standard errors of the test set beyond which one seed's difference is more than the test set's chance."""


def chance_words(stands: Standing, first: Placing, second: Placing) -> tuple[str, bool]:
    """Return a difference with what is known of its chance, and whether it is beyond that."""
    gap = (first.mean - second.mean) * (1 if stands.better_high else -1)
    if len(stands.seeds) > 1:
        pair = paired_difference(
            [first.values[seed] for seed in stands.seeds],
            [second.values[seed] for seed in stands.seeds],
            better_high=stands.better_high,
            comparisons=comb(len(stands.placings), 2),
            resolution=1 / stands.test_samples if stands.better_high and stands.test_samples else 0.0,
        )
        beyond = pair.verdict == "better"
        words = f"{figure(gap)} {interval_words(pair)}, {'beyond' if beyond else 'within'} noise"
        return f"{words} over {counted(len(stands.seeds), 'seed')}", beyond
    error = _standard_error(stands, first, second)
    if error is None:
        return f"{figure(gap)}; one seed, and of a loss nothing says how much is chance", False
    ratio = gap / error
    words = "more than the test set's chance" if ratio > NOISE else "may be chance"
    return (
        f"{figure(gap)}, {ratio:.1f} standard errors of the test set: {words} (other seeds may differ)",
        ratio > NOISE,
    )


def _standard_error(stands: Standing, first: Placing, second: Placing) -> float | None:
    """Return the standard error of a difference of two accuracies p over n samples: of each it is sqrt(p (1-p) / n)."""
    if stands.metric != ACCURACY or stands.test_samples is None:
        return None
    variance = sum(max(p * (1 - p), 1 / stands.test_samples) for p in (first.mean, second.mean)) / stands.test_samples
    return math.sqrt(variance)
