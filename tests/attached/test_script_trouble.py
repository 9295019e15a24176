"""Whatever happens to the store or the script: the script trains as it does alone, and the run says how it ended."""

from __future__ import annotations

import gc
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from other_process import rows
from waiting import wait_for

import lrtui
from lrtui.attached import publisher
from lrtui.attached.attach import DisabledRun
from lrtui.attached.run import AttachedRun
from lrtui.run.commands import Pause
from lrtui.store import writer
from lrtui.store.location import DATABASE


class Script:
    """A small script; `weight` is what it has trained.

    Args:
        store: of its run; "none" trains without one.
    """

    def __init__(self, store: Path | str, steps: int = 12, **settings: Any) -> None:
        self.steps = steps
        self.weight = torch.nn.Parameter(torch.ones(3))
        self.optimizer = torch.optim.SGD([self.weight], lr=0.1, momentum=0.9)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 3)
        self.run = lrtui.attach(
            self.optimizer, self.scheduler, epochs=1, batches_per_epoch=steps, store=store, **settings
        )

    def train(self, at: int = -1, event: Callable[[], object] = str) -> list[float]:
        """Train, with an event before a step; return the weights."""
        for step in range(self.steps):
            if step == at:
                event()
            loss = self.weight.square().sum()
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.scheduler.step()
            self.run.log(loss=loss)
        return list(self.weight.tolist())


@pytest.fixture(scope="module")
def alone() -> list[float]:
    return Script("none").train()


