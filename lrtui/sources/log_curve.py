"""The lr curve of a log: the lrs at the steps that it has logged them at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.run.recorded_curve import RecordedCurve, curve_of_points
from lrtui.sources.step_axis import axis_of

if TYPE_CHECKING:
    from lrtui.sources.recorded_log import RecordedLog


def curve_of_log(log: RecordedLog, total_steps: int | None, *, is_over: bool) -> RecordedCurve:
    """Return the lrs of a log, at the steps of its run.

    Args:
        total_steps: steps of the whole run; None if unknown.
        is_over: whether the run has ended.
    """
    steps, lrs = log.lr_points()
    axis = axis_of((series.steps for series in log.used), log.facts.counts_from)
    places = axis.first + axis.indices(steps)
    return curve_of_points(places, lrs, total_steps, is_over=is_over, per_epoch=log.epoch_length)
