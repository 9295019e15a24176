"""The feed of a log against a plain reference: its points by step in a dictionary."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_log import Item, MemoryLog, MemoryReader, points

from lrtui.run.event_json import event_from_json, event_to_json
from lrtui.run.events import StepDone
from lrtui.run.feed import Rewritten, StepBlock, SummaryBlock
from lrtui.run.log import Log
from lrtui.run.state import RunState
from lrtui.sources.log import FoundLog, LogFacts, Points, Restart
from lrtui.sources.log_feed import LogFeed
from lrtui.sources.recorded_log import RecordedLog

NAMES = ("train/loss", "lr", "val/loss", "val/accuracy", "epoch", "grad_norm")


def recorded(log: MemoryLog) -> RecordedLog:
    return RecordedLog(FoundLog("memory", Path("/logs/run.mem")), lambda: MemoryReader(log))


def read(log: RecordedLog) -> None:
    log.refresh(1.0)
    while not log.is_read:
        log.refresh(1.0)


def folded(feed: LogFeed, state: RunState | None = None, limit: int = 20_000) -> RunState:
    state = RunState() if state is None else state
    while items := feed.take(limit):
        state.fold(items)
    return state


def state_of(items: Sequence[Item], facts: LogFacts | None = None, in_full: int | None = None) -> RunState:
    """Return the state of a log that is read at once."""
    log = recorded(MemoryLog(list(items), facts))
    read(log)
    return folded(LogFeed(log, in_full))


def by_step(items: Sequence[Item]) -> dict[str, dict[int, float]]:
    """Return the points that are not superseded."""
    series: dict[str, dict[int, float]] = {}
    for item in items:
        if isinstance(item, Restart):
            series = {
                name: {step: value for step, value in values.items() if step < item.step}
                for name, values in series.items()
            }
            continue
        values = series.setdefault(item.name, {})
        for step, value in zip(item.steps.tolist(), item.values.tolist(), strict=True):
            for later in [known for known in values if known >= step]:
                del values[later]
            values[step] = value
    return {name: values for name, values in series.items() if values}


def assert_equal(state: RunState, expected: RunState) -> None:
    # the versions and the numbers of lines count those that were dropped as well
    for each in (state, expected):
        each.version, each.log = 0, Log(lines=each.log.lines, _needs_loss=each.log._needs_loss)
        each.waiting_for = ""
    assert state == expected


steps = st.lists(st.integers(0, 40), min_size=1, max_size=8)
number = st.one_of(st.just(math.nan), st.floats(0, 2, width=16))
item = st.one_of(
    st.builds(
        lambda name, at, values: points(name, at, values[: len(at)], [float(step) for step in at]),
        st.sampled_from(NAMES),
        steps,
        st.lists(number, min_size=8, max_size=8),
    ),
    st.builds(Restart, st.integers(0, 40)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(item, max_size=14), st.integers(1, 5), st.integers(1, 50))
def test_a_log_that_is_read_in_pieces_has_the_state_of_one_that_is_read_at_once(
    items: list[Item], most: int, limit: int
) -> None:
    memory = MemoryLog(items, most=most)
    log, state = recorded(memory), RunState()
    feed = LogFeed(log)
    while not log.is_read:
        log.refresh(1.0)
        state.fold(feed.take(limit))
    # what a series means may depend on when it is looked at
    log._meaning = None
    log.revision += 1
    folded(feed, state, limit)
    if any(isinstance(each, Points) for each in items) and by_step(items):
        assert_equal(state, state_of(items))


@settings(max_examples=100, deadline=None)
@given(st.lists(item, max_size=14))
def test_the_state_has_the_points_of_the_log(items: list[Item]) -> None:
    expected, state = by_step(items), state_of(items)
    if not expected:
        assert state.step == 0
        return
    last = max(max(values) for values in expected.values())
    assert (state.first_step, state.step) == (0, last + 1)
    log = recorded(MemoryLog(items))
    read(log)
    meaning = log.meaning
    losses = expected.get(meaning.loss or "", {})
    wanted = [losses.get(step, math.nan) for step in range(last + 1)]
    logged_nan = [step for step, value in losses.items() if math.isnan(value)]
    for step in logged_nan:
        wanted[step] = math.inf
    assert np.array_equal(state.loss.values, wanted, equal_nan=True)
    for group, name in enumerate(meaning.lrs):
        kept, lrs = math.nan, []
        for step in range(last + 1):
            value = expected.get(name, {}).get(step, math.nan)
            kept = kept if math.isnan(value) else value
            lrs.append(kept)
        assert np.array_equal(state.lrs[group].values, lrs, equal_nan=True)
    tests = {
        step for name in (meaning.test_loss, meaning.accuracy, *meaning.tests) for step in expected.get(name or "", {})
    }
    assert [result.step for result in state.evaluations] == sorted(tests)
    for result in state.evaluations:
        loss = expected.get(meaning.test_loss or "", {}).get(result.step)
        assert result.loss == loss or (loss is not None and math.isnan(loss))
    seconds = state.seconds.values
    assert (np.diff(seconds) >= 0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(300, 3_000), st.integers(1, 700), st.lists(st.integers(0, 3_000), max_size=4), st.integers(1, 60))
def test_summaries_have_the_values_of_the_steps(count: int, in_full: int, late: list[int], every: int) -> None:
    at = np.arange(0, count, every)
    values = np.cos(at / 50)
    items: list[Item] = [
        Points("train/loss", at, values, at * 0.5),
        Points("lr", at[::3].copy(), np.abs(values[::3]), at[::3] * 0.5),
        *(points("val/loss", [step], [0.5], [step * 0.5]) for step in sorted(late)),
    ]
    state, full = state_of(items, in_full=in_full), state_of(items)
    assert state.loss.known_from == max(0, len(full.loss) - max(256, in_full)) // 256 * 256
    whole = np.arange(0, len(full.loss) // 256 * 256 + 1, 256)
    for series, expected in zip(state._all_series, full._all_series, strict=True):
        assert len(series) == len(expected)
        got, wanted = series.summary(whole), expected.summary(whole)
        for name in ("low", "high", "count", "mean"):
            assert np.allclose(getattr(got, name), getattr(wanted, name), equal_nan=True)
    assert state.evaluations == full.evaluations
    assert state.epochs == full.epochs
    assert (state.step, state.elapsed, state.epoch, state.batch, state.current_lrs) == (
        *(full.step, full.elapsed, full.epoch, full.batch),
        full.current_lrs,
    )


def test_values_that_come_late_take_back_the_steps_after_them_only() -> None:
    memory = MemoryLog()
    memory.add("train/loss", range(1_000), [1.0] * 1_000)
    log = recorded(memory)
    read(log)
    feed = LogFeed(log)
    state = folded(feed)
    memory.add("val/loss", [899], [0.5])
    memory.add("train/loss", [1_000], [1.0])
    read(log)
    items = feed.take(20_000)
    assert items[0] == Rewritten(899, 899)
    assert sum(len(part) for part in items if isinstance(part, StepBlock)) == 102
    state.fold(items)
    assert_equal(state, state_of(memory.items))
    assert feed.take(10) == []


def test_values_that_change_among_the_summarized_steps_start_the_feed_again() -> None:
    memory = MemoryLog()
    memory.add("train/loss", range(3_000), [1.0] * 3_000)
    log = recorded(memory)
    read(log)
    feed = LogFeed(log, in_full=500)
    state = folded(feed)
    assert state.loss.known_from == 2_304
    memory.items.append(Restart(100))
    memory.add("train/loss", range(100, 200), [2.0] * 100)
    read(log)
    state.fold(feed.take(20_000))
    assert_equal(state, state_of(memory.items))
    assert state.step == 200


def test_a_jump_to_a_far_step_is_summarized() -> None:
    memory = MemoryLog()
    memory.add("train/loss", range(1_000), [1.0] * 1_000)
    log = recorded(memory)
    read(log)
    feed = LogFeed(log)
    state = folded(feed)
    memory.add("train/loss", [90_000_000], [2.0])
    read(log)
    items = feed.take(20_000)
    assert any(isinstance(part, SummaryBlock) for part in items)
    folded(feed, state, 100_000)
    state.fold(items)
    assert feed._next == 90_000_001


@pytest.mark.parametrize("steps", [[-5, -1, 7], [0, 10, 200_000_001], [2**62, 2**62 + 3, 2**62 + 4]])
def test_steps_that_are_no_positions_are_counted(steps: list[int]) -> None:
    state = state_of([points("train/loss", steps, [3.0, 2.0, 1.0]), points("val/loss", steps[1:2], [0.5])])
    assert state.loss.values.tolist() == [3.0, 2.0, 1.0]
    assert [result.step for result in state.evaluations] == [1]
    assert any("counted from 0" in line.text for line in state.log.lines)


def test_two_million_steps_far_apart_are_counted() -> None:
    at = np.arange(2_000_000) * 1_000
    state = state_of([Points("train/loss", at, np.ones(len(at)), at * 1.0)], in_full=50_000)
    assert state.step == 2_000_000
    assert state.loss.summary(np.array([0, 2_000_000])).count[0] == 2_000_000


def test_a_log_of_a_single_point_has_one_step() -> None:
    state = state_of([points("train/loss", [0], [2.0])])
    assert (state.step, state.loss.last, state.epoch) == (1, 2.0, 1)
    assert math.isnan(state.current_lrs[0])


def test_a_log_of_tests_only_has_their_results() -> None:
    state = state_of([points("val/loss", [10, 20], [1.0, 0.5]), points("val/accuracy", [10, 20], [50.0, 75.0])])
    assert [(test.step, test.loss, test.accuracy) for test in state.evaluations] == [(10, 1.0, 0.5), (20, 0.5, 0.75)]
    assert [done.epoch for done in state.epochs] == [1, 2]
    assert not state.loss.has_values


def test_sparse_lrs_of_three_groups_are_kept_up_to_the_next_value() -> None:
    items: list[Item] = [points(f"lr-Adam/pg{group}", [5, 50], [group / 10, group / 100]) for group in (1, 2, 3)]
    state = state_of([points("train/loss", range(0, 100, 10), [1.0] * 10), *items])
    assert state.current_lrs == (0.01, 0.02, 0.03)
    assert state.started is not None
    assert state.started.group_names == ("lr-Adam/pg1", "lr-Adam/pg2", "lr-Adam/pg3")
    assert state.started.group_lrs == (0.1, 0.2, 0.3)
    assert [series[49] for series in state.lrs] == [0.1, 0.2, 0.3]
    assert all(math.isnan(series[4]) for series in state.lrs)


def test_a_longer_interval_without_values_is_no_training_time() -> None:
    times = [*range(0, 100, 10), *range(50_000, 50_100, 10)]
    state = state_of([points("train/loss", range(20), [1.0] * 20, times)])
    assert state.elapsed == pytest.approx(190.0)


def test_a_log_that_starts_late_keeps_its_step_numbers() -> None:
    state = state_of([points("train/loss", range(500_000, 500_100), [1.0] * 100)])
    assert (state.first_step, state.step, len(state.loss)) == (500_000, 500_100, 100)


def test_facts_that_come_later_start_the_feed_again() -> None:
    memory = MemoryLog()
    memory.add("train/loss", range(20), [1.0] * 20)
    log = recorded(memory)
    read(log)
    feed = LogFeed(log)
    state = folded(feed)
    memory.facts = LogFacts(total_steps=100, batches_per_epoch=10, epochs=10)
    read(log)
    folded(feed, state)
    assert state.total_steps == 100
    assert (state.epoch, state.step) == (2, 20)
    assert_equal(state, state_of(memory.items, memory.facts))


def test_a_log_of_the_numbers_of_steps_done_has_no_step_more_than_its_total() -> None:
    items: list[Item] = [points("loss", range(10, 190, 10), [1.0] * 18), points("eval_loss", [90, 180], [0.5, 0.4])]
    facts = LogFacts(total_steps=180, batches_per_epoch=90, epochs=2, counts_from=1)
    state = state_of(items, facts)
    assert (state.step, state.total_steps, len(state.loss)) == (180, 180, 180)
    assert (state.loss[9], state.loss[179]) == (1.0, 1.0)
    assert [(test.step, test.epoch) for test in state.evaluations] == [(90, 1), (180, 2)]
    assert [(done.step, done.epoch) for done in state.epochs] == [(90, 1), (180, 2)]
    assert (state.epoch, state.batch) == (2, 89)
    # the counting from 1 is given up for a log that has a step 0
    assert state_of([*items, points("norm", [0], [1.0])], facts).step == 181


def test_steps_without_a_value_go_with_the_value_after_them() -> None:
    memory = MemoryLog([points("train/loss", [0, 5], [1.0, 2.0])])
    log = recorded(memory)
    read(log)
    feed = LogFeed(log)
    state = RunState()
    state.fold(feed.take(3))
    memory.items.append(Restart(5))
    read(log)
    folded(feed, state)
    assert (state.step, len(state.loss)) == (1, 1)


def test_a_log_with_an_epoch_series_names_epochs_and_has_their_length() -> None:
    loss, epochs = points("loss", range(0, 40, 2), [1.0] * 20), [step // 10 for step in range(0, 40, 2)]
    started = state_of([loss]).started
    assert started is not None
    assert not started.names_epochs
    state = state_of([loss, points("epoch", range(0, 40, 2), epochs)])
    assert state.started is not None
    assert (state.started.names_epochs, state.started.batches_per_epoch) == (True, 10)
    # one row per epoch has no length that could be drawn, but epochs
    state = state_of([points("val_loss", range(5), [1.0] * 5), points("epoch", range(5), range(5))])
    assert state.started is not None
    assert state.started.names_epochs
    assert event_from_json(event_to_json(state.started)).logs_epochs  # type: ignore[attr-defined]


def test_a_loss_of_nan_and_an_unknown_lr_are_so_in_the_lines_of_a_log() -> None:
    log = state_of([points("loss", [0, 1], [1.0, math.nan]), points("epoch", [0, 1], [0, 0])]).log
    assert [line.text for line in log.lines] == ["Train Epoch: 1 batch-0\tLoss: 1.000000"]
    log.add_event(StepDone(seq=2, step=1, seconds=0.0, epoch=1, batch=1, loss=math.inf, lrs=(math.nan,)))
    assert log.lines[-1].text == "Train Epoch: 1 batch-1\tLoss: nan"