@pytest.fixture(autouse=True)
def long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for the store on a busy machine, too."""
    monkeypatch.setattr(publisher, "OPEN_SECONDS", 60.0)
    monkeypatch.setattr(publisher, "END_SECONDS", 60.0)
    monkeypatch.setattr(writer, "INTERVAL", 0.01)


def state(store: Path) -> list[Any]:
    return rows(store, "SELECT state, step, error FROM runs ORDER BY id")


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[Callable[[], None]]:
    connections = []

    def take() -> None:
        connections.append(sqlite3.connect(tmp_path / DATABASE, isolation_level=None))
        connections[-1].execute("BEGIN IMMEDIATE")

    yield take
    for connection in connections:
        connection.close()


def is_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file"


def is_no_database(folder: Path) -> Path:
    (folder / DATABASE).write_bytes(b"no database" * 100)
    return folder


def has_no_parent(folder: Path) -> Path:
    return Path("/proc/none/store")


@pytest.mark.parametrize("make", [is_file, is_no_database, has_no_parent])
def test_a_store_that_cannot_be_written_is_reported_in_one_line(
    make: Callable[[Path], Path], tmp_path: Path, alone: list[float], capfd: pytest.CaptureFixture[str]
) -> None:
    store = make(tmp_path)
    script = Script(store)
    assert isinstance(script.run, DisabledRun)
    assert script.train() == alone
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("lrtui: the run is not recorded: ")
    assert str(store) in line
    assert line.endswith(". The script goes on")
    # no line of lrtui's own code
    assert ".py" not in line


def test_a_locked_store_is_waited_for_a_few_seconds(
    tmp_path: Path,
    alone: list[float],
    lock: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    Script(tmp_path).run.finish()
    capfd.readouterr()
    lock()
    monkeypatch.setattr(publisher, "OPEN_SECONDS", 0.2)
    started = time.monotonic()
    script = Script(tmp_path)
    assert script.train() == alone
    script.run.finish()
    assert time.monotonic() - started < 50
    assert capfd.readouterr().err.splitlines() == [
        f"lrtui: the run is not recorded: {tmp_path / DATABASE}: another process keeps it locked. The script goes on"
    ]


def test_a_store_that_gets_locked_costs_a_few_seconds_at_the_end(
    tmp_path: Path,
    alone: list[float],
    lock: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    script = Script(tmp_path)
    monkeypatch.setattr(publisher, "END_SECONDS", 0.2)
    started = time.monotonic()
    assert script.train(5, lock) == alone
    script.run.finish()
    assert time.monotonic() - started < 50
    assert len(capfd.readouterr().err.splitlines()) == 2, "that the run is recorded, and one warning"


def fails(function: Any, message: str) -> Callable[..., Any]:
    def fail(*arguments: Any, **named: Any) -> Any:
        raise sqlite3.OperationalError(message)

    return fail


def test_a_full_disk_is_reported_once(
    tmp_path: Path, alone: list[float], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = Script(tmp_path)
    monkeypatch.setattr(publisher, "END_SECONDS", 0.2)

    def fill() -> None:
        monkeypatch.setattr(writer.run_rows, "write", fails(writer.run_rows.write, "database or disk is full"))

    assert script.train(5, fill) == alone
    script.run.finish()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "full" in lines[1] or "last events could not be written" in lines[1]


def test_a_store_that_is_deleted_is_reported_once(
    tmp_path: Path, alone: list[float], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = Script(tmp_path)
    monkeypatch.setattr(publisher, "END_SECONDS", 0.2)

    def delete() -> None:
        for path in tmp_path.glob("runs.db*"):
            path.unlink()

    assert script.train(5, delete) == alone
    script.run.finish()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    # three threads look at the store
    assert lines[1].endswith("The script goes on")


@pytest.mark.parametrize("query", ["DELETE FROM runs", ""])
def test_a_pause_ends_when_the_run_is_deleted(
    query: str, tmp_path: Path, alone: list[float], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    script = Script(tmp_path)
    monkeypatch.setattr(publisher, "END_SECONDS", 0.2)

    def delete() -> None:
        wait_for(lambda: state(tmp_path)[0][0] == "paused")
        if query:
            with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
                connection.execute(query)
                connection.commit()
        else:
            for path in tmp_path.glob("runs.db*"):
                path.unlink()

    def pause() -> None:
        script.run._publisher.inbox.send(Pause())  # type: ignore[union-attr]
        threading.Thread(target=delete, daemon=True).start()

    assert script.train(5, pause) == alone
    script.run.finish()
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[1].endswith("The script goes on")


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_leaves_the_run_to_its_parent(tmp_path: Path, alone: list[float]) -> None:
    script = Script(tmp_path)

    def fork() -> None:
        if (pid := os.fork()) == 0:
            status = 1
            try:
                before = len(script.run._log._closed)  # type: ignore[union-attr]
                script.train()
                script.run.log_eval(loss=1.0)
                script.run.finish()
                # nothing is kept that nobody takes
                status = int(len(script.run._log._closed) > before)  # type: ignore[union-attr]
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    assert script.train(5, fork) == alone
    script.run.finish()
    assert state(tmp_path) == [("done", 12, None)]
    assert rows(tmp_path, "SELECT count(*) FROM batches") == [(12,)]
    assert rows(tmp_path, "SELECT count(*) FROM evaluations") == [(0,)]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_process_that_is_forked_from_one_that_records_is_not_recorded_in_the_same_store(
    tmp_path: Path, alone: list[float], capfd: pytest.CaptureFixture[str]
) -> None:
    script = Script(tmp_path)

    def fork() -> None:
        if (pid := os.fork()) == 0:
            status = 1
            try:
                other = Script(tmp_path)
                status = 0 if other.train() == alone and other.run.number is None else 1
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0

    assert script.train(5, fork) == alone
    script.run.finish()
    assert state(tmp_path) == [("done", 12, None)]
    assert capfd.readouterr().err.count('method "spawn". The script goes on') == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("wrong"), ("failed", 5)),
        (KeyboardInterrupt(), ("stopped", 5)),
        (SystemExit(3), ("stopped", 5)),
        (None, ("done", 12)),
    ],
)
def test_the_end_of_a_block_is_the_end_of_the_run(
    error: BaseException | None, expected: tuple[str, int], tmp_path: Path
) -> None:
    script = Script(tmp_path)

    def end() -> None:
        if error is not None:
            raise error

    try:
        with script.run:
            script.train(5, end)
    except BaseException as raised:
        assert raised is error
    ((ending, step, text),) = state(tmp_path)
    assert (ending, step) == expected
    assert (text or "").startswith("ValueError: wrong" if isinstance(error, ValueError) else "")


def test_folds_are_runs_of_their_own(tmp_path: Path) -> None:
    scripts = []
    for _ in range(3):
        scripts.append(Script(tmp_path))
        scripts[-1].train()
    scripts[-1].run.finish()
    assert state(tmp_path) == [("done", 12, None)] * 3


def test_a_second_attach_of_an_optimizer_ends_its_first_run(tmp_path: Path) -> None:
    first = Script(tmp_path, steps=6)
    first.train(5, lambda: None)
    second = lrtui.attach(first.optimizer, first.scheduler, epochs=2, batches_per_epoch=6, store=tmp_path)
    assert isinstance(second, AttachedRun)
    first.run = second
    first.train()
    second.finish()
    assert [(ending, step) for ending, step, _ in state(tmp_path)] == [("done", 6), ("stopped", 6)]
    with closing(sqlite3.connect(tmp_path / DATABASE)) as connection:
        assert connection.execute("SELECT count(*) FROM batches GROUP BY run").fetchall() == [(6,), (6,)]


def test_a_run_that_the_script_does_not_keep_ends_with_its_optimizer(tmp_path: Path) -> None:
    script = Script(tmp_path)
    script.run = DisabledRun(None)
    gc.collect()
    script.train()
    ((ending, _, _),) = state(tmp_path)
    assert ending in ("waiting", "running")
    del script
    gc.collect()
    assert state(tmp_path) == [("done", 12, None)]
