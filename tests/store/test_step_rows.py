"""The rows of steps are the same whether they were recorded one by one or in blocks, also of a resumed run."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recorded_runs import recorded_run
from store_runs import folded, ignore, new_recorder, stored
from waiting import SECONDS, wait_for

from lrtui.run.events import Event, RunStarted, StepDone
from lrtui.run.feed import StepBlock
from lrtui.run.minmax_pyramid import BLOCK
from lrtui.run.spec import RunSpec
from lrtui.run.step_blocks import block_of, in_blocks
from lrtui.store import recorder as recorder_module
from lrtui.store import run_rows
from lrtui.store.connection import open_for_reading
from lrtui.store.recorder import Recorder
from lrtui.store.rows import COLUMNS, RowMaker
from lrtui.store.step_rows import BlockSummaries
from lrtui.store.writer import Writer

VALUES = st.sampled_from([0.5, 0.1 + 0.2, -3.0, 0.0, 5e-324, 1e308, math.nan, math.inf, -math.inf])


@st.composite
def courses(draw: st.DrawFn) -> tuple[list[Event], int, list[int]]:
    """Return the events of a run whose metrics come and go, where it is resumed, and where its blocks are cut."""
    steps = draw(st.integers(1, 3 * BLOCK))
    added = draw(st.integers(1, steps))
    odd = draw(st.lists(VALUES, min_size=1, max_size=9))
    period = draw(st.integers(1, BLOCK + 3))
    events: list[Event] = []
    for event in recorded_run(steps, epochs=-(-steps // 50) + 1):
        if isinstance(event, StepDone):
            value = odd[event.step % len(odd)]
            metrics = {"sometimes": value} if (event.step // period) % 2 else {}
            if event.step % 3:
                metrics["often"] = float(event.step)
            lrs = (event.lrs[0], value) if event.step >= added else event.lrs
            event = replace(event, loss=value, lrs=lrs, metrics=metrics)
        events.append(event)
    return events, draw(st.integers(1, steps)), draw(st.lists(st.integers(1, 400), min_size=1, max_size=5))


def cut(events: Sequence[Event], lengths: Sequence[int]) -> list[Event | StepBlock]:
    """Return the events, with consecutive steps in blocks that are at most as long as these lengths in turn."""
    items: list[Event | StepBlock] = []
    turn = 0
    for item in in_blocks(events, 10**6):
        if not isinstance(item, StepBlock):
            assert isinstance(item, Event)
            items.append(item)
            continue
        start = 0
        while start < len(item):
            end = min(len(item), start + lengths[turn % len(lengths)])
            items.append(item.part(start, end))
            start, turn = end, turn + 1
    return items


def resumption(events: Sequence[Event], at: int) -> tuple[list[Event], int]:
    """Return the events of a run that continues a finished one after `at` steps, and the last seq that remains."""
    last = next(event.seq for event in events if isinstance(event, StepDone) and event.step == at - 1)
    started = next(event for event in events if isinstance(event, RunStarted))
    again = [event for event in events if event.seq > last]
    head = replace(started, step=at, resumed_from=at, resumed_seq=last)
    return [replace(event, seq=len(events) + place) for place, event in enumerate([head, *again])], last


def tables(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of the run, and the columns of its own row that its events set."""
    summary = "state, schedule, epoch, step, seconds, loss, test_loss, accuracy, best_accuracy, total_steps, spec"
    with closing(open_for_reading(folder)) as connection:
        found = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in COLUMNS}
        return found | {"runs": connection.execute(f"SELECT {summary} FROM runs").fetchall()}


def record(
    folder: Path, items: Sequence[Event | StepBlock], later: Sequence[Event | StepBlock], at: int, last: int
) -> None:
    """Record a run, then its continuation."""
    writer = Writer(folder, print)
    recorder = new_recorder(writer)
    for item in items:
        recorder.publish(item)
    assert recorder.commit(SECONDS)
    again = Recorder(recorder.run, writer, None, ignore, lambda c: run_rows.reopen_run(c, recorder.run, at, last))
    writer.add(again)
    for item in later:
        again.publish(item)
    assert again.commit(SECONDS)
    assert writer.close(SECONDS)


