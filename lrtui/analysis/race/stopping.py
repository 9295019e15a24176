"""The rule that stops hopeless entrants of a race.

The rule considers the remaining lr. Median stopping (Golovin et al. 2017) and successive halving would stop a schedule
for a slow start, such as a OneCycleLR; this rule does not. It stops an entrant only if its remaining lr is almost 0,
its results no longer improve, and it is behind by more than the noise of the test set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lrtui.analysis.race.plan import Cell, RacePlan, Ruling
from lrtui.analysis.race.results import CellResult
from lrtui.run.evaluations import ACCURACY, is_finite, objective_of
from lrtui.text.format import figure

if TYPE_CHECKING:
    from lrtui.run.events import RunStarted

MIN_EPOCHS = 2
MIN_SHARE = 0.3
SPENT_SHARE = 0.01
STALLED_SHARE = 0.1
NOISE_MARGIN = 3.0
LOSS_MARGIN = 0.1

REFERENCE = 0
"""Index of the entrant that the others are compared with; it always runs to the end."""

MAX_STEPS = 1_000_000
"""Maximum number of steps for which a schedule is simulated in advance; it takes a second or two."""

RULE = (
    f"a schedule is stopped at the end of an epoch, after {MIN_EPOCHS} epochs and {MIN_SHARE:.0%} of the run, if its "
    f"lr stays below {SPENT_SHARE:.0%} of its peak from there on, it is behind another schedule at the same step with "
    f"the same seed by more than {NOISE_MARGIN:g} standard errors of the test accuracy (or {LOSS_MARGIN:.0%} of "
    "the loss, or of the metric that the task names as best), and its last epoch gained less than a tenth of its "
    "distance from that schedule; or if its loss diverges. The first schedule given, which the others are compared "
    "with, always runs to the end, and so does one that follows a metric or has --at commands"
)
"""The rule as text, shown below the results whenever a schedule was stopped."""


class StoppingRule:
    """The stopping rule for one race.

    Args:
        plan: plan of the race.
    """

    def __init__(self, plan: RacePlan) -> None:
        self._plan = plan
        self._remaining: dict[int, Sequence[float] | None] = {}

    def judge(self, cell: Cell, results: Sequence[CellResult]) -> Ruling | None:
        """Return the ruling that stops the entrant of a run, or None if it continues.

        Args:
            cell: the run.
            results: results of all runs of the race so far, this one included.
        """
        mine = next(result for result in results if result.cell == cell)
        started = mine.started
        if cell.entrant == REFERENCE or started is None or started.spec.epochs in mine.tests:
            return None
        rivals = [
            other
            for other in results
            if other.cell.seed == cell.seed
            and other.cell.entrant != cell.entrant
            and other.cell.entrant not in self._plan.rulings
        ]
        # check every epoch, since several may have ended since the last call
        least = max(MIN_EPOCHS, math.ceil(MIN_SHARE * started.spec.epochs))
        epochs = (epoch for epoch in sorted(mine.tests) if epoch >= least)
        return next((ruling for epoch in epochs if (ruling := self._judge_at(epoch, mine, rivals, started))), None)

    def _judge_at(
        self, epoch: int, mine: CellResult, rivals: Sequence[CellResult], started: RunStarted
    ) -> Ruling | None:
        objective = objective_of([started], has_accuracy=mine.tests[epoch].accuracy is not None)
        metric = objective.metric
        now, before = mine.value(metric, epoch), mine.value(metric, epoch - 1)
        figures = [(value, rival.cell) for rival in rivals if is_finite(value := rival.value(metric, epoch))]
        if not is_finite(now) or not is_finite(before) or not figures:
            return None
        best, leader = min(figures, key=lambda entry: objective.order(entry[0]))
        behind, gained = objective.order(now) - objective.order(best), objective.order(before) - objective.order(now)
        if not behind > _margin(metric, now, best, mine.test_samples) or gained >= STALLED_SHARE * behind:
            return None
        step = mine.tests[epoch].step
        if mine.cell.entrant not in self._remaining:
            self._remaining[mine.cell.entrant] = remaining_shares(started)
        shares = self._remaining[mine.cell.entrant]
        # in floating point, 0.01 cut twice by 0.1 is slightly more than 1 % of 0.01
        if shares is None or step >= len(shares) or shares[step] > SPENT_SHARE * (1 + 1e-9):
            return None
        reason = (
            f"its remaining lr is almost 0 and {metric} stays at {figure(now)}; "
            f"{self._plan.entrants[leader.entrant].label} has {figure(best)}"
        )
        return Ruling(mine.cell.seed, epoch, step, reason)


def remaining_shares(started: RunStarted) -> list[float] | None:
    """Return, by step, the highest lr from there on as a share of the peak; None if it can't be known in advance."""
    from lrtui.schedules.notation import parse_schedule

    schedule = parse_schedule(started.spec.schedule)
    if started.spec.at or (started.total_steps or 0) > MAX_STEPS or any(each.metric for each in schedule.walk()):
        return None
    # the real scheduler is stepped, so torch and numpy are needed
    import numpy as np

    from lrtui.schedules.forecast import forecast, request_for_spec

    lrs = np.abs(forecast(request_for_spec(started.spec, started.batches_per_epoch)).lrs)
    peaks = lrs.max(axis=0)
    shares = np.divide(lrs, peaks, out=np.zeros_like(lrs), where=peaks > 0).max(axis=1)
    left: list[float] = np.maximum.accumulate(shares[::-1])[::-1].tolist()
    return left


def _margin(metric: str, now: float, best: float, samples: int) -> float:
    """Return the difference beyond which an entrant is behind by more than noise.

    The standard error of an accuracy p over n samples is sqrt(p (1 - p) / n). Two results on one test set are
    correlated, so the sum of both variances overestimates that of the difference.
    """
    if metric != ACCURACY:
        return LOSS_MARGIN * abs(best)
    # p (1 - p) is negative for an accuracy in percent, which then has no margin
    return NOISE_MARGIN * math.sqrt(max(0.0, now * (1 - now) + best * (1 - best)) / samples)
