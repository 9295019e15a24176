"""The figure of a test that a schedule follows."""

from __future__ import annotations

from collections.abc import Collection

from lrtui.run.errors import UsageError
from lrtui.schedules.schedule import Schedule


def check_metric(schedule: Schedule, metrics: Collection[str]) -> None:
    """Refuse a schedule that follows a figure which no test gives: it would never be stepped.

    Raises:
        UsageError: names those there are.
    """
    if schedule.metric is not None and schedule.metric not in metrics:
        known = ", ".join(metrics)
        raise UsageError(f"{schedule} follows the test's {schedule.metric}, which this task does not give: {known}")
