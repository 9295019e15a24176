"""Checks the lr that a run has recorded, whatever made it; imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property

import numpy as np

from lrtui.analysis.checks.check import Finding
from lrtui.analysis.checks.lr_context import Floats, LrContext
from lrtui.analysis.checks.traps import TRAPS
from lrtui.run.recorded_curve import RecordedCurve
from lrtui.schedules.horizon import Horizon

FALLEN = 0.1
"""Share of its peak to which the lr falls in each cycle that repeats."""

HIGH = 0.5
"""Share of its peak that it then reaches again."""

LEVEL_SHARE = 0.1
"""Share of the run over which the lr is constant at its end if weights are averaged there."""


class RecordedContext(LrContext):
    """The recorded lr of every step from the first recorded one on; between two it is on the line between them.

    Args:
        curve: what was recorded, at one step at least.
    """

    def __init__(self, curve: RecordedCurve) -> None:
        first = int(curve.steps[0])
        end = max(curve.length if curve.is_whole else 0, int(curve.steps[-1]) + 1)
        per_epoch = curve.batches_per_epoch or end
        super().__init__(_every_lr(curve, first, end), Horizon(-(-end // per_epoch), per_epoch, first, end))
        self._knows_epochs = curve.batches_per_epoch is not None

    @cached_property
    def _falls(self) -> int:
        """How often the lr falls from a high to a low share of its peak."""
        levels = np.where(self.share >= HIGH, 1, np.where(self.share <= FALLEN, -1, 0))
        levels = levels[levels != 0]
        return int((np.diff(levels) < 0).sum())

    @property
    def repeats_cycles(self) -> bool:
        """Whether the lr falls more than once."""
        return self._falls > 1

    @property
    def restarts(self) -> bool:
        """Whether the lr falls more than once."""
        return self._falls > 1

    @property
    def averages_at_end(self) -> bool:
        """Whether the lr is constant at the end of the run."""
        tail = self.share[-max(2, round(LEVEL_SHARE * len(self.share))) :]
        return bool(np.ptp(tail) <= 1e-6)

    def step_text(self, step: int) -> str:
        """Return the place of a step in the run; without the epoch if its length is unknown."""
        return super().step_text(step) if self._knows_epochs else f"step {int(step) + self.horizon.start_step:,}"

    def epoch_text(self, step: int) -> str:
        """Return the epoch of a step, or the step itself if the length of an epoch is unknown."""
        return super().epoch_text(step) if self._knows_epochs else self.step_text(step)


def _every_lr(curve: RecordedCurve, first: int, end: int) -> Floats:
    """Return the lr of each step, shape (steps, parameter groups); 0 before a group was added."""
    lrs = np.zeros((end - first, curve.lrs.shape[1]))
    steps = np.arange(first, end)
    for group in range(curve.lrs.shape[1]):
        values = curve.lrs[:, group]
        finite = np.isfinite(values)
        if finite.any():
            lrs[:, group] = np.interp(steps, curve.steps[finite], values[finite], left=0.0)
        infinite = np.isinf(values)
        lrs[curve.steps[infinite] - first, group] = values[infinite]
    return lrs


def check_recorded(curve: RecordedCurve, known: Iterable[Finding] = ()) -> list[Finding]:
    """Return the findings for what a run has recorded, the most severe first.

    Of a run that is not over, or was stopped, only what does not depend on its end is found.

    Args:
        known: findings for the schedule of the run, if that is known; their fixes apply here as well.
    """
    by_code = {finding.code: finding for finding in known}
    found = dict(by_code)
    if len(curve):
        with np.errstate(all="ignore"):
            context = RecordedContext(curve)
            for trap in TRAPS:
                if trap.find_in_lrs is None or (trap.needs_end and not curve.is_whole):
                    continue
                if problem := trap.find_in_lrs(context):
                    message = f"in the recorded run, {problem.message}"
                    new = Finding(trap.code, message, None, problem.short or trap.title)
                    same = by_code.get(trap.code)
                    found[trap.code] = new if same is None else replace(new, fix=same.fix)
    return [found[trap.code] for trap in TRAPS if trap.code in found]
