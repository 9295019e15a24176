"""How the tests at the epochs' ends went, and what of it is more than noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrtui.run import evaluations
from lrtui.run.events import EpochDone, EvalDone
from lrtui.run.state import RunState

LOSS_NOISE = 0.02
"""Share of a test loss by which one may differ from the next without anything having been learnt."""


@dataclass(frozen=True, slots=True)
class EpochResult:
    """An epoch and the test at its end.

    Args:
        epoch: its end.
        result: of the model itself.
        noise: standard error of the accuracy, from the number of test samples; 0 where there is no accuracy.
        train_loss: mean of the epoch's steps; NaN where none of them was finite.
    """

    epoch: EpochDone
    result: EvalDone
    noise: float
    train_loss: float

    @property
    def is_perfect(self) -> bool:
        """Whether there is nothing left to gain."""
        return self.result.accuracy is not None and self.result.accuracy >= 1.0


def epoch_results(state: RunState, last: int | None = None) -> list[EpochResult]:
    """Return the epochs that ended with a test, the earliest first; tests on demand are left out.

    Args:
        last: how many of the latest epochs to look at; None for all. Looked at after each epoch, all of them would
            cost the square of their number.
    """
    done = state.epochs if last is None else state.epochs[-last:]
    if not done:
        return []
    tests = evaluations.epoch_results(state, last)
    samples = _test_samples(state)
    ended = done[0].step - (state.started.batches_per_epoch if state.started else 0)
    edges = np.array([ended, *(epoch.step for epoch in done)]) - state.first_step
    # one after the other: a summary of many stretches at once is only as exact as a chart
    losses = [float(state.loss.summary(edges[index : index + 2]).mean[0]) for index in range(len(done))]
    return [
        EpochResult(epoch, tests[epoch.epoch], standard_error(tests[epoch.epoch].accuracy, samples), loss)
        for epoch, loss in zip(done, losses, strict=True)
        if epoch.epoch in tests
    ]


def standard_error(accuracy: float | None, samples: int) -> float:
    """Return the standard error of a share of so many samples: sqrt(p (1 - p) / n), of a binomial distribution.

    The test samples are the same each time, so that two tests differ by less than twice of it: it is a cautious
    measure of what may be luck.
    """
    if accuracy is None or not 0.0 <= accuracy <= 1.0:
        return 0.0
    # all right, or all wrong, is no proof of no noise: one sample's worth is left (the rule of succession)
    share = (accuracy * samples + 1) / (samples + 2)
    return math.sqrt(share * (1 - share) / samples)


def gained(before: Sequence[EpochResult], after: Sequence[EpochResult], *, noise: float = 1.0) -> bool:
    """Say whether the tests went better by more than noise: the accuracy, or the loss where it is what is left to tell.

    Both are looked at as the median of a few tests, which one lucky or unlucky test does not move. An accuracy that
    stands still while the loss falls still counts as a gain: the loss is the finer measure of the two.

    Args:
        before: tests to compare with.
        after: later ones.
        noise: how many times the noise it takes.
    """
    by_loss = loss_fall(before, after) > noise * LOSS_NOISE
    return by_loss or accuracy_gain(before, after) > noise * max(item.noise for item in after)


def accuracy_gain(before: Sequence[EpochResult], after: Sequence[EpochResult]) -> float:
    """Return by how much the accuracy rose, as a share of all samples; 0 where the task has none."""
    had = [item.result.accuracy for item in before if item.result.accuracy is not None]
    has = [item.result.accuracy for item in after if item.result.accuracy is not None]
    return median(has) - median(had) if had and has else 0.0


def loss_fall(before: Sequence[EpochResult], after: Sequence[EpochResult]) -> float:
    """Return by what share the test loss fell; below 0 where it rose, 0 where it can't be told."""
    return fall([item.result.loss for item in before], [item.result.loss for item in after])


def fall(before: Sequence[float], after: Sequence[float]) -> float:
    """Return by what share the median of the later values is below that of the earlier; 0 where it can't be told."""
    had, has = median(before), median(after)
    return (had - has) / abs(had) if had and math.isfinite(had) and math.isfinite(has) else 0.0


def median(values: Sequence[float]) -> float:
    """Return the middle one of the values, of an even number the mean of the two in the middle."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _test_samples(state: RunState) -> int:
    samples = state.started.data.get("test") if state.started else None
    # a task whose sizes nobody knows: as few as make its noise count for much
    return samples if isinstance(samples, int) and samples > 0 else 1000
