"""The events of a stored run fold to the same state as those of the live run."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from recorded_runs import recorded_run
from store_runs import folded, new_recorder, store_events, stored
from waiting import SECONDS

from lrtui.run.commands import EvaluateNow, Pause, Resume, ScaleLr, SwitchSchedule, UndoLr
from lrtui.run.events import CommandRefused, EvalDone, Event, RunFinished, RunStarted, StepDone
from lrtui.run.minmax_pyramid import BLOCK
from lrtui.run.state import RunState
from lrtui.store import run_rows
from lrtui.store.connection import open_for_reading
from lrtui.store.recorder import Recorder
from lrtui.store.rows import RowMaker
from lrtui.store.store_feed import StoreFeed
from lrtui.store.writer import Writer


def odd_run() -> list[Event]:
    """A run with every kind of event, whose losses, lrs and results include all kinds of numbers."""
    events = recorded_run(330, groups=2, nudge_at=130)
    odd = [math.nan, math.inf, -math.inf, 1e308, 5e-324, 0.1 + 0.2]
    for index, event in enumerate(events):
        if isinstance(event, StepDone) and event.step % 20 < len(odd):
            value = odd[event.step % 20]
            metrics = {"grad_norm": abs(value), "of some steps": value} if event.step > 60 else {}
            events[index] = replace(event, loss=value, lrs=(event.lrs[0], abs(value)), metrics=metrics)
        elif isinstance(event, EvalDone):
            metrics = {"f1": odd[index % 3], "top5": 0.5}
            events[index] = replace(event, loss=odd[index % 7], metrics=metrics)
    events.append(
        CommandRefused(seq=len(events), step=330, seconds=13.0, command="undo", reason="nothing 'to' undo\n→")
    )
    events.append(RunFinished(seq=len(events), step=330, seconds=13.0, outcome="diverged", error=None))
    return events


@pytest.mark.parametrize("in_full", [None, 10**6])
def test_folding_the_stored_events_equals_folding_the_live_feed(tmp_path: Path, in_full: int | None) -> None:
    events = odd_run()
    run = store_events(tmp_path, events)
    mine, theirs = stored(tmp_path, run, in_full), folded(events)
    for name in RunState.__dataclass_fields__:
        # NaN is not equal to itself, but its text is
        assert repr(getattr(mine, name)) == repr(getattr(theirs, name)), name
    assert (mine.loss, mine.seconds, mine.lrs) == (theirs.loss, theirs.seconds, theirs.lrs)
    assert mine.metrics == theirs.metrics
    assert list(mine.metrics) == ["grad_norm", "of some steps"]
    assert np.isinf(mine.metrics["of some steps"].values).sum() > 0
    assert np.isinf(mine.loss.values).sum() == 2 * np.isnan(mine.loss.values).sum() > 0


def test_real_runs_are_stored_completely(tmp_path: Path) -> None:
    from training_runs import run_events, tiny_spec

    script = {
        2: [Pause(), ScaleLr(0.5), Resume()],
        5: [EvaluateNow(), UndoLr(), UndoLr()],
        9: [SwitchSchedule("SWALR(swa_lr=0.001)", "current")],
    }
    spec = tiny_spec(optimizer='SGD(lr=0.1, groups={"0.*": {"lr": 0.01}})', at=("step 14: lr*2", "epoch 3: evaluate"))
    events = run_events(spec, script)
    assert {type(event).__name__ for event in events} >= {"LrSet", "CommandRefused", "ScheduleSwitched", "Notice"}
    run = store_events(tmp_path, events, spec)
    assert stored(tmp_path, run) == folded(events)


def test_a_feed_follows_a_live_run(tmp_path: Path) -> None:
    events = recorded_run(500, groups=2, nudge_at=130)
    writer = Writer(tmp_path, print)
    recorder = new_recorder(writer)
    connection = open_for_reading(tmp_path)
    feed, state = StoreFeed(connection, recorder.run), RunState()
    for number, event in enumerate(events):
        recorder.publish(event)
        if number % 37 == 0:
            assert recorder.commit(SECONDS)
            while story := feed.take(limit=20):
                state.fold(story)
            assert state == folded(events[: number + 1])
    assert recorder.commit(SECONDS)
    state.fold(feed.take())
    assert state == folded(events)
    assert feed.take() == []
    connection.close()
    assert writer.close(SECONDS)


def long_run(steps: int) -> list[Event]:
    """A run of many steps with one spike."""
    return [
        replace(event, loss=99.0) if isinstance(event, StepDone) and event.step == 4321 else event
        for event in recorded_run(steps, epochs=-(-steps // 50) + 1)
    ]


def with_metrics(event: Event) -> Event:
    """Add a metric of every step, one that starts late and one of every third step."""
    if not isinstance(event, StepDone):
        return event
    metrics = {"grad_norm": 1.0 + event.step % 7}
    if event.step >= 5000:
        metrics["late"] = float(event.step)
    if event.step % 3 == 0:
        metrics["third"] = event.loss
    return replace(event, metrics=metrics)


def test_metrics_of_a_long_run_are_summarized_like_the_loss(tmp_path: Path) -> None:
    events = list(map(with_metrics, long_run(9000)))
    run = store_events(tmp_path, events)
    mine, theirs = stored(tmp_path, run, in_full=1000), folded(events)
    assert sorted(mine.metrics) == sorted(theirs.metrics) == ["grad_norm", "late", "third"]
    edges = np.linspace(0, 9000, 5).astype(np.int64)
    for name, series in mine.metrics.items():
        assert (len(series), series.known_from) == (9000, 7936)
        ours, exact = series.summary(edges), theirs.metrics[name].summary(edges)
        np.testing.assert_array_equal([ours.low, ours.high, ours.count], [exact.low, exact.high, exact.count])
        np.testing.assert_allclose(ours.mean, exact.mean)
        np.testing.assert_array_equal(series.values, theirs.metrics[name].values[7936:])


def reopened(recorder: Recorder, writer: Writer, step: int, seq: int) -> Recorder:
    """Return the recorder of a stored run that is resumed."""

    def reopen(connection: sqlite3.Connection) -> RowMaker:
        return run_rows.reopen_run(connection, recorder.run, step, seq)

    again = Recorder(recorder.run, writer, None, print, reopen)
    writer.add(again)
    return again


def resumed(events: list[Event], at: int, edit: Callable[[Event], Event] = with_metrics) -> tuple[list[Event], int]:
    """Return the events of a finished run that was resumed from an earlier step, and the last seq that remains."""
    started = next(event for event in events if isinstance(event, RunStarted))
    last = next(event.seq for event in events if isinstance(event, StepDone) and event.step == at - 1)
    again = [event for event in events if event.seq > last and event.step >= at - 1]
    told = [replace(started, step=at, seconds=at * 0.04, resumed_from=at, resumed_seq=last), *map(edit, again)]
    return [replace(event, seq=len(events) + index) for index, event in enumerate(told)], last


@pytest.mark.parametrize("metrics_after", [with_metrics, lambda event: event], ids=["with metrics", "without"])
def test_metrics_of_superseded_steps_are_left_out(tmp_path: Path, metrics_after: Callable[[Event], Event]) -> None:
    events = list(map(with_metrics, recorded_run(700, epochs=20)))
    events = [
        replace(event, metrics={**event.metrics, "void": 1.0})
        if isinstance(event, StepDone) and event.step >= 650
        else event
        for event in events
    ]
    bare = [replace(event, metrics={}) if isinstance(event, StepDone) else event for event in events]
    later, last = resumed(bare, 600, metrics_after)
    writer = Writer(tmp_path, print)
    recorder = new_recorder(writer)
    for event in events:
        recorder.publish(event)
    assert recorder.commit(SECONDS)
    second = reopened(recorder, writer, 600, last)
    for event in later:
        second.publish(event)
    assert second.commit(SECONDS)
    assert writer.close(SECONDS)
    theirs = folded([*events, *later])
    mine = stored(tmp_path, recorder.run)
    assert mine.metrics == theirs.metrics
    assert list(mine.metrics) == ["grad_norm", "third"]
    assert len(mine.metrics["third"]) == len(mine.loss) == 700
    summed = stored(tmp_path, recorder.run, in_full=100).metrics
    edges = np.array([0, 256, 512, 700])
    for name, series in theirs.metrics.items():
        np.testing.assert_allclose(summed[name].summary(edges).mean, series.summary(edges).mean)
        np.testing.assert_array_equal(summed[name].summary(edges).count, series.summary(edges).count)


def test_a_run_without_metrics_has_no_metric_rows(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(300))
    connection = open_for_reading(tmp_path)
    assert connection.execute("SELECT count(*) FROM step_metrics").fetchone() == (0,)
    connection.close()


def test_a_long_run_is_summarized_except_for_its_newest_steps(tmp_path: Path) -> None:
    events = long_run(9000)
    run = store_events(tmp_path, events)
    mine, theirs = stored(tmp_path, run, in_full=1000), folded(events)
    assert mine.loss.known_from == mine.seconds.known_from == mine.lrs[0].known_from == 7936
    assert len(mine.loss) == len(theirs.loss) == 9000
    assert (mine.step, mine.epoch, mine.batch) == (theirs.step, theirs.epoch, theirs.batch)
    assert mine.evaluations == theirs.evaluations
    assert (mine.current_lrs, mine.best, mine.elapsed) == (theirs.current_lrs, theirs.best, theirs.elapsed)
    edges = np.linspace(0, 9000, 5).astype(np.int64)
    for ours, exact in ((mine.loss, theirs.loss), (mine.lrs[0], theirs.lrs[0])):
        low, high = ours.summary(edges), exact.summary(edges)
        np.testing.assert_array_equal([low.low, low.high, low.count], [high.low, high.high, high.count])
        np.testing.assert_allclose(low.mean, high.mean)
    assert mine.loss.summary(edges).high.max() == 99.0


def test_a_live_run_is_summarized_like_a_finished_one(tmp_path: Path) -> None:
    events = long_run(3000)
    writer = Writer(tmp_path, print)
    recorder = new_recorder(writer)
    for event in events:
        recorder.publish(event)
    assert recorder.commit(SECONDS)
    connection = open_for_reading(tmp_path)
    feed, state = StoreFeed(connection, recorder.run, in_full=300), RunState()
    state.fold(feed.take())
    assert (len(state.loss), state.loss.known_from) == (3000, 2560)
    later = StepDone(seq=len(events), step=3000, seconds=999.0, epoch=61, batch=0, loss=0.5, lrs=(0.25,))
    recorder.publish(later)
    assert recorder.commit(SECONDS)
    state.fold(feed.take())
    assert (state.step, state.loss.last, state.current_lrs) == (3001, 0.5, (0.25,))
    connection.close()
    assert writer.close(SECONDS)


def resumed_pieces(cuts: list[tuple[int, int]], steps: int) -> list[list[Event]]:
    """Return the events of a run that was stopped and resumed several times, a list for each process.

    Args:
        cuts: steps done when a process ended, and those at the checkpoint that the next one started from.
    """
    whole = list(map(with_metrics, recorded_run(steps, epochs=-(-steps // 50) + 1, nudge_at=40)))
    started = next(event for event in whole if isinstance(event, RunStarted))
    after = {event.step: index for index, event in enumerate(whole) if isinstance(event, StepDone)}
    seqs: dict[int, int] = {}
    pieces: list[list[Event]] = []
    count, begin = 0, 0
    for number in range(len(cuts) + 1):
        head: list[Event] = []
        if number:
            at = cuts[number - 1][1]
            begin = after[at - 1] + 1
            head = [replace(started, step=at, seconds=at * 0.04, resumed_from=at, resumed_seq=seqs[at - 1])]
        end = after[cuts[number][0] - 1] + 1 if number < len(cuts) else len(whole)
        piece = [replace(event, seq=count + index) for index, event in enumerate([*head, *whole[begin:end]])]
        seqs |= {event.step: event.seq for event in piece if isinstance(event, StepDone)}
        pieces.append(piece)
        count += len(piece)
    return pieces


@st.composite
def stops_and_resumes(draw: st.DrawFn) -> tuple[list[tuple[int, int]], int]:
    steps = draw(st.integers(300, 1500))
    cuts: list[tuple[int, int]] = []
    at = 0
    for _ in range(draw(st.integers(0, 3))):
        stopped = draw(st.integers(max(at, 1), steps))
        at = draw(st.integers(1, stopped))
        cuts.append((stopped, at))
    return cuts, steps


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stops_and_resumes(), st.sampled_from([None, 0, 100, 700]))
@example(([(1400, 100)], 1500), 100)
@example(([(700, 300), (600, 512)], 1024), 0)
def test_folding_the_store_equals_folding_the_live_feed_of_a_resumed_and_summarized_run(
    tmp_path_factory: pytest.TempPathFactory, course: tuple[list[tuple[int, int]], int], in_full: int | None
) -> None:
    cuts, steps = course
    folder = tmp_path_factory.mktemp("store")
    pieces = resumed_pieces(cuts, steps)
    writer = Writer(folder, print)
    recorder = new_recorder(writer)
    for number, piece in enumerate(pieces):
        start = next(event for event in piece if isinstance(event, RunStarted))
        if number:
            recorder = reopened(recorder, writer, start.step, start.resumed_seq or 0)
        for event in piece:
            recorder.publish(event)
        assert recorder.commit(SECONDS)
    assert writer.close(SECONDS)
    mine, theirs = stored(folder, recorder.run, in_full), folded(event for piece in pieces for event in piece)
    for name in (
        "status", "started", "first_step", "step", "epoch", "batch", "elapsed", "evaluations", "epochs", "changes",
        "commands", "answered", "schedule", "scale", "current_lrs",
    ):  # fmt: skip
        assert getattr(mine, name) == getattr(theirs, name), name
    edges = np.array([*range(0, steps, BLOCK), steps])
    ours, exact = ([state.loss, state.seconds, *state.lrs, *state.metrics.values()] for state in (mine, theirs))
    assert list(mine.metrics) == list(theirs.metrics)
    for stored_series, live_series in zip(ours, exact, strict=True):
        assert len(stored_series) == len(live_series) == steps
        found, expected = stored_series.summary(edges), live_series.summary(edges)
        for column in ("low", "high", "count"):
            np.testing.assert_array_equal(getattr(found, column), getattr(expected, column))
        np.testing.assert_allclose(found.mean, expected.mean)


def test_a_run_of_52000_steps_that_was_resumed_at_1000_has_all_its_losses(tmp_path: Path) -> None:
    first, second = resumed_pieces([(1_000, 1_000)], 52_000)
    writer = Writer(tmp_path, print)
    recorder = new_recorder(writer)
    for event in first:
        recorder.publish(event)
    assert recorder.commit(SECONDS)
    start = next(event for event in second if isinstance(event, RunStarted))
    recorder = reopened(recorder, writer, 1_000, start.resumed_seq or 0)
    for event in second:
        recorder.publish(event)
    assert recorder.commit(SECONDS)
    assert writer.close(SECONDS)
    for in_full in (50_000, 0):
        assert len(stored(tmp_path, recorder.run, in_full).loss) == 52_000
