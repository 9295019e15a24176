from __future__ import annotations

import math
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest
from recorded_runs import recorded_run
from store_runs import folded, new_recorder, store_events, stored
from waiting import SECONDS

from lrtui import plugins
from lrtui.run.commands import Pause
from lrtui.run.errors import LrtuiError
from lrtui.run.events import EvalDone, StepDone
from lrtui.run.feed import ListFeed
from lrtui.run.source import SOURCES, RunId, RunSource, RunSummary, run_started
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.store import source as source_module
from lrtui.store.connection import open_for_writing
from lrtui.store.filters import read_filters
from lrtui.store.location import DATABASE
from lrtui.store.run_rows import reopen_run
from lrtui.store.source import LR_SAMPLES, StoreSource, open_source
from lrtui.store.writer import Writer


class OneRun(RunSource):
    """A log of three steps."""

    name = "losses.csv"

    def runs(self) -> Sequence[RunSummary]:
        return [RunSummary(id=RunId(self.name, "losses"), step=3)]

    def feed(self, key: int | str) -> ListFeed:
        steps = [
            StepDone(seq=1 + i, step=i, seconds=0.1 * i, epoch=1, batch=i, loss=2.0 - i, lrs=(0.01,)) for i in range(3)
        ]
        return ListFeed([run_started(total_steps=3), *steps])


def open_one_run(_: RunSpec) -> OneRun:
    return OneRun()


def open_nothing(_: RunSpec) -> None:
    """A source that has nothing to show."""


def test_the_store_lists_its_runs_newest_first(tmp_path: Path) -> None:
    for schedule in ("StepLR(1)", "StepLR(2)"):
        store_events(
            tmp_path, recorded_run(120, outcome="stopped", schedule=schedule), RunSpec(schedule=schedule, name="x")
        )
    source = StoreSource(tmp_path)
    runs = source.runs()
    assert [run.id for run in runs] == [RunId(str(tmp_path), 2), RunId(str(tmp_path), 1)]
    assert [(run.state, run.name, run.step, run.epochs_done) for run in runs] == [("stopped", "x", 120, 2)] * 2
    assert "it has no checkpoint to be resumed from" in runs[0].read_only
    checkpoints = tmp_path / "checkpoints" / "2"
    checkpoints.mkdir(parents=True)
    (checkpoints / "0000000151-step-120.pt").touch()
    assert "lrtui resume 2" in StoreSource(tmp_path).runs()[0].read_only
    # the same object while nothing has changed
    assert source.runs() is runs
    store_events(tmp_path, recorded_run(10))
    assert len(source.runs()) == 3
    source.close()


def test_a_summary_has_the_lrs_of_the_run_so_far(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(330))
    store_events(tmp_path, recorded_run(3))
    store_events(tmp_path, recorded_run(0))
    none, short, long = (run.lrs for run in StoreSource(tmp_path).runs())
    assert none == ()
    assert set(short) == {0.01}
    # halved after each of six epochs
    assert len(long) == LR_SAMPLES
    assert sorted(set(long), reverse=True) == [0.01 * 0.5**epoch for epoch in range(7)]
    assert list(long) == sorted(long, reverse=True)


def test_superseded_steps_are_not_in_the_lrs_of_a_summary(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(330))
    connection = open_for_writing(tmp_path)
    connection.execute("UPDATE batches SET superseded = 1 WHERE step >= 100")
    connection.close()
    (run,) = StoreSource(tmp_path).runs()
    assert set(run.lrs) == {0.01, 0.005}


def test_ids_of_two_stores_do_not_collide(tmp_path: Path) -> None:
    ids = set()
    for name in ("a", "b"):
        store_events(tmp_path / name, recorded_run(10))
        ids |= {run.id for run in StoreSource(tmp_path / name).runs()}
    assert len(ids) == 2
    assert {str(each) for each in ids} == {"#1"}


def test_the_feed_of_a_stored_run_adds_up_to_the_run(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(300))
    source = StoreSource(tmp_path)
    source.runs()
    state = RunState()
    state.fold(source.feed(1).take(10_000))
    assert state == stored(tmp_path)


