"""Differences between two schedules, paired over seeds, and their significance."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CONFIDENCE = 0.95

Verdict = Literal["better", "worse", "within noise", "one seed"]


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between the results of two schedules.

    Args:
        mean: mean of the differences over the seeds, in units of the metric; positive if the first has the larger
            value.
        low: lower end of the confidence interval; None with one seed.
        high: upper end of the confidence interval; None with one seed.
        seeds: number of seeds.
        comparisons: number of intervals that the correction covers.
        verdict: verdict on the first schedule, compared with the second.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int
    comparisons: int
    verdict: Verdict


def paired_difference(
    mine: Sequence[float],
    theirs: Sequence[float],
    *,
    better_high: bool,
    comparisons: int = 1,
    resolution: float = 0.0,
) -> Difference:
    """Return the paired difference of two schedules, with its confidence interval.

    The interval is that of a paired t test, with a Bonferroni correction so that all intervals of a table hold together
    with a confidence of 95 %. Runs with the same seed share initial weights and data order, so effects of the seed
    cancel.

    Args:
        mine: values of one schedule, one per seed.
        theirs: values of the other, with the same seeds in the same order.
        better_high: whether a larger value is better.
        comparisons: number of differences that are tested together, at least 1.
        resolution: smallest step of a value, 1 / samples for an accuracy. A few seeds can agree to the last sample by
            chance, and an interval without width would report that as a significant difference.

    Raises:
        ValueError: if there are no values, or the lengths differ.
    """
    differences = [one - other for one, other in zip(mine, theirs, strict=True)]
    count = len(differences)
    mean = statistics.fmean(differences)
    if count < 2:
        return Difference(mean, None, None, count, comparisons, "one seed")
    # importing scipy.stats takes half a second
    from scipy.stats import t

    # variance of the difference of two rounded values, each uniform within a step
    deviation = math.hypot(statistics.stdev(differences), resolution / math.sqrt(6))
    level = 1 - (1 - CONFIDENCE) / (2 * comparisons)
    half = float(t.ppf(level, count - 1)) * deviation / math.sqrt(count)
    low, high = mean - half, mean + half
    verdict: Verdict = "within noise"
    if mean and not low <= 0 <= high:
        verdict = "better" if (mean > 0) == better_high else "worse"
    return Difference(mean, low, high, count, comparisons, verdict)
