"""Published events are written while other processes write, and a store that fails never stops a run."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import chdir
from dataclasses import replace
from pathlib import Path

import pytest
from process_server import ForkedProcess
from recorded_runs import recorded_run
from store_runs import folded, ignore, new_recorder, store_events, stored
from waiting import SECONDS, wait_for

from lrtui.run.errors import StoreError
from lrtui.run.events import RunFinished, RunStarted, StepDone
from lrtui.run.spec import RunSpec
from lrtui.store import recorder as recorder_module
from lrtui.store import run_rows
from lrtui.store import writer as writer_module
from lrtui.store.connection import BUSY_SECONDS, open_for_reading
from lrtui.store.location import DATABASE
from lrtui.store.recorder import Recorder
from lrtui.store.rows import RowMaker
from lrtui.store.writer import Writer

WRITE = """
import sys
sys.path[:0] = {paths!r}
from pathlib import Path
from store_runs import store_events
from recorded_runs import recorded_run
print(store_events(Path(sys.argv[1]), recorded_run(2000, epochs=40, outcome="done")))
"""


def step(seq: int) -> StepDone:
    return StepDone(seq=seq, step=seq, seconds=seq * 1e-3, epoch=1, batch=seq, loss=0.5, lrs=(0.01,))


def rows(folder: Path, run: int) -> int:
    connection = open_for_reading(folder)
    count: int = connection.execute("SELECT count(*) FROM batches WHERE run = ?", (run,)).fetchone()[0]
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    return count


def test_eight_processes_write_one_store_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    (tmp_path / "writes_a_run.py").write_text(WRITE.format(paths=[str(tests), str(tests / "store")]))
    command = [sys.executable, "-m", "writes_a_run", str(tmp_path / "store")]
    with chdir(tmp_path):
        processes = [ForkedProcess(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    runs = sorted(int(process.communicate(timeout=600)[0]) for process in processes)
    assert runs == list(range(1, 9))
    expected = folded(recorded_run(2000, epochs=40, outcome="done"))
    for run in runs:
        assert stored(tmp_path / "store", run) == expected


def test_a_million_steps_are_stored(tmp_path: Path) -> None:
    trouble: list[str] = []
    writer = Writer(tmp_path, trouble.append)
    recorder = new_recorder(writer)
    for seq in range(1_000_000):
        recorder.publish(step(seq))
        if seq % 50_000 == 49_999:
            assert recorder.commit(SECONDS)
    assert writer.close(SECONDS)
    assert rows(tmp_path, recorder.run) == 1_000_000
    assert not trouble


def test_steps_are_readable_within_a_second_without_a_commit(tmp_path: Path) -> None:
    assert writer_module.INTERVAL < 1.0
    writer = Writer(tmp_path, ignore)
    recorder = new_recorder(writer)
    recorder.publish(step(0))
    wait_for(lambda: rows(tmp_path, recorder.run))
    assert writer.close(SECONDS)


def test_closing_writes_all_pending_rows(tmp_path: Path) -> None:
    writer = Writer(tmp_path, ignore)
    recorder = new_recorder(writer)
    for seq in range(70_000):
        recorder.publish(step(seq))
    assert writer.close(SECONDS)
    assert rows(tmp_path, recorder.run) == 70_000


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(writer_module, "INTERVAL", 0.01)


@pytest.mark.usefixtures("impatient")
def test_a_full_disk_is_reported_once_and_everything_is_written_later(tmp_path: Path) -> None:
    trouble: list[str] = []
    writer = Writer(tmp_path, trouble.append)
    recorder = new_recorder(writer)
    pages = writer.call(lambda connection: connection.execute("PRAGMA page_count").fetchone()[0])
    writer.call(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages + 4}").fetchone())
    events = recorded_run(2000, epochs=40)
    for event in events:
        recorder.publish(event)
    begun = time.monotonic()
    # a failing store must not delay anything
    assert not recorder.commit(SECONDS)
    assert time.monotonic() - begun < SECONDS
    wait_for(lambda: trouble)
    time.sleep(0.3)
    assert len(trouble) == 1
    assert "the disk is full" in trouble[0]
    assert "Training continues" in trouble[0]
    # what was committed before stays readable
    assert rows(tmp_path, recorder.run) < 2000
    writer.call(lambda connection: connection.execute("PRAGMA max_page_count = 1000000").fetchone())
    wait_for(lambda: recorder.commit(1))
    assert writer.close(SECONDS)
    assert stored(tmp_path, recorder.run) == folded(events)


@pytest.mark.usefixtures("impatient")
def test_events_beyond_the_memory_bound_are_dropped_except_for_the_outcome(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MAX_HELD_EVENTS", 100)
    writer = Writer(tmp_path, ignore)
    recorder = new_recorder(writer)
    writer.call(lambda connection: connection.execute("PRAGMA query_only = 1").fetchone())
    for event in recorded_run(300, outcome="done"):
        recorder.publish(event)
        time.sleep(0.0005)
    assert not recorder.commit(5)
    # all events are held in memory before writing is possible again
    wait_for(lambda: not recorder._events)
    assert recorder.dropped >= 150
    writer._connection.execute("PRAGMA query_only = 0")  # type: ignore[union-attr]
    assert not writer.close(SECONDS)
    state = stored(tmp_path, recorder.run)
    # the first events without a gap, and the last one
    assert 50 <= len(state.loss) <= 150
    assert state.status == "done"


@pytest.mark.usefixtures("impatient")
def test_a_database_deleted_during_a_run_is_reported_once(tmp_path: Path) -> None:
    trouble: list[str] = []
    writer = Writer(tmp_path, trouble.append)
    recorder = new_recorder(writer)
    recorder.publish(step(0))
    assert recorder.commit(SECONDS)
    (tmp_path / DATABASE).unlink()
    recorder.publish(step(1))
    assert not recorder.commit(SECONDS)
    wait_for(lambda: trouble)
    time.sleep(0.2)
    recorder.publish(step(2))
    assert not recorder.commit(5)
    assert len(trouble) == 1
    assert "was deleted or replaced" in trouble[0]
    assert not writer.close(SECONDS)


def test_a_locked_database_delays_and_loses_nothing(tmp_path: Path) -> None:
    writer = Writer(tmp_path, ignore)
    recorder = new_recorder(writer)
    other = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    recorder.publish(step(0))
    assert not recorder.commit(0.5)
    other.execute("ROLLBACK")
    other.close()
    assert recorder.commit(SECONDS)
    assert writer.close(SECONDS)


def test_a_store_that_cannot_be_created_raises_for_the_caller(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    writer = Writer(tmp_path / "file", ignore)
    with pytest.raises(StoreError, match="can't be created"):
        new_recorder(writer)
    writer.close()


@pytest.mark.usefixtures("impatient")
def test_an_exception_in_the_writer_is_reported_and_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trouble: list[str] = []
    writer = Writer(tmp_path, trouble.append)
    recorder = new_recorder(writer)
    write = writer_module.run_rows.write
    monkeypatch.setattr(writer_module.run_rows, "write", lambda *_: 1 / 0)
    recorder.publish(step(0))
    assert not recorder.commit(SECONDS)
    wait_for(lambda: any("ZeroDivisionError" in words for words in trouble))
    monkeypatch.setattr(writer_module.run_rows, "write", write)
    wait_for(lambda: recorder.commit(1))
    assert writer.close(SECONDS)


def test_a_store_has_one_writer_thread_that_ends(tmp_path: Path) -> None:
    # threads of earlier tests may end meanwhile
    before = threading.enumerate()
    writer = Writer(tmp_path, ignore)
    recorder = new_recorder(writer)
    assert len(set(threading.enumerate()) - {*before}) == 1
    recorder.publish(step(0))
    assert recorder.commit(SECONDS)
    assert writer.close(SECONDS)
    assert not set(threading.enumerate()) - {*before}


def test_the_store_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / ".lrtui"
    store_events(folder, recorded_run(10))
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / DATABASE).stat().st_mode & 0o077 == 0
    assert (folder / ".gitignore").read_text() == "*\n"
    assert os.listdir(folder / "checkpoints") == []


def test_a_call_that_times_out_is_cancelled(tmp_path: Path) -> None:
    writer = Writer(tmp_path, ignore)
    new_recorder(writer)
    other = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="another process keeps it locked"):
        writer.call(lambda connection: run_rows.insert(connection, RunSpec(), {}), seconds=0.3)
    other.execute("ROLLBACK")
    # all calls that waited for the lock have had it when this one returns
    assert writer.call(lambda connection: connection.execute("SELECT count(*) FROM runs").fetchone()) == (1,)
    other.close()
    assert writer.close(SECONDS)


def test_calls_that_come_together_share_a_transaction_and_fail_alone(tmp_path: Path) -> None:
    writer = Writer(tmp_path, ignore)
    new_recorder(writer)
    other = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    # the thread waits for the lock while the others come
    statements: list[str] = []
    first = writer.submit(lambda connection: connection.set_trace_callback(statements.append))
    time.sleep(0.2)

    def fails(connection: sqlite3.Connection) -> None:
        run_rows.insert(connection, RunSpec(name="fails"), {})
        connection.execute("SELECT unknown")

    def refuses(connection: sqlite3.Connection) -> None:
        run_rows.insert(connection, RunSpec(name="refused"), {})
        raise ValueError("no")

    calls = [
        writer.submit(lambda connection, n=number: run_rows.insert(connection, RunSpec(name=f"{n}"), {}))  # type: ignore[misc]
        for number in range(5)
    ]
    failing, refusing = writer.submit(fails), writer.submit(refuses)
    calls.append(writer.submit(lambda connection: run_rows.insert(connection, RunSpec(name="last"), {})))
    other.execute("ROLLBACK")
    first.result(60)
    assert len({call.result(60) for call in calls}) == 6
    with pytest.raises(StoreError, match="no such column: unknown"):
        failing.result(60)
    with pytest.raises(ValueError, match="no"):
        refusing.result(60)
    names = [name for (name,) in other.execute("SELECT name FROM runs WHERE name NOT NULL ORDER BY id")]
    assert names == ["0", "1", "2", "3", "4", "last"]
    inserted = [place for place, text in enumerate(statements) if "INSERT INTO runs" in text]
    assert not any(text == "COMMIT" for text in statements[inserted[0] : inserted[-1]])
    other.close()
    assert writer.close(SECONDS)


def test_calls_that_the_disk_has_failed_are_all_told_so(tmp_path: Path) -> None:
    writer = Writer(tmp_path, ignore)
    new_recorder(writer)

    def end_transaction(connection: sqlite3.Connection) -> None:
        # as a full disk does
        connection.execute("ROLLBACK")
        raise sqlite3.OperationalError("disk I/O error")

    other = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    writer.submit(lambda connection: None)
    time.sleep(0.2)
    calls = [
        writer.submit(lambda connection: run_rows.insert(connection, RunSpec(name="gone"), {})),
        writer.submit(end_transaction),
    ]
    other.execute("ROLLBACK")
    for call in calls:
        with pytest.raises(StoreError, match="failing or full"):
            call.result(60)
    assert other.execute("SELECT count(*) FROM runs WHERE name = 'gone'").fetchone() == (0,)
    other.close()
    assert writer.close(SECONDS)


def test_a_resumed_run_that_starts_while_the_store_is_locked_waits_for_nothing(tmp_path: Path) -> None:
    run = store_events(tmp_path, recorded_run(100))
    writer = Writer(tmp_path, ignore)
    last = max(event.seq for event in recorded_run(60))

    def reopen(connection: sqlite3.Connection) -> RowMaker:
        return run_rows.reopen_run(connection, run, 60, last)

    recorder = Recorder(run, writer, None, ignore, reopen)
    writer.add(recorder)
    other = sqlite3.connect(tmp_path / DATABASE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    started = next(event for event in recorded_run(1) if isinstance(event, RunStarted))
    begun = time.monotonic()
    recorder.publish(replace(started, seq=last + 100, step=60, resumed_from=60, resumed_seq=last))
    assert time.monotonic() - begun < BUSY_SECONDS
    assert not recorder.commit(0.3)
    other.execute("ROLLBACK")
    other.close()
    assert recorder.commit(SECONDS)
    assert len(stored(tmp_path, run).loss) == 60
    assert writer.close(SECONDS)


def test_a_resume_that_is_refused_leaves_the_stored_run_as_it_is(tmp_path: Path) -> None:
    events = recorded_run(100, outcome="stopped")
    run = store_events(tmp_path, events)
    writer = Writer(tmp_path, ignore)
    recorder = Recorder(run, writer, None, ignore, lambda connection: run_rows.reopen_run(connection, run, 50, 60))
    writer.add(recorder)
    recorder.publish(RunFinished(seq=len(events), step=0, seconds=0.0, outcome="failed", error="no such checkpoint"))
    assert recorder.commit(SECONDS)
    assert writer.close(SECONDS)
    assert stored(tmp_path, run) == folded(events)
