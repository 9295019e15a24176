"""A worker whose driver is behind: the driver holds little, training goes on, and every step arrives once."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from noted_launcher import NotedLauncher
from process_server import FORKING
from store_runs import stored
from training_runs import TINY, tiny_spec
from waiting import wait_for

from lrtui import LrtuiError, Run, StepDone
from lrtui.distributed import local_launcher
from lrtui.distributed.local_launcher import LocalLauncher
from lrtui.engine import held_batches
from lrtui.engine.held_batches import UNREAD_FACTOR, HeldBatches
from lrtui.engine.worker_messages import WorkerMessages
from lrtui.store import recorder, run_rows

pytestmark = pytest.mark.xdist_group("worker runs")

MOST = 8 << 10
"""Bytes of a worker's events that may wait for the store here."""

STEPS = 768
"""Optimizer steps of `settings`, several times as many as fit into it."""

SLOW = TINY.replace(":Tiny", ":Slow")


@pytest.fixture(autouse=True)
def small_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_launcher, "subprocess", FORKING)
    monkeypatch.setattr(held_batches, "MAX_UNWRITTEN_BYTES", MOST)


def settings(folder: Path, **more: Any) -> Any:
    return tiny_spec(**{"store": str(folder), "batch_size": 1, "epochs": 8, "checkpoint_seconds": 0.2, **more})


