"""The figures of a log for the list of runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrtui.run.spec import trained_group
from lrtui.sources.training_time import training_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lrtui.run.minmax_pyramid import Floats
    from lrtui.sources.meaning import Meaning
    from lrtui.sources.recorded_log import RecordedLog
    from lrtui.sources.recorded_series import RecordedSeries

LR_SAMPLES = 32
"""Number of lrs of the curve of a run in a list."""


@dataclass(frozen=True, slots=True)
class LogFigures:
    """The figures of a run; None or empty if the log has none.

    Args:
        step: the last step that has a value.
        seconds: training time.
        epochs_done: finished epochs.
        best_accuracy: the highest accuracy.
        best_loss: the lowest test loss.
        lrs: the lr at evenly spread steps.
        created: time of the first value, in seconds since 1970.
        last_time: time of the last value.
        interval: mean time between two values, in seconds; 0 if unknown.
    """

    step: int = 0
    seconds: float = 0.0
    epochs_done: int = 0
    best_accuracy: float | None = None
    best_loss: float | None = None
    lrs: tuple[float, ...] = ()
    created: float | None = None
    last_time: float | None = None
    interval: float = 0.0


def figures_of(log: RecordedLog, earlier: LogFigures) -> LogFigures:
    """Return the figures of what has been read of a log.

    Args:
        earlier: the figures before; a log of which only some points are kept has the better results of both.
    """
    used = {series.name: series for series in log.used}
    if not used:
        return LogFigures()
    meaning = log.meaning
    longest = max(used.values(), key=len)
    clock = next((used[name] for name in (meaning.loss, *meaning.lrs) if name is not None and name in used), longest)
    seconds = float(training_seconds(clock.times)[-1])
    accuracy = _extreme(used, meaning.accuracy, meaning.accuracy_scale, np.max)
    firsts = [time for series in used.values() if math.isfinite(time := float(series.times[0]))]
    lasts = [time for series in used.values() if math.isfinite(time := float(series.times[-1]))]
    count = log.count_of(clock.name)
    return LogFigures(
        step=max(int(series.steps[-1]) for series in used.values()),
        seconds=max(seconds, earlier.seconds) if log.is_thin else seconds,
        epochs_done=_epochs_done(log, used, meaning),
        best_accuracy=accuracy,
        best_loss=_extreme(used, meaning.test_loss, 1.0, np.min),
        lrs=_sampled_lrs(used, meaning),
        created=min(firsts, default=None),
        last_time=max(lasts, default=None),
        interval=seconds / (count - 1) if count > 1 else 0.0,
    )


def _extreme(
    used: Mapping[str, RecordedSeries], name: str | None, scale: float, extreme: Callable[[Floats], float]
) -> float | None:
    if name is None or name not in used:
        return None
    values = used[name].values
    finite = values[np.isfinite(values)]
    return float(extreme(finite)) * scale if len(finite) else None


def _epochs_done(log: RecordedLog, used: Mapping[str, RecordedSeries], meaning: Meaning) -> int:
    """Return how many epochs have ended: as the epoch series says, or else how many tests there were."""
    if meaning.epoch is not None and meaning.epoch in used:
        values = used[meaning.epoch].values
        finite = values[np.isfinite(values)]
        if len(finite):
            return int(min(max(0.0, np.floor(finite.max() + 1e-6)), 1e9))
    tests = [log.count_of(name) for name in (meaning.test_loss, meaning.accuracy) if name is not None]
    return max(tests, default=0)


def _sampled_lrs(used: Mapping[str, RecordedSeries], meaning: Meaning) -> tuple[float, ...]:
    """Return the lr at evenly spread steps of the first parameter group that is not frozen at lr 0."""
    groups = [used[name] for name in meaning.lrs if name in used]
    if not groups:
        return ()
    highest = [float(np.max(series.values, where=np.isfinite(series.values), initial=0.0)) for series in groups]
    series = groups[trained_group(highest)]
    last = max(int(each.steps[-1]) for each in used.values())
    steps = np.linspace(float(series.steps[0]), float(last), LR_SAMPLES)
    places = np.searchsorted(series.steps, steps, side="right") - 1
    return tuple(series.values[np.maximum(places, 0)].tolist())
