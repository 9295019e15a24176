"""Files that are not a store, or a store of another version, are refused with a message."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from make_released import released_run
from recorded_runs import recorded_run
from store_runs import folded, store_events, stored

from lrtui.run.errors import StoreError
from lrtui.store import connection as connection_module
from lrtui.store import location
from lrtui.store.connection import APPLICATION_ID, open_for_reading, open_for_writing
from lrtui.store.garbage import find_garbage
from lrtui.store.location import DATABASE, file_system, is_on_network, only_owner_can_write, store_folder
from lrtui.store.migrations import LATEST, MIGRATIONS, migrate
from lrtui.store.run_export import metric_columns

RELEASED = sorted((Path(__file__).parent / "released").glob("schema-*.db"))


def both(folder: Path) -> list[str]:
    """Return the error of each way to open the store."""
    said = []
    for opened in (open_for_reading, open_for_writing):
        with pytest.raises(StoreError) as error:
            opened(folder)
        said.append(str(error.value))
    return said


def test_a_file_that_is_not_a_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE).write_bytes(b"this is a text of more than a hundred characters, and no database at all " * 20)
    assert all("this is not an SQLite database, or it is damaged" in words for words in both(tmp_path))


def test_another_programs_database_is_not_changed(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / DATABASE)
    other.execute("CREATE TABLE cats (name)")
    other.commit()
    before = (tmp_path / DATABASE).read_bytes()
    assert all("another program's database" in words for words in both(tmp_path))
    other.close()
    assert (tmp_path / DATABASE).read_bytes() == before


def test_a_store_created_by_another_process_at_the_same_time_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, others = tmp_path / DATABASE, []

    def make_it() -> None:
        with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as other:
            migrate(other, APPLICATION_ID)

    class Overtaken(sqlite3.Connection):
        """Another process creates the store between two reads of this one."""

        def execute(self, words: str, *values: Any) -> sqlite3.Cursor:
            cursor = super().execute(words, *values)
            if words == "PRAGMA application_id" and not others:
                others.append(threading.Thread(target=make_it))
                others[0].start()
                # a read-only connection waits while the database is locked
                others[0].join(0.5)
            return cursor

    opened = partial(sqlite3.connect, factory=Overtaken)
    with monkeypatch.context() as patch:
        patch.setattr(connection_module, "sqlite3", SimpleNamespace(**{**vars(sqlite3), "connect": opened}))
        open_for_writing(tmp_path).close()
    others[0].join()
    with closing(open_for_reading(tmp_path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == LATEST


def test_a_newer_store_is_refused_with_advice(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(10))
    newer = sqlite3.connect(tmp_path / DATABASE)
    newer.execute(f"PRAGMA user_version = {LATEST + 1}")
    newer.close()
    for words in both(tmp_path):
        assert f"written by a newer lrtui (schema {LATEST + 1}; this one knows {LATEST})" in words
        assert "update lrtui" in words


def test_a_damaged_database_is_reported_and_not_changed(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(3000, epochs=60))
    path = tmp_path / DATABASE
    content = bytearray(path.read_bytes())
    content[4096 : len(content)] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises((StoreError, sqlite3.DatabaseError), match=r"damaged|malformed"):
        stored(tmp_path)


def test_reading_a_missing_store_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store in"):
        open_for_reading(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("path", RELEASED, ids=lambda path: path.stem)
def test_a_store_of_every_released_schema_opens_and_is_brought_up_to_date(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path / DATABASE)
    assert stored(tmp_path) == folded(released_run(int(path.stem.removeprefix("schema-"))))
    connection = open_for_reading(tmp_path)
    assert connection.execute("PRAGMA user_version").fetchone() == (LATEST,)
    connection.close()


def test_every_released_schema_has_a_store_in_the_tests() -> None:
    assert [path.stem for path in RELEASED] == [f"schema-{number}" for number in range(1, LATEST + 1)]


def test_a_migration_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store_events(tmp_path, recorded_run(10))
    broken = (*MIGRATIONS, ("CREATE TABLE more (x)", "NONSENSE"))
    monkeypatch.setattr("lrtui.store.migrations.MIGRATIONS", broken)
    monkeypatch.setattr("lrtui.store.migrations.LATEST", LATEST + 1)
    with pytest.raises(StoreError, match="NONSENSE"):
        open_for_writing(tmp_path)
    monkeypatch.undo()
    assert stored(tmp_path, run).step == 10
    connection = open_for_reading(tmp_path)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'more'").fetchone() == (0,)
    connection.close()


def test_a_store_in_a_read_only_folder_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = recorded_run(120)
    run = store_events(tmp_path, events)
    for name in ("runs.db-wal", "runs.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    # root may write to every file, so the error that other users would get is raised here
    monkeypatch.setattr(connection_module.os, "access", lambda *_: False)
    assert stored(tmp_path, run) == folded(events)
    assert not (tmp_path / "runs.db-shm").exists()


def test_a_schema_1_store_in_a_read_only_folder_is_read_without_migration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(RELEASED[0], tmp_path / DATABASE)
    monkeypatch.setattr(connection_module.os, "access", lambda *_: False)
    assert stored(tmp_path) == folded(released_run(1))
    connection = open_for_reading(tmp_path)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert metric_columns(connection, 1) == []
    connection.close()


def test_the_garbage_of_a_schema_1_store_in_a_read_only_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(RELEASED[0], tmp_path / DATABASE)
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection, connection:
        steps = connection.execute("UPDATE batches SET superseded = 1 WHERE step >= 50").rowcount
        (lrs,) = connection.execute(
            "SELECT count(*) FROM group_lrs JOIN batches USING (run, seq) WHERE superseded"
        ).fetchone()
    assert steps
    assert lrs
    monkeypatch.setattr(connection_module.os, "access", lambda *_: False)
    with closing(open_for_reading(tmp_path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
        assert find_garbage(connection, tmp_path).rows == steps + lrs


def test_on_a_network_file_system_there_is_no_wal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    there = str(tmp_path).replace(" ", "\\040")
    mounts.write_text(f"rootfs / ext4 rw 0 0\nserver:/x {there}/net nfs4 rw 0 0\n//h/s {there}/net/in ext4 rw 0 0\n")
    monkeypatch.setattr(location, "MOUNTS", mounts)
    assert [file_system(tmp_path / part) for part in ("", "net", "net/deep", "net/in/x")] == [
        "ext4",
        "nfs4",
        "nfs4",
        "ext4",
    ]
    assert is_on_network(tmp_path / "net" / "x")
    for folder, mode in (("net", "delete"), ("local", "wal")):
        opened = open_for_writing(tmp_path / folder)
        assert opened.execute("PRAGMA journal_mode").fetchone() == (mode,)
        opened.close()


def test_a_store_that_others_can_write_is_not_trusted(tmp_path: Path) -> None:
    store_events(tmp_path, recorded_run(10))
    tmp_path.chmod(0o700)
    assert only_owner_can_write(tmp_path)
    tmp_path.chmod(0o770)
    assert not only_owner_can_write(tmp_path)
    tmp_path.chmod(0o700)
    (tmp_path / DATABASE).chmod(0o666)
    assert not only_owner_can_write(tmp_path)
    assert not only_owner_can_write(tmp_path / "nowhere")


def test_the_folder_comes_from_the_option_the_variable_or_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LRTUI_STORE", raising=False)
    assert store_folder() == tmp_path / ".lrtui"
    monkeypatch.setenv("LRTUI_STORE", "/somewhere")
    assert store_folder() == Path("/somewhere")
    assert store_folder("x") == tmp_path / "x"
    assert store_folder("none") is None
    monkeypatch.setenv("LRTUI_STORE", "none")
    assert store_folder() is None


def test_a_store_that_another_process_is_opening_is_waited_for(tmp_path: Path) -> None:
    # SQLite does not wait for this lock when it changes the journal mode
    with closing(sqlite3.connect(tmp_path / DATABASE, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.execute, ("ROLLBACK",))
        timer.start()
        with closing(open_for_writing(tmp_path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        timer.join()
