"""What a log says about its run: its steps, times, epochs and tests. It is computed again when the log changes."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from lrtui.run.events import EpochDone, EvalDone, Event, Notice, RunStarted
from lrtui.run.source import run_started
from lrtui.sources.log_epochs import LogEpochs, epochs_of, known_epochs
from lrtui.sources.placed_values import PlacedValues
from lrtui.sources.step_axis import StepAxis, axis_of
from lrtui.sources.training_time import training_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from lrtui.sources.log import LogFacts
    from lrtui.sources.meaning import Meaning
    from lrtui.sources.recorded_log import RecordedLog
    from lrtui.sources.recorded_series import RecordedSeries

MAX_TESTS = 20_000
"""Maximum number of tests; the values of more are those of steps."""


@dataclass(frozen=True, slots=True)
class LogContents:
    """The run of a log. Its steps are positions from 0 on; values that change only as the log grows are `identity`.

    Args:
        axis: where the logged steps stand.
        started: the first event.
        events: the tests, the ends of epochs and notices in order, each with the position of the step that it follows.
        epochs: the epochs.
        loss: the training loss.
        seconds: the training time.
        lrs: the lr of each parameter group.
        metrics: the further series, by name.
        identity: if it differs, all items of a feed do.
    """

    axis: StepAxis
    started: RunStarted
    events: tuple[tuple[int, Event], ...]
    epochs: LogEpochs
    loss: PlacedValues
    seconds: PlacedValues
    lrs: tuple[PlacedValues, ...]
    metrics: Mapping[str, PlacedValues]
    identity: tuple[object, ...]

    def events_before(self, place: int) -> int:
        """Return the number of events that follow a step before this one."""
        return bisect_left(self.events, place, key=itemgetter(0))

    def seq_of_step(self, place: int) -> int:
        """Return the `seq` of a step."""
        return 1 + place + self.events_before(place)

    def first_difference(self, events: Sequence[tuple[int, Event]], epochs: LogEpochs) -> int | None:
        """Return the position of the first step after which an event is another one, or whose epoch is.

        Args:
            events: the earlier events with their positions.
            epochs: the earlier epochs.

        Returns:
            None if all are the same.
        """
        both = min(len(self.events), len(events))
        different = next((at for at in range(both) if self.events[at] != events[at]), both)
        places = [max(0, each[different][0]) for each in (self.events, events) if different < len(each)]
        places += [place for place in (self.epochs.first_difference(epochs),) if place is not None]
        return min(places, default=None)


def contents_of(log: RecordedLog) -> LogContents:
    """Return what a log says about its run; it has at least one point."""
    meaning, used = log.meaning, {series.name: series for series in log.used}
    axis = axis_of((series.steps for series in used.values()), log.facts.counts_from)
    placed = _Placed(axis, used)
    tests = _test_names(meaning, used)
    is_too_often = sum(len(used[name]) for name in tests) > MAX_TESTS and len(_union(used, tests)) > MAX_TESTS
    if is_too_often:
        tests = []
    clock = _clock(meaning, used)
    seconds = PlacedValues(axis.indices(clock.steps), training_seconds(clock.times), is_kept=True, before=0.0)
    if not axis.count:
        raise ValueError("a log without points has no contents")
    lrs = tuple(placed.lr(name) for name in meaning.lrs if name in used) or (placed.kept_none(),)
    length = log.facts.batches_per_epoch or None
    main = [name for name in (meaning.test_loss, meaning.accuracy) if name in tests] or tests[:1]
    logged = placed.of(meaning.epoch)
    epochs = epochs_of(
        axis.indices(_union(used, main)),
        logged,
        is_whole=_is_whole(logged),
        length=None if axis.is_counted else length,
        first=axis.first + axis.shift,
    )
    started = _started(log, axis, lrs)
    started = replace(started, logs_epochs=bool(length) or bool(known_epochs(logged).any()))
    roles = {meaning.loss, meaning.epoch, *meaning.lrs, *tests}
    names = [name for name in used if name not in roles]
    contents = LogContents(
        axis=axis,
        started=started,
        events=(),
        epochs=epochs,
        loss=placed.loss(meaning.loss),
        seconds=seconds,
        lrs=lrs,
        metrics={name: placed.of(name) for name in names},
        identity=(
            log.generation,
            axis.first,
            axis.shift,
            axis.is_counted,
            started,
            (meaning.loss, meaning.lrs, is_too_often),
            clock.name,
            float(clock.times[0]) if math.isfinite(clock.times[0]) else None,
        ),
    )
    events = _tests(contents, meaning, used, tests, main)
    return replace(contents, events=tuple(_with_seqs(contents, events)))


class _Placed:
    """Gives the values of series their positions."""

    def __init__(self, axis: StepAxis, used: Mapping[str, RecordedSeries]) -> None:
        self._axis, self._used = axis, used

    def of(self, name: str | None) -> PlacedValues:
        """Return the values of a series; none if it has none."""
        series = self._used.get(name or "")
        return PlacedValues.none() if series is None else PlacedValues(self._axis.indices(series.steps), series.values)

    def loss(self, name: str | None) -> PlacedValues:
        """Return the losses; a NaN that was logged is infinite, since NaN stands for a step without a loss."""
        loss = self.of(name)
        is_nan = np.isnan(loss.values)
        return replace(loss, values=np.where(is_nan, np.inf, loss.values)) if is_nan.any() else loss

    def lr(self, name: str) -> PlacedValues:
        """Return the lrs of a parameter group, which hold up to the next one."""
        lrs = self.of(name)
        known = ~np.isnan(lrs.values)
        if known.all():
            return replace(lrs, is_kept=True)
        return PlacedValues(lrs.places[known], lrs.values[known], is_kept=True)

    def kept_none(self) -> PlacedValues:
        return replace(PlacedValues.none(), is_kept=True)


def _is_whole(logged: PlacedValues) -> bool:
    finite = logged.values[np.isfinite(logged.values)]
    return bool((finite == np.rint(finite)).all())


def _test_names(meaning: Meaning, used: Mapping[str, RecordedSeries]) -> list[str]:
    roles = [name for name in (meaning.test_loss, meaning.accuracy) if name is not None and name in used]
    return [*roles, *(name for name in used if name in meaning.tests)]


def _union(used: Mapping[str, RecordedSeries], names: Sequence[str]) -> NDArray[np.int64]:
    return np.unique(np.concatenate([np.empty(0, np.int64), *(used[name].steps for name in names)]))


def _clock(meaning: Meaning, used: Mapping[str, RecordedSeries]) -> RecordedSeries:
    """Return the series whose times are the run's: that of the loss, or of the lr, or the one with the most points."""
    for name in (meaning.loss, *meaning.lrs, meaning.test_loss):
        if name is not None and name in used:
            return used[name]
    return max(used.values(), key=len)


