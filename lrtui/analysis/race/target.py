"""How soon schedules come to a target, as the tests at epochs' ends tell it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from lrtui.analysis.race.results import CellResult
from lrtui.run.evaluations import is_better_high, metric_of
from lrtui.run.events import EvalDone


@dataclass(frozen=True, slots=True)
class Reached:
    """When a target was reached: at the first test that shows it, so to an epoch's precision.

    Args:
        steps: optimizer steps until then, the mean over seeds.
        seconds: of training time, tests included, the mean over seeds.
    """

    steps: float
    seconds: float


def default_target(ranked: Sequence[Sequence[CellResult]], metric: str) -> float:
    """Return the best figure of the run whose best is the worst: the hardest target that every run reaches.

    Args:
        ranked: the runs of each entrant, at least one.
    """
    better = max if is_better_high(metric) else min
    bests = [better(_figures(result, metric)) for runs in ranked for result in runs]
    return min(bests) if is_better_high(metric) else max(bests)


def mean_reached(runs: Sequence[CellResult], metric: str, target: float) -> tuple[Reached | None, int]:
    """Return when one entrant came to the target, and with how many of its seeds it did.

    There is no mean where one seed did not: leaving it out would make the entrant look fast.
    """
    firsts = [first for result in runs if (first := _first(result, metric, target)) is not None]
    if len(firsts) < len(runs):
        return None, len(firsts)
    steps, seconds = (statistics.fmean(values) for values in zip(*((t.step, t.seconds) for t in firsts), strict=True))
    return Reached(steps, seconds), len(firsts)


def _first(result: CellResult, metric: str, target: float) -> EvalDone | None:
    for _, test in sorted(result.tests.items()):
        value = metric_of(test, metric)
        if value is not None and (value >= target if is_better_high(metric) else value <= target):
            return test
    return None


def _figures(result: CellResult, metric: str) -> list[float]:
    values = [value for test in result.tests.values() if (value := metric_of(test, metric)) is not None]
    # a loss can leave the finite numbers on the way and come back
    return [value for value in values if math.isfinite(value)]
