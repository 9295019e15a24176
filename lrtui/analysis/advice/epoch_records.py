"""The test results of a run's epochs, the lr used between them, and how much of a change is more than noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrtui.run.evaluations import ACCURACY, LOSS, Objective, epoch_results, is_finite, metric_of
from lrtui.run.events import EpochDone, EvalDone
from lrtui.run.spec import trained_group
from lrtui.run.state import RunState
from lrtui.schedules.forecast import Floats

LOSS_NOISE = 0.02
"""Relative difference between two test losses that can occur without any learning."""


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """An epoch and the test at its end.

    Args:
        epoch: the event that ended the epoch.
        start: steps done when it began.
        result: test result of the model itself, not of averaged weights.
        noise: standard error of the merit, from the number of test samples if it is a share; 0 without a merit.
        train_loss: mean training loss of the epoch; NaN if no step had a finite loss.
        merit: the accuracy, or the metric that the task names as best, negative if a low value is better; None without
            either.
    """

    epoch: EpochDone
    start: int
    result: EvalDone
    noise: float
    train_loss: float
    merit: float | None

    @property
    def is_perfect(self) -> bool:
        """Whether the accuracy is 1."""
        return self.result.accuracy is not None and self.result.accuracy >= 1.0


def epoch_records(state: RunState, latest: int | None = None) -> list[EpochRecord]:
    """Return the epochs that ended with a test, earliest first.

    Args:
        latest: return only this many of the latest epochs; None for all. Reading all of them after every epoch would
            take time quadratic in the number of epochs.
    """
    tests, samples, objective = epoch_results(state, latest), _test_samples(state), state.objective
    records = []
    first = 0 if latest is None else max(0, len(state.epochs) - latest)
    end = state.epochs[first - 1].step if first else state.first_step
    for epoch in state.epochs[first:]:
        start, end = end, epoch.step
        if epoch.epoch in tests:
            result = tests[epoch.epoch]
            # one epoch at a time: a summary of several epochs together is only as exact as a chart
            loss = state.loss.summary(np.array([start, end]) - state.first_step).mean[0]
            value = None if objective.metric == LOSS else metric_of(result, objective.metric)
            merit = None if value is None else -objective.order(value)
            records.append(EpochRecord(epoch, start, result, _noise(objective, value, samples), float(loss), merit))
    return records


def _test_samples(state: RunState) -> int:
    samples = state.started.data.get("test") if state.started else None
    # if the number is unknown, assume a small test set with large noise
    return samples if isinstance(samples, int) and samples > 0 else 1000


def _noise(objective: Objective, value: float | None, samples: int) -> float:
    """Return how much the objective's metric can change without any learning."""
    is_share = value is not None and 0.0 <= value <= 1.0
    if value is None or is_share or objective.metric == ACCURACY:
        return standard_error(value, samples)
    return LOSS_NOISE * abs(value)


def standard_error(accuracy: float | None, samples: int) -> float:
    """Return the standard error of an accuracy on this many samples: sqrt(p (1 - p) / n), of a binomial distribution.

    It overestimates the noise between two tests, since both use the same samples.
    """
    if accuracy is None or not 0.0 <= accuracy <= 1.0:
        return 0.0
    # rule of succession: an accuracy of 0 or 1 still has the noise of one sample
    share = (accuracy * samples + 1) / (samples + 2)
    return math.sqrt(share * (1 - share) / samples)


def improved(before: Sequence[EpochRecord], after: Sequence[EpochRecord], *, noise: float = 1.0) -> bool:
    """Return whether the accuracy, or the metric that the task names as best, or the loss improved by more than noise.

    Medians are compared, because a single lucky test hardly changes them. A falling loss counts even if the accuracy
    does not change, since the loss is more sensitive.

    Args:
        before: results to compare with.
        after: later results.
        noise: the multiple of the noise that the change must exceed.
    """
    loss_decrease = relative_decrease(_losses(before), _losses(after))
    return loss_decrease > noise * LOSS_NOISE or _gain(before, after) > noise * max(item.noise for item in after)


def _losses(records: Sequence[EpochRecord]) -> list[float]:
    return [item.result.loss for item in records if item.result.loss is not None]


def _gain(before: Sequence[EpochRecord], after: Sequence[EpochRecord]) -> float:
    earlier = [item.merit for item in before if is_finite(item.merit)]
    later = [item.merit for item in after if is_finite(item.merit)]
    return median(later) - median(earlier) if earlier and later else 0.0


def relative_decrease(before: Sequence[float], after: Sequence[float]) -> float:
    """Return how much lower the median is afterwards, as a share of the earlier one; 0 if a median is not finite."""
    if not before or not after:
        return 0.0
    earlier, later = median(before), median(after)
    return (earlier - later) / abs(earlier) if earlier and math.isfinite(earlier) and math.isfinite(later) else 0.0


def median(values: Sequence[float]) -> float:
    """Return the median; `numpy` and `statistics` take 10 times as long for few values."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def peak_lrs_used(state: RunState, start: int = 0) -> Floats:
    """Return each parameter group's highest lr from a step on, or 0 without steps."""
    return _lrs_used(state, start, state.step, "high")


def mean_lrs_used(state: RunState, start: int, end: int) -> Floats:
    """Return each parameter group's mean lr between two steps, or 0 without steps."""
    return _lrs_used(state, start, end, "mean")


def lr_range_used(state: RunState, start: int) -> tuple[float, float]:
    """Return the lowest and highest lr from a step on, of the first parameter group that is not frozen at lr 0."""
    lowest, highest = _lrs_used(state, start, state.step, "low"), peak_lrs_used(state, start)
    group = trained_group(highest.tolist())
    return float(lowest[group]), float(highest[group])


def _lrs_used(state: RunState, start: int, end: int, field: str) -> Floats:
    # `summary` also covers steps of which the series holds only blocks
    edges = np.array([max(0, start - state.first_step), max(0, end - state.first_step)])
    found = [getattr(series.summary(edges), field)[0] for series in state.lrs]
    return np.nan_to_num(np.array(found, dtype=np.float64))