def _started(log: RecordedLog, axis: StepAxis, lrs: Sequence[PlacedValues]) -> RunStarted:
    facts, length = log.facts, None if axis.is_counted else log.epoch_length
    names = [name for name in log.meaning.lrs if name in log.series and len(log.series[name])]
    event = run_started(
        total_steps=None if axis.is_counted else _total_steps(facts),
        batches_per_epoch=length or 1,
        spec=log.spec,
        group_names=names if len(names) > 1 else ("all",),
        group_lrs=[float(each.values[0]) if len(each.values) else math.nan for each in lrs],
    )
    return replace(event, step=axis.first)


def _total_steps(facts: LogFacts) -> int | None:
    if facts.total_steps:
        return facts.total_steps
    return facts.epochs * facts.batches_per_epoch if facts.epochs and facts.batches_per_epoch else None


def _tests(
    contents: LogContents,
    meaning: Meaning,
    used: Mapping[str, RecordedSeries],
    names: Sequence[str],
    main: Sequence[str],
) -> list[Event]:
    """Return the notices, then the tests and the ends of epochs in order, without their `seq`."""
    events: list[Event] = []
    if contents.axis.is_counted:
        text = "The steps of this log are negative, too large or too far apart: those with a value are counted from 0."
        events.append(Notice(seq=0, step=0, seconds=0.0, level="info", code="counted-steps", text=text))
    if not names:
        return events
    steps = _union(used, names)
    places = contents.axis.indices(steps)
    results: list[dict[str, float]] = [{} for _ in range(len(steps))]
    for name in names:
        series = used[name]
        scale = meaning.accuracy_scale if name == meaning.accuracy else 1.0
        for at, value in zip(np.searchsorted(steps, series.steps).tolist(), series.values.tolist(), strict=True):
            # one object stands for all NaN: results with it are equal
            results[at][name] = value * scale if value == value else math.nan
    ended = dict(zip(contents.axis.indices(_union(used, main)).tolist(), contents.epochs.ended.tolist(), strict=True))
    columns = (
        places.tolist(),
        contents.seconds.at(places).tolist(),
        contents.epochs.epochs(places).tolist(),
        results,
        zip(*(group.at(places).tolist() for group in contents.lrs), strict=True),
    )
    # the number of steps done, if that is what the log counts
    first = contents.axis.first + contents.axis.shift
    for place, seconds, epoch, values, lrs in zip(*columns, strict=True):
        at = {"seq": 0, "step": first + place, "seconds": seconds}
        ends = ended.get(place, 0)
        events.append(
            EvalDone(
                **at,
                epoch=ends or epoch,
                loss=values.pop(meaning.test_loss, None) if meaning.test_loss else None,
                accuracy=values.pop(meaning.accuracy, None) if meaning.accuracy else None,
                metrics=values,
                seconds_taken=0.0,
            )
        )
        if ends:
            lrs = tuple(lr if lr == lr else math.nan for lr in lrs)
            events.append(EpochDone(**at, epoch=ends, lrs=lrs, samples_per_second=math.nan))
    return events


def _with_seqs(contents: LogContents, events: Sequence[Event]) -> list[tuple[int, Event]]:
    """Return the events with their `seq`, which counts the steps before them as well, and their positions."""
    placed = []
    for number, event in enumerate(events):
        place = -1 if isinstance(event, Notice) else event.step - contents.axis.first - contents.axis.shift
        placed.append((place, replace(event, seq=2 + place + number)))
    return placed
