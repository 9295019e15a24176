"""The test results that a preview lays under schedules which follow them: a file's, a stored run's, or none."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from lrtui.cli.metrics_file import read_results
from lrtui.cli.recorded_run import RecordedRun
from lrtui.run.errors import UsageError
from lrtui.schedules.schedule import Schedule

Results = Sequence[Mapping[str, float]]


def results_for(
    schedules: Sequence[Schedule], epochs: int, path: str | None, recorded: RecordedRun | None
) -> dict[str, Results]:
    """Return results by the metric that a schedule follows, having said what there is to know of them.

    Args:
        epochs: of the preview.
        path: of a file with results, or None.
        recorded: a run with results, or None.

    Raises:
        UsageError: for a file that can't be read, or has no use.
    """
    results: dict[str, Results] = {}
    for schedule in schedules:
        metric = schedule.metric
        if metric is None:
            continue
        if recorded is not None:
            results[metric], source = recorded.results, recorded.title
        elif path is not None:
            results[metric], source = results.get(metric) or read_results(path, metric), path
        else:
            words = (
                f"follows the test {metric}, which a run has and a preview has not: shown as it is while nothing "
                "has stalled; --run RUN or --metrics FILE gives it one"
            )
            print(f"{schedule}: {words}", file=sys.stderr)
            continue
        given = len(results[metric])
        if given < epochs:
            words = f"{source} has the results of {given:,} of {epochs:,} epochs: held after them"
            print(f"{schedule}: {words}", file=sys.stderr)
    if path is not None and not results:
        raise UsageError("--metrics is for schedules that follow a metric, and none of these does")
    return results
