"""The end of a worker: what reaches it too late is recorded by its driver, and what it leaves behind is removed."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from noted_launcher import NotedLauncher
from process_server import FORKING
from store_runs import stored
from training_runs import TINY, tiny_spec
from waiting import wait_for

from lrtui import CommandRefused, Event, LrtuiError, Notice, Run, StepDone
from lrtui.distributed import local_launcher
from lrtui.engine.received_files import ReceivedFiles
from lrtui.engine.worker_folder import PREFIX

pytestmark = pytest.mark.xdist_group("worker runs")

SLOW = TINY.replace(":Tiny", ":Slow")


class FarLauncher(NotedLauncher):
    """Starts workers here that see none of this process's files, as on another machine."""

    shares_files = False


@pytest.fixture
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_launcher, "subprocess", FORKING)


def warnings_and_refusals(run: Run, folder: Path, taken: Sequence[Event] = ()) -> tuple[list[str], list[str]]:
    """Follow a run to its end, check that all of it is stored, and return texts of warnings, reasons of refusals.

    Args:
        taken: its events that were taken before.
    """
    events = [*taken, *run]
    assert [event.seq for event in events] == list(range(len(events)))
    assert run.recording_error == ""
    assert stored(folder, in_full=10**6) == run.state
    return (
        [event.text for event in events if isinstance(event, Notice) and event.level == "warning"],
        [event.reason for event in events if isinstance(event, CommandRefused)],
    )


@pytest.mark.usefixtures("forked_workers")
def test_a_warning_and_a_command_that_come_after_the_last_step_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tiny_spec(store=str(tmp_path), epochs=1), launcher=FarLauncher(tmp_path / "output"))
    sent: list[bool] = []

    def fail_late(files: ReceivedFiles, message: object) -> None:
        # meanwhile the worker has trained
        time.sleep(2.0)
        sent.append(run.send("lr*0.5"))
        raise OSError("the disk is full")

    monkeypatch.setattr(ReceivedFiles, "take", fail_late)
    warnings, refusals = warnings_and_refusals(run.start(), tmp_path)
    assert run.state.status == "done"
    assert sent == [True]
    assert len(warnings) == 1
    assert "no checkpoint can be written into" in warnings[0]
    assert refusals == ["the run is over: done"]


@pytest.mark.usefixtures("forked_workers")
def test_a_warning_that_a_worker_can_no_longer_record_is_not_lost(tmp_path: Path) -> None:
    launcher = FarLauncher(tmp_path / "output")
    run = Run(tiny_spec(store=str(tmp_path), task=SLOW, epochs=1000), launcher=launcher).start()
    events: list[Event] = []
    while not any(isinstance(event, StepDone) for event in events):
        events += run.poll(1)
    os.kill(launcher.started[0]._process.pid, signal.SIGSTOP)  # type: ignore[attr-defined]
    run._thread._warn("the disk is full")
    run.send("lr*0.5")
    launcher.started[0].end()
    warnings, refusals = warnings_and_refusals(run, tmp_path, events)
    assert run.worker_lost
    assert warnings == ["the disk is full"]
    assert refusals == ["the run is over: failed"]


def test_the_folder_of_a_worker_that_is_killed_is_removed_by_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", None)

    def folders() -> list[Path]:
        return list((tmp_path / "temporary").glob(f"{PREFIX}*"))

    launcher = FarLauncher(tmp_path / "output")
    spec = tiny_spec(store=str(tmp_path), task=SLOW, epochs=1000)
    first = Run(spec, launcher=launcher).start()
    wait_for(lambda: first.poll() and first.state.epoch > 1)
    abandoned = folders()
    assert len(abandoned) == 1
    launcher.started[0].end()
    with pytest.raises(LrtuiError, match="its worker ended"):
        first.result()
    assert folders() == abandoned
    second = Run.resume(first, launcher=launcher).start()
    wait_for(lambda: second.poll() and second.state.step > first.state.step)
    assert len(folders()) == 1
    assert folders() != abandoned
    assert second.stop().status == "stopped"
    assert folders() == []
