"""`lrtui runs delete` and `lrtui runs gc`: what they delete, and nothing else."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from pathlib import Path

import pytest
from command_line import CommandLine
from recorded_runs import recorded_run
from store_runs import folded, ignore, new_recorder, stored
from waiting import SECONDS

from lrtui.run.events import Event, StepDone
from lrtui.store import run_rows
from lrtui.store.connection import open_for_reading, transaction
from lrtui.store.reader import checkpoint_folder
from lrtui.store.writer import Writer

FIRST, SECOND = "0000000054-step-50.pt", "0000000108-step-100.pt"


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(tmp_path / "store", capsys)


def save(lrtui: CommandLine, run: int, *names: str, age: float = 0.0) -> list[Path]:
    """Make checkpoint files of a run."""
    folder = checkpoint_folder(lrtui.folder, run)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        path.write_bytes(b"x" * 1000)
        os.utime(path, (time.time() - age, time.time() - age))
    return paths


def query(lrtui: CommandLine, sql: str) -> list[tuple[object, ...]]:
    connection = open_for_reading(lrtui.folder)
    rows = connection.execute(sql).fetchall()
    connection.close()
    return rows


def answering(monkeypatch: pytest.MonkeyPatch, arguments: str) -> None:
    terminal = io.StringIO(arguments)
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)


def test_a_deleted_run_leaves_no_rows_and_no_files(lrtui: CommandLine) -> None:
    lrtui.record(100, groups=2, name="old")
    lrtui.record(100, name="new")
    files = save(lrtui, 1, FIRST, SECOND)
    answer = lrtui("runs", "delete", "old", "--yes")
    assert (answer.status, answer.out) == (0, "")
    assert answer.err == "deleted #1 old\nremoved 2 files, 2.0 kB\n"
    for table in ("batches", "group_lrs", "events", "blocks", "inbox"):
        assert query(lrtui, f"SELECT count(*) FROM {table} WHERE run = 1") == [(0,)]
    assert not files[0].parent.exists()
    assert stored(lrtui.folder, 2).step == 100


def test_either_all_given_runs_are_deleted_or_none(lrtui: CommandLine) -> None:
    for _ in range(3):
        lrtui.record(10)
    assert lrtui("runs", "delete", "1", "7", "--yes").status == 2
    assert query(lrtui, "SELECT count(*) FROM runs") == [(3,)]
    assert lrtui("runs", "delete", "1", "#3", "3", "--yes").err == "deleted #1, #3\n"
    assert query(lrtui, "SELECT id FROM runs") == [(2,)]


@pytest.mark.parametrize(
    ("arguments", "deleted"), [("y\n", True), ("yes\n", True), ("n\n", False), ("\n", False), ("", False)]
)
def test_a_terminal_is_asked_for_confirmation(
    arguments: str, deleted: bool, lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lrtui.record(100, name="old\x1b", outcome="done")
    answering(monkeypatch, arguments)
    answer = lrtui("runs", "delete", "1")
    assert answer.status == (0 if deleted else 1)
    assert "#1 old\\x1b: done, 2 of 10 epochs, ExponentialLR(gamma=0.1)" in answer.err
    assert ("nothing was deleted" in answer.err) is not deleted
    assert query(lrtui, "SELECT count(*) FROM runs") == [(0 if deleted else 1,)]


def test_without_a_terminal_yes_is_required(lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    lrtui.record(10)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    answer = lrtui("runs", "delete", "1")
    assert answer.status == 2
    assert "--yes deletes without asking" in answer.err
    assert query(lrtui, "SELECT count(*) FROM runs") == [(1,)]


def test_a_live_run_is_not_deleted(lrtui: CommandLine) -> None:
    lrtui.record(10, outcome="done")
    writer = Writer(lrtui.folder, ignore)
    new_recorder(writer)
    answer = lrtui("runs", "delete", "1", "2", "--yes")
    assert answer.status == 1
    assert "#2 is waiting and can't be deleted; stop it first: lrtui send 2 stop" in answer.err
    assert query(lrtui, "SELECT count(*) FROM runs") == [(2,)]
    writer.call(lambda connection: connection.execute("UPDATE runs SET pid_started = '1'"))
    assert lrtui("runs", "delete", "2", "--yes").status == 0
    assert writer.close(SECONDS)


def test_a_checkpoint_that_a_branch_started_from_is_kept(lrtui: CommandLine) -> None:
    parent = lrtui.record(100, outcome="done")
    first, second = save(lrtui, parent, FIRST, SECOND)
    branch = lrtui.branch(parent, FIRST)
    answer = lrtui("runs", "delete", str(parent), "--yes")
    assert f"kept {first}: a branch started from it" in answer.err
    assert first.exists()
    assert not second.exists()
    assert query(lrtui, "SELECT id, parent, branched_from FROM runs") == [(branch, None, f"{parent}/{FIRST}")]
    # gc does not remove it either while the branch exists
    assert lrtui("runs", "gc").status == 0
    assert first.exists()
    assert lrtui("runs", "delete", str(branch), "--yes").status == 0
    assert lrtui("runs", "gc").status == 0
    assert not first.parent.exists()


def test_a_branch_of_a_resumed_parent_keeps_its_checkpoint(lrtui: CommandLine) -> None:
    parent = lrtui.record(100, outcome="done")
    first, second = save(lrtui, parent, FIRST, SECOND)
    lrtui.branch(parent, FIRST)
    with transaction(lrtui.folder) as connection:
        connection.execute("DELETE FROM runs WHERE id = ?", (parent,))
    assert lrtui("runs", "gc").status == 0
    assert first.exists()
    assert not second.exists()


def test_a_parent_deleted_with_its_branch_leaves_nothing(lrtui: CommandLine) -> None:
    parent = lrtui.record(100, outcome="done")
    files = save(lrtui, parent, FIRST)
    branch = lrtui.branch(parent, FIRST)
    assert lrtui("runs", "delete", str(parent), str(branch), "--yes").status == 0
    assert not files[0].parent.exists()


def test_no_link_is_followed_out_of_the_store(lrtui: CommandLine, tmp_path: Path) -> None:
    run = lrtui.record(100, outcome="done")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    save(lrtui, run, FIRST)
    (checkpoint_folder(lrtui.folder, run) / "link").symlink_to(outside)
    checkpoint_folder(lrtui.folder, 99).symlink_to(outside)
    assert lrtui("runs", "delete", str(run), "--yes").status == 0
    assert lrtui("runs", "gc").status == 0
    assert (outside / "precious").exists()
    assert os.listdir(lrtui.folder / "checkpoints") == []


def store_resumed_run(lrtui: CommandLine, *, finish: bool = True) -> tuple[Writer, list[Event]]:
    """Store a run that was resumed at step 50, so that its later events are superseded."""
    events = recorded_run(100, groups=2)
    writer = Writer(lrtui.folder, ignore)
    recorder = new_recorder(writer)
    for event in events:
        recorder.publish(event)
    assert recorder.commit(SECONDS)
    cut = next(event.seq for event in events if isinstance(event, StepDone) and event.step == 50)
    writer.call(lambda connection: run_rows.reopen_run(connection, recorder.run, 50, cut - 1))
    if finish:
        writer.call(lambda connection: run_rows.update(connection, recorder.run, state="stopped"))
    return writer, events[:cut]


def test_gc_removes_superseded_rows_and_keeps_the_events(lrtui: CommandLine) -> None:
    writer, remaining = store_resumed_run(lrtui)
    assert writer.close(SECONDS)
    superseded = sum(
        query(lrtui, f"SELECT count(*) FROM {table} WHERE superseded")[0][0] for table in ("batches", "events")
    )  # type: ignore[misc]
    assert f"would remove {superseded + 50} superseded rows" in lrtui("runs", "gc", "--dry-run").out
    assert query(lrtui, "SELECT count(*) FROM batches WHERE superseded") == [(50,)]
    answer = lrtui("runs", "gc")
    assert answer.lines[0].startswith(f"removed {superseded + 50} superseded rows, 0 checkpoint files of deleted runs")
    assert answer.lines[1].startswith("freed ")
    for table in ("batches", "events"):
        assert query(lrtui, f"SELECT count(*) FROM {table} WHERE superseded") == [(0,)]
    assert query(lrtui, "SELECT count(*), max(parameter_group) FROM group_lrs") == [(50, 1)]
    state, expected = stored(lrtui.folder), folded(remaining)
    assert (state.loss, state.lrs, state.evaluations) == (expected.loss, expected.lrs, expected.evaluations)
    assert lrtui("runs", "gc").lines[0].startswith("removed 0 superseded rows")


def test_gc_leaves_a_live_run_alone(lrtui: CommandLine) -> None:
    writer, _ = store_resumed_run(lrtui, finish=False)
    (part,) = save(lrtui, 1, f"{FIRST}.unfinished", age=7200)
    (checkpoint,) = save(lrtui, 1, FIRST)
    answer = lrtui("runs", "gc")
    assert answer.lines[0].startswith("removed 0 superseded rows")
    assert query(lrtui, "SELECT count(*) FROM batches WHERE superseded") == [(50,)]
    assert part.exists()
    assert checkpoint.exists()
    # the store can still be written
    assert writer.call(lambda connection: connection.execute("SELECT 1").fetchone()) == (1,)
    assert writer.close(SECONDS)


def test_gc_removes_files_of_no_run_and_shrinks_the_database(lrtui: CommandLine) -> None:
    lrtui.record(3000, epochs=60, outcome="done")
    lrtui.record(100, outcome="done")
    orphans = save(lrtui, 99, FIRST, SECOND)
    (mine,) = save(lrtui, 2, FIRST)
    (old,) = save(lrtui, 2, f"{SECOND}.unfinished", age=7200)
    (new,) = save(lrtui, 2, f"{SECOND}.part")
    (lrtui.folder / "checkpoints" / "notes.txt").write_text("a user's own")
    assert lrtui("runs", "delete", "1", "--yes").status == 0
    before = sum(path.stat().st_size for path in lrtui.folder.glob("runs.db*"))
    dry = lrtui("runs", "gc", "--dry-run").out
    assert "2 checkpoint files of deleted runs, 1 temporary file, 0 old commands (3.0 kB in files)" in dry
    assert orphans[0].exists()
    answer = lrtui("runs", "gc")
    assert answer.lines[0] == dry.strip().replace("would remove", "removed")
    assert not orphans[0].parent.exists()
    assert not old.exists()
    assert mine.exists()
    assert new.exists()
    assert (lrtui.folder / "checkpoints" / "notes.txt").exists()
    after = sum(path.stat().st_size for path in lrtui.folder.glob("runs.db*"))
    assert after < before / 2
    assert query(lrtui, "PRAGMA freelist_count") == [(0,)]
    assert "kB" in answer.lines[1]


def test_gc_removes_old_commands(lrtui: CommandLine) -> None:
    lrtui.record(10, outcome="done")
    now = time.time()
    rows = [
        (now - 200_000, now - 200_000, now - 200_000),
        (now - 200_000, None, None),
        (now - 10, now - 10, now - 10),
        (now - 10, None, None),
    ]
    with transaction(lrtui.folder) as connection:
        connection.executemany(
            "INSERT INTO inbox (run, command, sent, taken, answered) VALUES (1, 'undo', ?, ?, ?)", rows
        )
    assert "2 old commands" in lrtui("runs", "gc").out
    assert query(lrtui, "SELECT id FROM inbox") == [(3,), (4,)]


def test_gc_reports_a_locked_database(lrtui: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    lrtui.record(10, outcome="done")
    monkeypatch.setattr("lrtui.store.garbage._shrink", lambda _: "another process keeps it locked")
    answer = lrtui("runs", "gc")
    assert answer.status == 0
    assert "the database keeps its size for now: another process keeps it locked" in answer.out


def test_gc_of_a_missing_store_exits_with_1(lrtui: CommandLine) -> None:
    assert lrtui("runs", "gc").status == 1
    assert not lrtui.folder.exists()


def test_the_number_of_a_deleted_run_is_not_reused(lrtui: CommandLine) -> None:
    lrtui.record(10)
    assert lrtui("runs", "delete", "1", "--yes").status == 0
    assert lrtui.record(10) == 2
    assert json.loads(lrtui("runs", "list", "--json").out)["id"] == 2
