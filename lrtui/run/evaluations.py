"""Test results and step metrics of a run, by epoch and by name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

from lrtui.run.events import EvalDone, Mode, RunStarted

if TYPE_CHECKING:
    # for types only: run.state imports this module
    from lrtui.run.state import RunState

ACCURACY, LOSS = "accuracy", "loss"


def epoch_results(state: RunState, latest: int | None = None) -> dict[int, EvalDone]:
    """Return the result of the test that ended each epoch, by epoch, in order.

    That test is the last one of the model itself (not of the averaged one) between the epoch's last step and its
    EpochDone. A test on demand within the epoch, or before the first step of the next one, does not count; an epoch
    without a test at its end is left out.

    Args:
        latest: number of newest epochs to look at; None for all. Looking at all of them after every epoch takes
            quadratic time.
    """
    results: dict[int, EvalDone] = {}
    tests = (result for result in reversed(state.evaluations) if not result.averaged)
    test = next(tests, None)
    for done in reversed(state.epochs if latest is None else state.epochs[-latest:]):
        while test is not None and test.seq > done.seq:
            test = next(tests, None)
        if test is not None and test.step == done.step and test.epoch == done.epoch:
            results[done.epoch] = test
    return dict(reversed(results.items()))


def epoch_means(state: RunState, name: str) -> dict[int, float]:
    """Return the mean of a step metric over each epoch, by epoch; an epoch without a finite value is left out."""
    if not state.epochs or name not in state.metrics:
        return {}
    # takes 60 ms to import, and a list of runs needs it for nothing else
    import numpy as np

    started = state.started
    ends = [done.step - state.first_step for done in state.epochs]
    if started is None or started.knows_epochs:
        steps = started.batches_per_epoch if started else 0
        starts = [max(0, end - steps) for end in ends]
    else:
        starts = [0, *ends[:-1]]
    # one call per epoch: a call over several ranges is approximate, exact enough only for drawing
    means = [float(state.metrics[name].summary(np.array(span)).mean[0]) for span in zip(starts, ends, strict=True)]
    return {done.epoch: mean for done, mean in zip(state.epochs, means, strict=True) if math.isfinite(mean)}


def shown_loss(loss: float, *, is_log: bool) -> float:
    """Return a training loss as texts show it: NaN for one of a log that is not finite.

    In the events of a log, NaN stands for a step without a loss, and infinity also for a loss of NaN.
    """
    return math.nan if is_log and math.isinf(loss) else loss


def metric_names(results: Iterable[EvalDone]) -> tuple[str, ...]:
    """Return the names of all metrics in the results: accuracy, loss, then the task's further ones."""
    names = dict.fromkeys(name for result in results for name in result.all_metrics)
    first = [name for name in (ACCURACY, LOSS) if name in names]
    return tuple(dict.fromkeys([*first, *names]))


def metric_of(result: EvalDone | None, name: str) -> float | None:
    """Return the metric of that name; None if the result does not have it."""
    return None if result is None else result.all_metrics.get(name)


@dataclass(frozen=True, slots=True)
class Objective:
    """What decides which result is the best.

    Args:
        metric: name of the metric.
        higher: whether a higher value is better.
    """

    metric: str
    higher: bool

    @property
    def mode(self) -> Mode:
        """Whether a high or a low value is better, as PyTorch's schedulers call it."""
        return "max" if self.higher else "min"

    def order(self, value: float) -> float:
        """Return a number that is the lowest for the best value."""
        return -value if self.higher else value

    def best(self, results: Iterable[EvalDone]) -> EvalDone | None:
        """Return the earliest of the results with the best finite value; None if no value is finite."""
        values = ((metric_of(result, self.metric), result) for result in results)
        finite = [(self.order(value), result.seq, result) for value, result in values if is_finite(value)]
        return min(finite, key=lambda entry: entry[:2])[2] if finite else None


def objective_of(starts: Iterable[RunStarted | None], *, has_accuracy: bool) -> Objective:
    """Return the objective of runs: the `best` of their task, or else the accuracy or the loss.

    Args:
        starts: their first events.
        has_accuracy: whether their tests measure the accuracy.
    """
    named = {(start.best, start.mode) for start in starts if start is not None}
    best, mode = named.pop() if len(named) == 1 else (None, None)
    if best is not None:
        return Objective(best, mode == "max")
    return Objective(ACCURACY, True) if has_accuracy else Objective(LOSS, False)


def higher_is_better(name: str, starts: Iterable[RunStarted | None] = ()) -> bool | None:
    """Return whether a higher value of the metric is better; None if unknown, as for most metrics of a task.

    Args:
        starts: the first events of the runs that it is compared in.
    """
    modes = {start.mode for start in starts if start is not None and start.best == name}
    return {ACCURACY: True, LOSS: False}.get(name) if not modes else modes == {"max"} if len(modes) == 1 else None


def is_finite(value: float | None) -> TypeGuard[float]:
    """Return whether there is a value, and it is neither NaN nor infinite: only such a value can be the best."""
    return value is not None and math.isfinite(value)
