"""Comparison of runs: differing settings, results at equal epochs and at equal times, and tables of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lrtui.run.evaluations import (
    Objective,
    epoch_means,
    epoch_results,
    higher_is_better,
    is_finite,
    metric_names,
    metric_of,
)
from lrtui.run.events import EvalDone, RunStarted
from lrtui.run.log import change_line
from lrtui.run.spec import COMPARED
from lrtui.run.state import RunState
from lrtui.text.format import MISSING, duration, figure, printable
from lrtui.text.table import Heading, table_lines

MAX_MOMENTS = 8

ROUND_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
"""Round lengths of time, in seconds."""


@dataclass(frozen=True, slots=True)
class Figures:
    """A metric of every run at one moment.

    Args:
        values: one per run; None for a run without a value.
        best: indices of the runs with the best value; empty if fewer than two runs have one, if all are equal, or if
            it is unknown whether a higher value is better.
    """

    values: tuple[float | None, ...]
    best: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of runs. Tuples have one entry per run; mappings of results have the metric's name as key.

    Args:
        settings: settings that differ, by name; None if unknown, as in a log or before a run has started.
        circumstances: other differences that affect the results, such as the data, by name.
        by_epoch: results of the test at the end of each epoch.
        by_seconds: latest results up to a training time, for the runs that lasted that long.
        step_metrics: mean of each step metric over each epoch.
        final: results of the last test.
        best: best results, for metrics of which it is known whether a higher value is better.
        best_epochs: epochs of the best results.
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
    """Return the comparison of the runs, in their order."""
    metrics = metric_names([result for state in states for result in state.evaluations])
    epochs = [epoch_results(state) for state in states]
    every_epoch = sorted({epoch for results in epochs for epoch in results})
    moments = round_moments(max((state.elapsed for state in states), default=0.0))
    tests = [[result for result in state.evaluations if not result.averaged] for state in states]
    higher = {name: higher_is_better(name, [state.started for state in states]) for name in metrics}
    best = {
        name: [Objective(name, high).best(results) for results in tests]
        for name, high in higher.items()
        if high is not None
    }

    def figures(name: str, results: Sequence[EvalDone | None]) -> Figures:
        return _figures([metric_of(result, name) for result in results], higher[name])

    return Comparison(
        settings=_differing_settings(states),
        circumstances=_differing_circumstances(states),
        metrics=metrics,
        by_epoch={
            name: {epoch: figures(name, [results.get(epoch) for results in epochs]) for epoch in every_epoch}
            for name in metrics
        },
        by_seconds={
            name: {moment: figures(name, [_newest(state, moment) for state in states]) for moment in moments}
            for name in metrics
        },
        step_metrics={
            name: _means_by_epoch([epoch_means(state, name) for state in states])
            for name in sorted({name for state in states for name in state.metrics})
        },
        final={name: figures(name, [state.last_test for state in states]) for name in metrics},
        best={name: figures(name, results) for name, results in best.items()},
        best_epochs={
            name: tuple(None if result is None else result.epoch for result in results)
            for name, results in best.items()
        },
    )


def round_moments(seconds: float, most: int = MAX_MOMENTS) -> tuple[float, ...]:
    """Return at most `most` round times up to `seconds`: every minute, every five minutes, every hour ..."""
    if not seconds > 0:
        return ()
    lengths = [length for length in ROUND_SECONDS if seconds < length * (most + 1)]
    if seconds < ROUND_SECONDS[0]:
        # runs of less than a second: tenths, hundredths ...
        length = 10.0 ** math.floor(math.log10(seconds))
        step = next(length * times for times in (1, 2, 5) if seconds < length * times * (most + 1))
    else:
        step = lengths[0] if lengths else ROUND_SECONDS[-1] * math.ceil(seconds / ROUND_SECONDS[-1] / most)
    # 3 * 0.1 is slightly more than 0.3
    return tuple(round(step * count, 12) for count in range(1, int(seconds / step * (1 + 1e-12)) + 1))


def _figures(values: Sequence[float | None], higher: bool | None) -> Figures:
    finite = [value for value in values if is_finite(value)]
    if higher is None or not finite or len({value for value in values if value is not None}) < 2:
        return Figures(tuple(values), ())
    top = max(finite) if higher else min(finite)
    return Figures(tuple(values), tuple(index for index, value in enumerate(values) if value == top))


def _means_by_epoch(means: Sequence[Mapping[int, float]]) -> dict[int, Figures]:
    epochs = sorted({epoch for of_run in means for epoch in of_run})
    return {epoch: Figures(tuple(of_run.get(epoch) for of_run in means), ()) for epoch in epochs}


def _newest(state: RunState, seconds: float) -> EvalDone | None:
    """Return the latest result up to this training time; None for a run that ended earlier."""
    if state.elapsed < seconds:
        return None
    before = [result for result in state.evaluations if not result.averaged and result.seconds <= seconds]
    return before[-1] if before else None


def _differing_settings(states: Sequence[RunState]) -> dict[str, tuple[Any, ...]]:
    known = [_known_settings(state) for state in states]
    return {
        name: tuple(settings.get(name) for settings in known)
        for name in COMPARED
        if len({settings[name] for settings in known if name in settings}) > 1
    }


def _known_settings(state: RunState) -> dict[str, Any]:
    """Return the settings that affect the results, by name; of a log that does not have them at most the schedule."""
    if state.started is None:
        return {}
    spec = state.started.spec
    if spec.is_attached:
        # the paths of two logs always differ
        # unknown lengths have no number of epochs
        names: Sequence[str] = [
            name for name in COMPARED if name in spec.known and not (spec.is_log and name == "task")
        ]
        names = names if state.started.total_steps is not None else [name for name in names if name != "epochs"]
    else:
        names = COMPARED if state.started.settings_known else ("schedule",) if spec.schedule else ()
    return {name: getattr(spec, name) for name in names}


def _of_start(text: Callable[[RunStarted], str | None]) -> Callable[[RunState], str | None]:
    return lambda state: None if state.started is None else text(state.started)


CIRCUMSTANCES: dict[str, Callable[[RunState], str | None]] = {
    "computed on": _of_start(lambda started: started.device or None),
    "processes": _of_start(lambda started: str(started.processes)),
    "torch threads": _of_start(lambda started: str(started.torch_threads) if started.torch_threads else None),
    "data": _of_start(
        lambda started: f"{started.data.get('name')} from {started.data.get('source')}" if started.data else None
    ),
    "samples": _of_start(
        lambda started: f"{started.data.get('train', 0):,} + {started.data.get('test', 0):,}" if started.data else None
    ),
    "parameters": _of_start(lambda started: f"{started.parameter_count:,}" if started.parameter_count else None),
    "first step": lambda state: None if state.started is None else f"{state.first_step:,}",
}
"""Properties of a run that are not settings but affect its results, as text; None if unknown, as in a log."""


def _differing_circumstances(states: Sequence[RunState]) -> dict[str, tuple[str | None, ...]]:
    found = {name: tuple(text(state) for state in states) for name, text in CIRCUMSTANCES.items()}
    return {name: values for name, values in found.items() if len({value for value in values if value is not None}) > 1}


MAX_EPOCH_ROWS = 12
"""Maximum number of epochs in a table; `lrtui runs compare --json` has all."""


def comparison_lines(
    labels: Sequence[str], states: Sequence[RunState], comparison: Comparison, width: int | None = None
) -> list[str]:
    """Return the comparison as lines of text.

    Args:
        labels: short names of the runs.
        width: maximum width of the tables; None for no limit.
    """
    blocks = [
        *difference_blocks(labels, states, comparison),
        *moment_blocks(labels, states, comparison, width),
        result_block(labels, states, comparison),
    ]
    return [line for block in blocks for line in ("", *block)]


def difference_blocks(labels: Sequence[str], states: Sequence[RunState], comparison: Comparison) -> list[list[str]]:
    """Return the settings that differ, and the changes during the runs, each under a title."""
    differences = [*_differences(labels, comparison.settings), *_differences(labels, comparison.circumstances)]
    blocks = [["settings that differ" if differences else "no setting differs", *differences]]
    changes = [
        f"  {label}  step {change.step:,}: {printable(change_line(change) or '')}"
        for label, state in zip(labels, states, strict=True)
        for change in state.changes
    ]
    return [*blocks, ["changes during the run", *changes]] if changes else blocks


def noun_of_epochs(states: Sequence[RunState]) -> str:
    """Return what the epochs of these runs are: "test" for logs, none of which counts epochs, since a test ends one."""
    started = [state.started for state in states if state.started is not None]
    return "test" if started and not any(each.names_epochs for each in started) else "epoch"


def time_after(seconds: float, *, is_log: bool) -> str:
    """Return the training time after a comma; nothing for a log without times."""
    return f", {duration(seconds)}" if seconds or not is_log else ""


def moment_blocks(
    labels: Sequence[str], states: Sequence[RunState], comparison: Comparison, width: int | None = None
) -> list[list[str]]:
    """Return tables of every metric at equal epochs, then at equal seconds; a `*` marks the best of each row."""
    noun, blocks = noun_of_epochs(states), []
    for name in comparison.metrics:
        by_epoch = {f"{at}": row for at, row in _thinned(comparison.by_epoch[name]).items()}
        blocks.append(_table(f"test {name} at equal {noun}s", noun, labels, by_epoch, width))
    for name, means in comparison.step_metrics.items():
        by_epoch = {f"{at}": row for at, row in _thinned(means).items()}
        blocks.append(_table(f"mean {printable(name)} of the steps at equal {noun}s", noun, labels, by_epoch, width))
    for name in comparison.metrics:
        by_seconds = {_moment(at): row for at, row in comparison.by_seconds[name].items()}
        blocks.append(_table(f"test {name} at equal seconds", "time", labels, by_seconds, width))
    return [block for block in blocks if block]


def _differences(labels: Sequence[str], values: Mapping[str, Sequence[Any]]) -> list[str]:
    """Return a line for each value of each run, since schedules are too long to be set side by side."""
    width = max(map(len, values), default=0)
    column = max(map(len, labels))
    lines = []
    for name, each in values.items():
        for index, (label, value) in enumerate(zip(labels, each, strict=True)):
            text = "; ".join(value) if isinstance(value, tuple) else MISSING if value is None else str(value)
            lines.append(f"  {name if not index else '':<{width}}  {label:<{column}}  {printable(text)}".rstrip())
    return lines


def _table(title: str, moment: str, labels: Sequence[str], rows: Mapping[str, Figures], width: int | None) -> list[str]:
    """Return a table with one column per run, split into several if they do not fit the width."""
    if not rows:
        return []
    columns = len(labels) if width is None else max(1, (width - 12) // 13)
    lines = [title]
    for begin in range(0, len(labels), columns):
        part = range(begin, min(begin + columns, len(labels)))
        headings = [Heading(moment, "."), *(Heading(labels[index], ".") for index in part)]
        cells = [[at, *(_marked(row, index) for index in part)] for at, row in rows.items()]
        lines += [f"  {line}" for line in table_lines(headings, cells)]
    return lines


def _marked(figures: Figures, index: int) -> str:
    return figure(figures.values[index]) + ("*" if index in figures.best else "")


def _thinned(rows: Mapping[int, Figures]) -> dict[int, Figures]:
    """Return about MAX_EPOCH_ROWS rows at round epochs, including the first and the last."""
    apart = next(size for size in _round_sizes() if len(rows) <= size * MAX_EPOCH_ROWS)
    last = max(rows, default=0)
    return {epoch: row for epoch, row in rows.items() if epoch % apart == 0 or epoch in (1, last)}


def _round_sizes() -> Iterable[int]:
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def _moment(seconds: float) -> str:
    return f"{seconds:g}s" if seconds < 1 else duration(seconds)


def result_block(labels: Sequence[str], states: Sequence[RunState], comparison: Comparison) -> list[str]:
    """Return a table of each run's last and best results."""
    noun = noun_of_epochs(states)
    headings = [Heading(""), Heading(noun, ".")]
    headings += [Heading(printable(name), ".") for name in comparison.metrics]
    for name in comparison.best:
        headings += [Heading(f"best {printable(name)}", "."), Heading(noun, ".")]
    averaged = any(state.last_averaged for state in states)
    if averaged:
        headings += [Heading(f"averaged {printable(name)}", ".") for name in comparison.metrics]
    rows = []
    for index, (label, state) in enumerate(zip(labels, states, strict=True)):
        row = [label, str(state.last_test.epoch) if state.last_test else MISSING]
        row += [_marked(comparison.final[name], index) for name in comparison.metrics]
        for name in comparison.best:
            epoch = comparison.best_epochs[name][index]
            row += [_marked(comparison.best[name], index), MISSING if epoch is None else str(epoch)]
        if averaged:
            row += [figure(metric_of(state.last_averaged, name)) for name in comparison.metrics]
        rows.append(row)
    if not comparison.metrics:
        return ["no test results yet"]
    return ["last and best results on the test set", *(f"  {line}" for line in table_lines(headings, rows))]