def test_a_store_can_be_missing_deleted_or_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    source = StoreSource(folder)
    assert list(source.runs()) == []
    store_events(folder, recorded_run(10))
    store_events(folder, recorded_run(10))
    assert len(source.runs()) == 2
    shutil.rmtree(folder)
    assert list(source.runs()) == []
    store_events(folder, recorded_run(10))
    assert len(source.runs()) == 1


def test_a_run_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    for _ in range(2):
        store_events(tmp_path, recorded_run(10))
    connection = sqlite3.connect(tmp_path / DATABASE)
    connection.execute("UPDATE runs SET spec = '{\"epochs\": 0}' WHERE id = 1")
    connection.commit()
    connection.close()
    source = StoreSource(tmp_path)
    assert [run.id.key for run in source.runs()] == [2]
    assert source.trouble.startswith("run #1 can't be read")


def test_filters_read_the_columns_of_a_summary(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(120, outcome="stopped"))
    (stored_run,) = StoreSource(tmp_path).runs()
    (unknown,) = OneRun().runs()
    (least_steps,) = read_filters(["step>=100"])
    (batch_size,) = read_filters(["batch_size=64"])
    assert [least_steps.matches_value(run.value("step")) for run in (stored_run, unknown)] == [True, False]
    assert [batch_size.matches_value(run.value("batch_size")) for run in (stored_run, unknown)] == [True, False]


def test_a_command_for_a_run_that_is_over_is_refused(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(10, outcome="done"))
    with pytest.raises(LrtuiError, match="is done and takes no commands"):
        StoreSource(tmp_path).send(1, Pause())


def test_nothing_is_shown_of_a_store_that_records_nothing() -> None:
    assert open_source(RunSpec(store="none")) is None


def test_a_source_of_another_package_needs_its_runs_and_their_feeds(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        metadata.EntryPoint(name, f"{__name__}:{attribute}", SOURCES)
        for name, attribute in (("losses", "open_one_run"), ("empty", "open_nothing"), ("broken", "missing"))
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: metadata.EntryPoints(points).select(group=group))
    sources, trouble = plugins.open_sources(RunSpec(store="none"))
    (source,) = sources
    assert [text.partition(" can't be opened")[0] for text in trouble] == ["The run source broken"]
    (run,) = source.runs()
    state = folded(source.feed(run.id.key).take(100))  # type: ignore[arg-type]
    assert (state.step, state.loss.values.tolist()) == (3, [2.0, 1.0, 0.0])
    assert str(run.id) == "losses"
    with pytest.raises(LrtuiError, match="take no commands"):
        source.send(run.id.key, Pause())


def test_a_source_with_the_name_of_another_one_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        metadata.EntryPoint(name, f"{__name__}:{attribute}", SOURCES)
        for name, attribute in (("store", "open_one_run"), ("losses", "open_one_run"), ("losses", "open_nothing"))
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda *, group: metadata.EntryPoints(points).select(group=group))
    sources, trouble = plugins.open_sources(RunSpec(store="none"))
    assert [source.name for source in sources] == ["losses.csv"]
    assert trouble == [
        f"The run source store ({__name__}:open_one_run) is ignored: lrtui.store.source:open_source has the same name",
        f"The run source losses ({__name__}:open_nothing) is ignored: {__name__}:open_one_run has the same name",
    ]


@pytest.mark.parametrize("name", ["accuracy", "loss"])
def test_only_a_finite_result_is_the_best_of_a_stored_run(tmp_path: Path, name: str) -> None:
    odd = {1: math.nan, 2: 0.5, 3: math.inf, 4: -math.inf, 5: 0.6}
    events = [
        replace(event, **{"accuracy": None, name: odd[event.epoch]}) if isinstance(event, EvalDone) else event
        for event in recorded_run(250, outcome="stopped")
    ]
    store_events(tmp_path, events)
    (run,) = StoreSource(tmp_path).runs()
    assert run.best == (0.6 if name == "accuracy" else 0.5)
    assert run.columns["best_epoch"] == (5 if name == "accuracy" else None)
    with closing(open_for_writing(tmp_path)) as connection:
        # as a resume does
        reopen_run(connection, 1, 150, 10_000)
        connection.commit()
    (run,) = StoreSource(tmp_path).runs()
    assert run.best == (0.6 if name == "accuracy" else 0.5)


