"""A run that is resumed shows that it is starting, until it has started again."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from process_server import FORKING
from store_runs import stored
from training_runs import TINY, tiny_spec

from lrtui import Paused, Run, RunState, StepDone
from lrtui.distributed import local_launcher
from lrtui.distributed.local_launcher import LocalLauncher
from lrtui.engine import training_thread
from lrtui.store.connection import open_for_reading
from lrtui.store.reader import all_runs
from lrtui.tui.panes.header import progress_line

pytestmark = pytest.mark.xdist_group("worker runs")


class LateLauncher(LocalLauncher):
    """Starts no worker before it may."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.may_start = threading.Event()

    def start(self, *arguments: Any) -> Any:
        self.may_start.wait(60)
        return super().start(*arguments)


def first_part(folder: Path) -> Run:
    """Return a run that was stopped while it was paused."""
    run = Run(tiny_spec(store=str(folder), task=TINY.replace(":Tiny", ":Slow"), epochs=40))
    for event in run.start():
        if isinstance(event, StepDone) and event.step == 5:
            run.send("pause")
        elif isinstance(event, Paused):
            run.send("stop")
    assert run.state.status == "stopped"
    return run


def check_waiting(run: Run, first: Run, folder: Path, waiting_for: str) -> None:
    """Check that a run shows that it is starting, with the steps of its first part."""
    state: RunState = run.state
    assert (state.status, state.step, state.outcome) == ("waiting", first.state.step, None)
    assert progress_line(run.spec, state, 120).plain == f" waiting: {waiting_for} …"
    # in other processes, too
    with closing(open_for_reading(folder)) as connection:
        assert [row.state for row in all_runs(connection)] == ["waiting"]


def test_a_run_that_is_resumed_in_a_worker_waits_until_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_launcher, "subprocess", FORKING)
    launcher = LateLauncher(tmp_path / "output")
    first = first_part(tmp_path)
    resumed = Run.resume(first, launcher=launcher).start()
    resumed.poll()
    check_waiting(resumed, first, tmp_path, "the first event")
    launcher.may_start.set()
    statuses = [resumed.state.status for _ in resumed]
    assert statuses[0] == "waiting"
    assert "running" in statuses
    assert resumed.state.status == "done"
    assert stored(tmp_path, in_full=10**6) == resumed.state


def test_a_run_that_is_resumed_in_this_process_waits_until_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, may_import = first_part(tmp_path), threading.Event()
    monkeypatch.setattr(training_thread, "import_torch", lambda: may_import.wait(60))
    resumed = Run.resume(first).start()
    until = time.monotonic() + 60
    while resumed.state.waiting_for != "importing PyTorch":
        assert time.monotonic() < until
        resumed.poll()
    check_waiting(resumed, first, tmp_path, "importing PyTorch")
    may_import.set()
    assert resumed.result().status == "done"
    assert stored(tmp_path, in_full=10**6) == resumed.state
