"""The rule that stops hopeless entrants of a race.

It considers the lr that remains, so that a schedule with a slow start is never stopped for that, as median stopping
(Golovin et al. 2017) and successive halving would do with a OneCycleLR. It stops only an entrant whose lr is spent,
whose results no longer improve, and which is behind by more than the noise of the test set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrtui.analysis.race.plan import Cell, RacePlan, Ruling
from lrtui.analysis.race.results import CellResult, test_samples
from lrtui.run.evaluations import ACCURACY, LOSS, is_better_high
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
"""The entrant that the others are compared with; it always runs to the end."""

MAX_STEPS = 1_000_000
"""Steps of the longest schedule that is simulated in advance, which takes a second or two."""

RULE = (
    f"a schedule is stopped at the end of an epoch, after {MIN_EPOCHS} epochs and {MIN_SHARE:.0%} of the run, if its "
    f"lr stays below {SPENT_SHARE:.0%} of its peak from there on, it is behind another schedule at the same step with "
    f"the same seed by more than {NOISE_MARGIN:g} standard errors of the test accuracy (or {LOSS_MARGIN:.0%} of "
    "the loss), and its last epoch gained less than a tenth of that; or if its loss diverges. The first schedule "
    "given, which the others are compared with, always runs to the end, and so does one that follows a metric or "
    "has --at commands"
)
"""The rule in words, shown whenever a schedule was stopped."""


@dataclass(frozen=True, slots=True)
class Course:
    """The lr of a whole run, as far as the rule asks.

    Args:
        left: by step, what the largest lr from there on is of the peak.
    """

    left: Sequence[float]

    def is_spent(self, step: int) -> bool:
        """Say whether what is left of the lr after so many steps is next to nothing."""
        # 0.01 * 0.1 * 0.1 is a little more than a hundredth of 0.01
        return step < len(self.left) and self.left[step] <= SPENT_SHARE * (1 + 1e-9)


class StoppingRule:
    """The stopping rule for one race.

    Args:
        plan: of the race.
    """

    def __init__(self, plan: RacePlan) -> None:
        self._plan = plan
        self._courses: dict[int, Course | None] = {}

    def judge(self, cell: Cell, results: Sequence[CellResult]) -> Ruling | None:
        """Return the ruling that stops the entrant of a run, or None if it continues.

        Args:
            cell: the run.
            results: of all runs of the race so far, this one included.
        """
        mine = next(result for result in results if result.cell == cell)
        started = mine.story.started if mine.story else None
        if cell.entrant == REFERENCE or started is None or started.spec.epochs in mine.tests:
            return None
        rivals = [
            other
            for other in results
            if other.cell.seed == cell.seed
            and other.cell.entrant != cell.entrant
            and other.cell.entrant not in self._plan.rulings
        ]
        # every epoch, since several may have ended since the last call
        least = max(MIN_EPOCHS, math.ceil(MIN_SHARE * started.spec.epochs))
        epochs = (epoch for epoch in sorted(mine.tests) if epoch >= least)
        return next((ruling for epoch in epochs if (ruling := self._judge_at(epoch, mine, rivals, started))), None)

    def _judge_at(
        self, epoch: int, mine: CellResult, rivals: Sequence[CellResult], started: RunStarted
    ) -> Ruling | None:
        metric = ACCURACY if mine.tests[epoch].accuracy is not None else LOSS
        now, before = mine.value(metric, epoch), mine.value(metric, epoch - 1)
        figures = [
            (value, rival.cell)
            for rival in rivals
            if (value := rival.value(metric, epoch)) is not None and math.isfinite(value)
        ]
        if now is None or before is None or not figures:
            return None
        sign = 1.0 if is_better_high(metric) else -1.0
        best, leader = max(figures, key=lambda entry: sign * entry[0])
        behind, gained = sign * (best - now), sign * (now - before)
        if not behind > _margin(metric, now, best, started) or gained >= STALLED_SHARE * behind:
            return None
        step = mine.tests[epoch].step
        course = self._course(mine.cell.entrant, started)
        if course is None or not course.is_spent(step):
            return None
        reason = (
            f"its lr is spent and {metric} stays at {figure(now)}; "
            f"{self._plan.entrants[leader.entrant].label} has {figure(best)}"
        )
        return Ruling(mine.cell.seed, epoch, step, reason)

    def _course(self, entrant: int, started: RunStarted) -> Course | None:
        """Return the lr of the entrant's whole run; None where it can't be told in advance."""
        if entrant not in self._courses:
            self._courses[entrant] = _course_of(started)
        return self._courses[entrant]


def _course_of(started: RunStarted) -> Course | None:
    from lrtui.schedules.notation import parse_schedule

    schedule = parse_schedule(started.spec.schedule)
    if started.spec.at or started.total_steps > MAX_STEPS or any(each.metric for each in schedule.walk()):
        return None
    # the lr is that of the real scheduler: torch is imported by now, or has to be
    import numpy as np

    from lrtui.schedules.forecast import forecast, request_for_spec

    lrs = np.abs(forecast(request_for_spec(started.spec, started.batches_per_epoch)).lrs)
    peaks = lrs.max(axis=0)
    shares = np.divide(lrs, peaks, out=np.zeros_like(lrs), where=peaks > 0).max(axis=1)
    left: list[float] = np.maximum.accumulate(shares[::-1])[::-1].tolist()
    return Course(left)


def _margin(metric: str, now: float, best: float, started: RunStarted) -> float:
    """Return the difference beyond which an entrant is behind by more than noise.

    The standard error of an accuracy p over n samples is sqrt(p (1 - p) / n). Two results on one test set are
    correlated, so the sum of both variances overestimates that of the difference.
    """
    if metric == LOSS:
        return LOSS_MARGIN * abs(best)
    return NOISE_MARGIN * math.sqrt((now * (1 - now) + best * (1 - best)) / test_samples(started))