def test_the_progress_of_live_runs_is_read_like_whole_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "CURVES_A_READING", 2)
    writer = Writer(tmp_path, print)
    recorders = [new_recorder(writer, RunSpec(name=f"run {number}")) for number in range(5)]
    runs = [recorded_run(150, nudge_at=20 + number, outcome="done") for number in range(5)]
    source = StoreSource(tmp_path)
    for end in (1, 2, 30, 80, 110, 120, None):
        for recorder, events in zip(recorders, runs, strict=True):
            for event in events[:end]:
                if event.seq > recorder.stored_seq:
                    recorder.publish(event)
            assert recorder.commit(SECONDS)
        whole_rows = StoreSource(tmp_path)
        mine, theirs = source.runs(), whole_rows.runs()
        # the curves of live runs are read in turn
        assert [replace(run, lrs=()) for run in mine] == [replace(run, lrs=()) for run in theirs]
        whole_rows.close()
    assert [run.lrs for run in mine] == [run.lrs for run in theirs]
    assert {run.state for run in mine} == {"done"}
    source.close()
    assert writer.close(SECONDS)


def test_whoever_watches_a_large_store_gets_its_newest_runs_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "NEW_RUNS_A_READING", 3)
    writer = Writer(tmp_path, print)
    for _ in range(8):
        new_recorder(writer)
    assert writer.close(SECONDS)
    source, calls = StoreSource(tmp_path), []
    source.watch(lambda: calls.append(len(calls)))
    found = [[run.id.key for run in source.runs()] for _ in range(4)]
    assert found == [[8, 7, 6], [8, 7, 6, 5, 4, 3], [*range(8, 0, -1)], [*range(8, 0, -1)]]
    assert len(calls) == 2
    source.close()
    # who asks once gets all
    assert len(StoreSource(tmp_path).runs()) == 8


def test_live_runs_take_turns_to_get_their_curve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "CURVES_A_READING", 2)
    writer = Writer(tmp_path, print)
    recorders = [new_recorder(writer) for _ in range(5)]
    source = StoreSource(tmp_path)
    events = recorded_run(150)
    steps = iter(event for event in events if isinstance(event, StepDone))

    def publish(count: int) -> None:
        for event in [next(steps) for _ in range(count)]:
            for recorder in recorders:
                recorder.publish(event)
        assert all(recorder.commit(SECONDS) for recorder in recorders)

    for recorder in recorders:
        for event in events[:2]:
            recorder.publish(event)
    publish(1)
    source.runs()
    changed = []
    for _ in range(3):
        before = source.runs()
        publish(30)
        after = source.runs()
        assert [run.step for run in after] == [run.step + 30 for run in before]
        changed.append(sum(one.lrs != two.lrs for one, two in zip(before, after, strict=True)))
    assert changed[-1] > 0
    assert max(changed) <= 2
    source.close()
    assert writer.close(SECONDS)


def test_live_runs_of_a_process_that_died_are_lost_at_once(tmp_path: Path) -> None:
    code = (
        "import sys, os; sys.path[:0] = {paths!r}\n"
        "from pathlib import Path; from store_runs import new_recorder; from recorded_runs import recorded_run\n"
        "from lrtui.store.writer import Writer\n"
        "writer = Writer(Path(sys.argv[1]), print); recorders = [new_recorder(writer) for _ in range(3)]\n"
        "for recorder in recorders:\n"
        "    for event in recorded_run(20): recorder.publish(event)\n"
        "assert all(recorder.commit(240) for recorder in recorders)\n"
        "print('ready', flush=True); sys.stdin.read(); os._exit(0)"
    )
    tests = Path(__file__).parents[1]
    command = [sys.executable, "-c", code.format(paths=[str(tests), str(tests / "store")]), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == "ready\n"
        source = StoreSource(tmp_path)
        assert [run.state for run in source.runs()] == ["running"] * 3
        assert source.runs() is source.runs()
        process.stdin.close()
        process.wait(SECONDS)
    assert [run.state for run in source.runs()] == ["lost"] * 3
    source.close()
