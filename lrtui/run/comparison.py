"""How runs compare: what differs in their settings, and their results at equal epochs and at equal seconds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from lrtui.run.evaluations import epoch_means, epoch_results, is_better_high, metric_names, metric_of
from lrtui.run.events import EvalDone, RunStarted
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState

MOST_MOMENTS = 8

ROUND_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Lengths of time that people count in."""


@dataclass(frozen=True, slots=True)
class Figures:
    """One figure of every run, at one moment.

    Args:
        values: None for a run that has none there.
        best: indices of the runs with the best value; empty where fewer than two have one, where all are equal, and
            where nothing says whether the figure is better high or low.
    """

    values: tuple[float | None, ...]
    best: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How runs compare; every tuple has an entry a run, every mapping of results goes by the metric's name.

    Args:
        settings: those that differ, by name; None for a run that has not started.
        circumstances: what else differs and bears on the results, such as the data, by name.
        by_epoch: results of the test at each epoch's end.
        by_seconds: the newest results after so much training time, of the runs that lasted so long.
        step_metrics: mean of each metric of the training steps over each epoch.
        final: results of each run's last test.
        best: the best of each run's results, of metrics that are known to be better high or low.
        best_epochs: in which epoch they were reached.
    """

    settings: Mapping[str, tuple[Any, ...]]
    circumstances: Mapping[str, tuple[str | None, ...]]
    metrics: tuple[str, ...]
    by_epoch: Mapping[str, Mapping[int, Figures]]
    by_seconds: Mapping[str, Mapping[float, Figures]]
    step_metrics: Mapping[str, Mapping[int, Figures]]
    final: Mapping[str, Figures]
    best: Mapping[str, Figures]
    best_epochs: Mapping[str, tuple[int | None, ...]]


def compare(states: Sequence[RunState]) -> Comparison:
    """Return how the runs compare, in their order."""
    metrics = metric_names([result for state in states for result in state.evaluations])
    epochs = [epoch_results(state) for state in states]
    every_epoch = sorted({epoch for results in epochs for epoch in results})
    moments = round_moments(max((state.elapsed for state in states), default=0.0))
    tests = [[result for result in state.evaluations if not result.averaged] for state in states]
    best = {
        name: [_best_result(results, name) for results in tests] for name in metrics if is_better_high(name) is not None
    }
    return Comparison(
        settings=_differing_settings([state.started.spec if state.started else None for state in states]),
        circumstances=_differing_circumstances(states),
        metrics=metrics,
        by_epoch={
            name: {epoch: _figures(name, [results.get(epoch) for results in epochs]) for epoch in every_epoch}
            for name in metrics
        },
        by_seconds={
            name: {moment: _figures(name, [_newest(state, moment) for state in states]) for moment in moments}
            for name in metrics
        },
        step_metrics={
            name: _means_by_epoch([epoch_means(state, name) for state in states])
            for name in sorted({name for state in states for name in state.metrics})
        },
        final={name: _figures(name, [state.last_test for state in states]) for name in metrics},
        best={name: _figures(name, results) for name, results in best.items()},
        best_epochs={
            name: tuple(None if result is None else result.epoch for result in results)
            for name, results in best.items()
        },
    )


def round_moments(seconds: float, most: int = MOST_MOMENTS) -> tuple[float, ...]:
    """Return so many round moments up to that one, at most: each minute, every five minutes, each hour ..."""
    if not seconds > 0:
        return ()
    lengths = [length for length in ROUND_SECONDS if seconds < length * (most + 1)]
    if seconds < ROUND_SECONDS[0]:
        # of less than a second: tenths, hundredths ...
        length = 10.0 ** math.floor(math.log10(seconds))
        step = next(length * times for times in (1, 2, 5) if seconds < length * times * (most + 1))
    else:
        step = lengths[0] if lengths else ROUND_SECONDS[-1] * math.ceil(seconds / ROUND_SECONDS[-1] / most)
    # 3 * 0.1 is a little more than 0.3
    return tuple(round(step * count, 12) for count in range(1, int(seconds / step * (1 + 1e-12)) + 1))


def _figures(name: str, results: Sequence[EvalDone | None]) -> Figures:
    values = tuple(metric_of(result, name) for result in results)
    high = is_better_high(name)
    finite = [value for value in values if value is not None and math.isfinite(value)]
    if high is None or not finite or len({value for value in values if value is not None}) < 2:
        return Figures(values, ())
    top = max(finite) if high else min(finite)
    return Figures(values, tuple(index for index, value in enumerate(values) if value == top))


def _means_by_epoch(means: Sequence[Mapping[int, float]]) -> dict[int, Figures]:
    epochs = sorted({epoch for of_run in means for epoch in of_run})
    return {epoch: Figures(tuple(of_run.get(epoch) for of_run in means), ()) for epoch in epochs}


def _best_result(results: Sequence[EvalDone], name: str) -> EvalDone | None:
    """Return the earliest of the best results."""
    sign = -1.0 if is_better_high(name) else 1.0
    keyed = [(sign * value, result.seq, result) for result in results if (value := metric_of(result, name)) is not None]
    finite = [entry for entry in keyed if math.isfinite(entry[0])]
    return min(finite, key=lambda entry: entry[:2])[2] if finite else None


def _newest(state: RunState, seconds: float) -> EvalDone | None:
    """Return the newest result after so much training time; None for a run that did not last so long."""
    if state.elapsed < seconds:
        return None
    before = [result for result in state.evaluations if not result.averaged and result.seconds <= seconds]
    return before[-1] if before else None


def _differing_settings(specs: Sequence[RunSpec | None]) -> dict[str, tuple[Any, ...]]:
    known = [spec for spec in specs if spec is not None]
    names = {name for spec in known[1:] for name in known[0].differences(spec)}
    return {
        item.name: tuple(None if spec is None else getattr(spec, item.name) for spec in specs)
        for item in fields(RunSpec)
        if item.name in names
    }


def _of_start(words: Callable[[RunStarted], str]) -> Callable[[RunState], str | None]:
    return lambda state: None if state.started is None else words(state.started)


CIRCUMSTANCES: dict[str, Callable[[RunState], str | None]] = {
    "computed on": _of_start(lambda started: started.device),
    "torch threads": _of_start(lambda started: str(started.torch_threads)),
    "data": _of_start(lambda started: f"{started.data.get('name')} from {started.data.get('source')}"),
    "samples": _of_start(lambda started: f"{started.data.get('train', 0):,} + {started.data.get('test', 0):,}"),
    "parameters": _of_start(lambda started: f"{started.parameter_count:,}"),
    "first step": lambda state: None if state.started is None else f"{state.first_step:,}",
}
"""What is no setting and yet bears on the results, in words."""


def _differing_circumstances(states: Sequence[RunState]) -> dict[str, tuple[str | None, ...]]:
    found = {name: tuple(words(state) for state in states) for name, words in CIRCUMSTANCES.items()}
    return {name: values for name, values in found.items() if len({value for value in values if value is not None}) > 1}