def plain_rows(events: Sequence[Event], run: int) -> dict[str, list[tuple[Any, ...]]]:
    """Return what SQLite stores of steps, one by one."""
    found: dict[str, list[tuple[Any, ...]]] = {"batches": [], "group_lrs": [], "step_metrics": []}

    def null(value: float) -> float | None:
        return None if math.isnan(value) else value

    for event in events:
        if isinstance(event, StepDone):
            found["batches"].append(
                (
                    *(run, event.seq, event.step, event.epoch, event.batch, event.seconds),
                    *(null(event.loss), int(math.isfinite(event.loss)), null(event.lrs[0]), 0),
                )
            )
            found["group_lrs"] += [(run, event.seq, group, null(lr)) for group, lr in enumerate(event.lrs) if group]
            known = sorted((name, value) for name, value in event.metrics.items() if not math.isnan(value))
            found["step_metrics"] += [(run, event.seq, name, value) for name, value in known]
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(courses())
def test_blocks_are_stored_like_single_steps(
    tmp_path_factory: pytest.TempPathFactory, course: tuple[list[Event], int, list[int]]
) -> None:
    events, at, lengths = course
    later, last = resumption(events, at)
    single, blocks = tmp_path_factory.mktemp("single"), tmp_path_factory.mktemp("blocks")
    record(single, events, later, at, last)
    record(blocks, cut(events, lengths), cut(later, lengths), at, last)
    found = tables(blocks)
    assert found == tables(single)
    for table, expected in plain_rows(later, 1).items():
        assert [row for row in found[table] if row[1] >= later[0].seq] == expected
    # each whole block of each series that has finite values, over the steps that are not superseded
    kept = [event for event in events if isinstance(event, StepDone) and event.step < at]
    kept += [event for event in later if isinstance(event, StepDone)]
    losses = np.array([event.loss for event in kept])
    summaries = {block: row for _, series, block, *row in found["blocks"] if series == "loss"}
    for block in range(len(kept) // BLOCK):
        finite = losses[block * BLOCK : (block + 1) * BLOCK]
        finite = finite[np.isfinite(finite)]
        if not len(finite):
            assert block not in summaries
            continue
        low, high, total, count = summaries.pop(block)
        assert (low, high, count) == (finite.min(), finite.max(), len(finite))
        assert total == pytest.approx(math.fsum(finite.tolist()) if abs(finite).max() < 1e300 else total)
    assert not summaries
    mine, theirs = stored(blocks), folded([*events, *later])
    assert (mine.loss, mine.seconds, mine.lrs, mine.metrics) == (
        theirs.loss,
        theirs.seconds,
        theirs.lrs,
        theirs.metrics,
    )


def test_many_runs_share_the_statements_of_a_transaction(tmp_path: Path) -> None:
    writer = Writer(tmp_path, print)
    recorders = [new_recorder(writer) for _ in range(40)]
    statements: list[str] = []
    writer.call(lambda connection: connection.set_trace_callback(statements.append))
    events = recorded_run(60, outcome="done")
    started = [each for each in events if not isinstance(each, StepDone)][:2]
    block = block_of([event for event in events if isinstance(event, StepDone)][:20])
    for recorder in recorders:
        for event in started:
            recorder.publish(event)
        recorder.publish(block)
    assert all(recorder.commit(SECONDS) for recorder in recorders)
    assert all(recorder.stored_seq == block.seqs[-1] for recorder in recorders)
    # as long as nothing else is to be written, a heartbeat is one statement for all runs
    writer.call(lambda _: statements.clear())
    writer._heartbeat_at = 0.0
    writer.wake()
    for _ in range(600):
        if any("heartbeat" in statement for statement in list(statements)):
            break
        writer.call(lambda _: None)
    assert sum("SET heartbeat" in statement for statement in statements) == 1
    assert sum("SELECT id, owner" in statement for statement in statements) <= 2
    assert writer.close(SECONDS)


def test_a_recording_that_lost_its_run_stops_alone(tmp_path: Path) -> None:
    writer = Writer(tmp_path, print)
    lost: list[str] = []
    runs = [writer.call(lambda c: run_rows.insert(c, RunSpec(), {}, owner="mine")) for _ in range(3)]
    recorders = [
        Recorder(run, writer, RowMaker(run, BlockSummaries()), ignore, owner="mine", lose=lost.append) for run in runs
    ]
    for recorder in recorders:
        writer.add(recorder)

    def take_over(connection: sqlite3.Connection) -> None:
        run_rows.update(connection, runs[0], owner="other")
        connection.execute("DELETE FROM runs WHERE id = ?", (runs[1],))

    writer.call(take_over)
    for recorder in recorders:
        for event in recorded_run(10):
            recorder.publish(event)
        recorder.commit(SECONDS)
    assert len(lost) == 2
    assert "was resumed" in lost[0]
    assert "was deleted" in lost[1]
    with closing(open_for_reading(tmp_path)) as connection:
        assert connection.execute("SELECT run, count(*) FROM batches GROUP BY run").fetchall() == [(runs[2], 10)]
    assert writer.close(SECONDS)


def test_many_runs_share_what_may_be_held_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "MAX_HELD_OF_ALL", 100)
    writer = Writer(tmp_path, ignore)
    recorders = [new_recorder(writer) for _ in range(4)]
    writer.call(lambda connection: connection.execute("PRAGMA query_only = 1").fetchone())
    events = recorded_run(60)
    for recorder in recorders:
        for item in cut(events, [10]):
            recorder.publish(item)
        recorder.commit(5)
    for recorder in recorders:
        wait_for(lambda it=recorder: not it._events)  # type: ignore[misc]
    assert all(20 <= sum(rows.event_count for rows in recorder.held) <= 25 for recorder in recorders)
    assert all(recorder.dropped >= 40 for recorder in recorders)
    # what was dropped is known as long as the process lives
    for recorder in recorders:
        writer.remove(recorder)
    assert writer.run_count == 4
    assert not writer.close(SECONDS)


def test_a_run_that_is_over_is_forgotten_once_it_is_written(tmp_path: Path) -> None:
    writer = Writer(tmp_path, ignore)
    first, second = new_recorder(writer), new_recorder(writer)
    for recorder in (first, second):
        for event in recorded_run(60, outcome="done"):
            recorder.publish(event)
        assert recorder.commit(SECONDS)
    writer.remove(first)
    assert writer.run_count == 1
    assert writer.is_idle
    assert writer.close(SECONDS)