class Store:
    """The store of this process, which writes nothing while it is stopped.

    `error` is raised by every attempt to write, if it is set.
    """

    def __init__(self) -> None:
        self.goes_on, self.is_waiting = threading.Event(), threading.Event()
        self.goes_on.set()
        self.seconds = 0.0
        self.error: Exception | None = None
        self._write = run_rows.write

    def write(self, *arguments: Any) -> None:
        if not self.goes_on.is_set():
            self.is_waiting.set()
            self.goes_on.wait(120)
        time.sleep(self.seconds)
        if self.error is not None:
            raise self.error
        self._write(*arguments)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store()
    monkeypatch.setattr(run_rows, "write", store.write)
    return store


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """What the driver holds after each batch: bytes that are not written, and bytes that are not read."""
    found: list[tuple[int, int]] = []
    add = HeldBatches.add

    def add_and_note(batches: HeldBatches, *arguments: int) -> None:
        add(batches, *arguments)
        found.append((batches.bytes_unwritten, batches.bytes_unread))

    monkeypatch.setattr(HeldBatches, "add", add_and_note)
    return found


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when the worker has trained, whether or not the driver has its events."""
    event = threading.Event()
    note = WorkerMessages._note_ending

    def note_and_set(messages: WorkerMessages) -> None:
        note(messages)
        event.set()

    monkeypatch.setattr(WorkerMessages, "_note_ending", note_and_set)
    return event


def check_complete(run: Run, folder: Path) -> None:
    """Check that every event of a run that is done was read, and stored, once."""
    events = list(run)
    assert [event.seq for event in events] == list(range(len(events)))
    assert [event.step for event in events if isinstance(event, StepDone)] == list(range(STEPS))
    assert run.result().status == "done"
    assert run.recording_error == ""
    assert stored(folder, in_full=10**6) == run.state


def test_a_store_that_stands_still_leaves_the_steps_at_the_worker_which_trains_on(
    tmp_path: Path, store: Store, held: list[tuple[int, int]], trained: threading.Event
) -> None:
    run = Run(settings(tmp_path), launcher=LocalLauncher(tmp_path / "output")).start()
    wait_for(lambda: held)
    store.goes_on.clear()
    assert trained.wait(120)
    # it has trained all steps, and few of them are here
    most = max(unwritten for unwritten, _ in held)
    assert MOST // 4 < most <= MOST
    store.goes_on.set()
    check_complete(run, tmp_path)
    assert max(unwritten for unwritten, _ in held) <= MOST
    assert len(held) > STEPS * 48 // MOST


def test_a_slow_store_gets_every_step(tmp_path: Path, store: Store, held: list[tuple[int, int]]) -> None:
    store.seconds = 0.3
    run = Run(settings(tmp_path), launcher=LocalLauncher(tmp_path / "output")).start()
    check_complete(run, tmp_path)
    assert max(unwritten for unwritten, _ in held) <= MOST


def test_nothing_is_dropped_while_the_disk_is_full(
    tmp_path: Path, store: Store, held: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "MAX_HELD_EVENTS", 250)
    run = Run(settings(tmp_path, task=SLOW), launcher=LocalLauncher(tmp_path / "output")).start()
    wait_for(lambda: run.poll() and run.state.step > 10)
    store.error = sqlite3.OperationalError("database or disk is full")
    wait_for(lambda: (run.poll(), any("disk is full" in line.text for line in run.state.log.lines))[1])
    wait_for(lambda: held[-1][0] > MOST // 2)
    time.sleep(3.0)
    store.error = None
    run.result()
    assert run.recording_error == ""
    assert stored(tmp_path, in_full=10**6) == run.state


def test_a_disk_that_stays_full_does_not_keep_the_run_from_ending(tmp_path: Path, store: Store) -> None:
    run = Run(settings(tmp_path), launcher=LocalLauncher(tmp_path / "output")).start()
    store.error = sqlite3.OperationalError("database or disk is full")
    events = list(run)
    assert [event.step for event in events if isinstance(event, StepDone)] == list(range(STEPS))
    assert run.state.status == "done"
    assert "the run's last events could not be written" in run.recording_error


def test_a_run_that_nobody_reads_ends(
    tmp_path: Path, held: list[tuple[int, int]], trained: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_batches, "MAX_UNWRITTEN_BYTES", 2 << 10)
    run = Run(settings(tmp_path, store="none"), launcher=LocalLauncher(tmp_path / "output")).start()
    assert trained.wait(120)
    # what came before it had ended
    assert held[0][1] > 0
    assert run.join(120)
    assert [event.step for event in run if isinstance(event, StepDone)] == list(range(STEPS))


def test_a_reader_that_is_behind_leaves_the_steps_at_the_worker(
    tmp_path: Path, held: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_batches, "MAX_UNWRITTEN_BYTES", 2 << 10)
    spec = settings(tmp_path, task=SLOW, epochs=1000)
    run = Run(spec, launcher=LocalLauncher(tmp_path / "output")).start()
    most = UNREAD_FACTOR * (2 << 10)
    # no batch is asked for that would be shorter than half of the smaller bound
    wait_for(lambda: held and held[-1][1] > most - (1 << 10))
    count = len(held)
    time.sleep(1.0)
    assert len(held) == count
    assert max(unread for _, unread in held) <= most
    # it goes on when they are read
    run.poll(10**6)
    wait_for(lambda: len(held) > count)
    assert run.stop().status == "stopped"
    assert stored(tmp_path, in_full=10**6) == run.state


def test_a_worker_that_is_killed_while_its_driver_is_behind(
    tmp_path: Path, store: Store, held: list[tuple[int, int]]
) -> None:
    launcher = NotedLauncher(tmp_path / "output")
    run = Run(settings(tmp_path, task=SLOW, epochs=1000), launcher=launcher).start()
    wait_for(lambda: run.poll() and run.state.step > 10)
    store.goes_on.clear()
    wait_for(lambda: held[-1][0] > MOST // 2)
    launcher.started[0].end()
    wait_for(lambda: (run.poll(), run.state.outcome)[1])
    store.goes_on.set()
    with pytest.raises(LrtuiError, match="its worker ended: its process was killed by SIGKILL"):
        run.result()
    assert run.worker_lost
    assert stored(tmp_path, in_full=10**6) == run.state
    resumed = Run.resume(run, launcher=launcher).start()
    wait_for(lambda: resumed.poll() and resumed.state.step > run.state.step)
    assert resumed.stop().status == "stopped"
    assert stored(tmp_path, in_full=10**6) == resumed.state
