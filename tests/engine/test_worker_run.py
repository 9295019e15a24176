"""A run that is trained in another process is the same as one of this process, for whoever watches it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from noted_launcher import NotedLauncher
from process_server import FORKING
from store_runs import stored
from tiny_task import Tiny
from training_runs import TINY, tiny_spec
from waiting import SECONDS, follow, wait_for

from lrtui import EpochDone, EvalDone, Event, LrtuiError, Run, RunStarted, UsageError
from lrtui.distributed import driver_port, local_launcher
from lrtui.distributed.local_launcher import LocalLauncher
from lrtui.engine.session import Session
from lrtui.engine.worker_messages import WorkerMessages
from lrtui.engine.worker_thread import WorkerThread
from lrtui.run.commands import RangeTest
from lrtui.run.errors import NotationError
from lrtui.run.events import CheckpointSaved, CommandRefused, LrSet, Paused, Resumed, RunFinished, ScheduleSwitched
from lrtui.run.range_feed import RangeFeed, Sweep
from lrtui.store.connection import open_for_reading
from lrtui.store.reader import find_run
from lrtui.training.checkpoint.files import saved_files

pytestmark = pytest.mark.xdist_group("worker runs")

SLOW = TINY.replace(":Tiny", ":Slow")
BREAKS = TINY.replace(":Tiny", ":Breaks")


class FarLauncher(LocalLauncher):
    """Starts workers here that see none of this process's files, as on another machine."""

    shares_files = False


@pytest.fixture(autouse=True)
def forked_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fork workers from a process that has imported PyTorch, which takes two seconds less."""
    monkeypatch.setattr(local_launcher, "subprocess", FORKING)


@pytest.fixture(params=["shared files", "no shared files"])
def launcher(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LocalLauncher]:
    kind = LocalLauncher if request.param == "shared files" else FarLauncher
    launcher = kind(tmp_path / "output")
    yield launcher
    launcher.close()


def comparable(events: list[Event], folder: Path) -> list[Event]:
    """Return the events without what differs between two runs: times and folders."""
    found = []
    for event in events:
        changes: dict[str, Any] = {"seconds": 0.0}
        match event:
            case EpochDone():
                changes["samples_per_second"] = 0.0
            case EvalDone():
                changes["seconds_taken"] = 0.0
            case CheckpointSaved():
                changes["path"] = str(Path(event.path).relative_to(folder))
            case RunStarted():
                changes["spec"] = replace(event.spec, store=None)
        found.append(replace(event, **changes))
    return found


def row_of(folder: Path, run: int = 1) -> Any:
    with closing(open_for_reading(folder)) as connection:
        return find_run(connection, str(run))


def test_a_run_in_a_worker_equals_one_in_this_process(tmp_path: Path, launcher: LocalLauncher) -> None:
    at = ("step 4: lr*0.5", "step 7: StepLR(2) from current", "epoch 2: evaluate")
    here, there = tmp_path / "here", tmp_path / "there"
    optimizer = 'SGD(lr=0.1, groups={"0.*": {"lr": 0.01}})'
    runs = [
        Run(tiny_spec(store=str(here), at=at, optimizer=optimizer, epochs=3, name="x")),
        Run(tiny_spec(store=str(there), at=at, optimizer=optimizer, epochs=3, name="x"), launcher=launcher),
    ]
    mine, theirs = (list(run.start()) for run in runs)
    assert [event.seq for event in theirs] == list(range(len(mine)))
    assert comparable(theirs, there) == comparable(mine, here)
    state = runs[1].state
    assert (state.loss, state.lrs) == (runs[0].state.loss, runs[0].state.lrs)
    assert (runs[1].is_recorded, runs[1].recording_error, runs[1].worker_lost) == (True, "", False)
    assert stored(there, in_full=10**6) == state
    names = [[file.path.name for file in saved_files(each / "checkpoints" / "1")] for each in (here, there)]
    assert names[0] == names[1] != []
    assert [path.name for path in (there / "checkpoints" / "1").iterdir() if path.suffix != ".pt"] == []


def test_commands_reach_the_worker(tmp_path: Path, launcher: LocalLauncher) -> None:
    run = Run(tiny_spec(store=str(tmp_path), task=SLOW, epochs=1000), launcher=launcher).start()
    # before it has connected
    run.send("lr*0.5")
    sent = iter(["pause", "resume", "StepLR(2) from current", "undo", "undo", "checkpoint", "stop"])
    answers: list[Event] = []
    for event in run:
        if isinstance(event, (LrSet, Paused, Resumed, ScheduleSwitched, CommandRefused)) or (
            isinstance(event, CheckpointSaved) and event.reason == "command"
        ):
            answers.append(event)
            assert run.send(next(sent))
    kinds = ["LrSet", "Paused", "Resumed", "ScheduleSwitched", "CommandRefused", "CommandRefused", "CheckpointSaved"]
    assert [type(answer).__name__ for answer in answers] == kinds
    assert run.state.status == "stopped"
    assert not run.send("pause")
    assert stored(tmp_path, in_full=10**6) == run.state
    newest = saved_files(tmp_path / "checkpoints" / "1")[-1]
    assert newest.step == run.state.step
    # it goes on from there, and a branch starts from its first epoch, also in workers
    resumed = Run.resume(run, launcher=launcher, epochs=1001).start()
    follow(resumed, lambda state: state.step > newest.step + 10)
    assert resumed.stop().status == "stopped"
    started = resumed.state.started
    assert started is not None
    assert (resumed.number, started.resumed_from) == (1, newest.step)
    assert stored(tmp_path, in_full=10**6) == resumed.state
    if run.state.epochs:
        branch = Run.branch(run, epoch=1, schedule="ConstantLR()", launcher=launcher).start()
        follow(branch, lambda state: state.step > 12)
        assert branch.stop().first_step == 6
        assert branch.number == 2


def test_what_ends_a_run_is_the_same_as_in_this_process(tmp_path: Path) -> None:
    launcher = LocalLauncher(tmp_path / "output")
    for settings, kind, message in (
        ({"task": BREAKS}, LrtuiError, "this loss is broken"),
        ({"schedule": "StepLR(0)"}, NotationError, "step_size takes a whole number"),
        ({"task": "no_such_file.py:Task"}, UsageError, "there is no file no_such_file.py"),
    ):
        folder = tmp_path / str(settings)[-9:-4]
        run = Run(tiny_spec(store=str(folder), **settings), launcher=launcher).start()
        with pytest.raises(kind, match=message):
            run.result()
        assert not run.worker_lost
        # a run whose settings are refused is not kept
        assert run.is_recorded == (kind is LrtuiError)
    launcher.close()


def test_an_error_on_another_machine_names_it(tmp_path: Path) -> None:
    launcher = FarLauncher(tmp_path / "output")
    run = Run(tiny_spec(store=str(tmp_path), task=BREAKS), launcher=launcher).start()
    with pytest.raises(LrtuiError, match=rf"this loss is broken.*\(on {re.escape(socket.gethostname())}\)$"):
        run.result()
    launcher.close()


def test_what_only_this_process_can_do_is_refused(tmp_path: Path) -> None:
    launcher = LocalLauncher(tmp_path / "output")
    with pytest.raises(UsageError, match="passed as an object can't be trained in another process"):
        Run(tiny_spec(), Tiny(), launcher=launcher)
    with Run(tiny_spec(store=str(tmp_path), task=SLOW, epochs=1000), launcher=launcher) as run:
        with pytest.raises(UsageError, match="run #1 is trained in another process"), run.between_steps():
            pass
        with pytest.raises(UsageError, match="run #1 is trained in another process, which has its model"):
            _ = run.model
        feed = RangeFeed()
        assert run.send(RangeTest(Sweep(), feed))
        assert feed.wait(SECONDS)
        assert feed.end is not None
        assert "run a range test on a fresh model" in str(feed.end.error)


def test_a_worker_finds_files_and_modules_as_this_process_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = Path(TINY.partition(":")[0]).read_text()
    (tmp_path / "in_folder.py").write_text(text)
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "on_path.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    launcher = LocalLauncher(tmp_path / "output")
    for number, task in enumerate(("in_folder.py:Tiny", "in_folder:Tiny", "on_path:Tiny"), 1):
        run = Run(tiny_spec(store="store", task=task, epochs=1), launcher=launcher).start()
        assert run.result().status == "done"
        assert run.store_folder == tmp_path / "store"
        assert run.number == number


def test_a_session_has_one_run_at_a_time_also_in_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # as with --nproc, but without its processes
    monkeypatch.setattr(WorkerThread, "_arguments", ["-m", "lrtui.engine.worker"])
    session = Session()
    spec = tiny_spec(store=str(tmp_path), task=SLOW, epochs=1000, nproc=2)
    first = session.start(spec)
    with pytest.raises(LrtuiError, match=r"run #1 is still running\. Stop it first"):
        session.start(spec)
    wait_for(lambda: session.poll() and first.state.step > 3)
    first.send("stop")
    wait_for(lambda: (session.poll(), not first.is_live)[1])
    second = session.start(spec)
    wait_for(lambda: session.poll() and second.state.step > 3)
    assert session.close(SECONDS, "the terminal was closed")
    session.poll()
    assert (first.state.status, second.state.status) == ("stopped", "stopped")
    assert "the terminal was closed" in [line.text for line in second.state.log.lines]
    assert [run.number for run in session.runs] == [1, 2]


def test_a_checkpoint_that_cannot_be_received_is_reported(tmp_path: Path) -> None:
    launcher = FarLauncher(tmp_path / "output")
    spec = tiny_spec(store=str(tmp_path), task=SLOW, epochs=1000, at=("step 3: checkpoint",))
    run = Run(spec, launcher=launcher)
    # a file where the folder should be
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "1").write_text("")
    follow(run.start(), lambda state: any("no checkpoint can be written into" in line.text for line in state.log.lines))
    assert run.stop().status == "stopped"
    assert stored(tmp_path, in_full=10**6) == run.state


def test_a_checkpoint_that_is_missing_when_its_run_is_resumed_is_reported(tmp_path: Path) -> None:
    launcher = FarLauncher(tmp_path / "output")
    run = Run(tiny_spec(store=str(tmp_path), epochs=2), launcher=launcher).start()
    assert run.result().status == "done"
    resumed = Run.resume(run, launcher=launcher, epochs=4)
    for file in saved_files(tmp_path / "checkpoints" / "1"):
        file.path.unlink()
    with pytest.raises(LrtuiError, match=r"can't read .*: No such file or directory"):
        resumed.start().result()
    assert not resumed.send("pause")
    assert row_of(tmp_path).state == "done"
    launcher.close()


def test_a_warning_after_the_last_event_of_a_worker_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = WorkerMessages._publish

    def publish_and_warn(messages: WorkerMessages, event: Event) -> None:
        publish(messages, event)
        if isinstance(event, RunFinished):
            messages._warn("the disk is full", "store")

    monkeypatch.setattr(WorkerMessages, "_publish", publish_and_warn)
    run = Run(tiny_spec(store=str(tmp_path)), launcher=LocalLauncher(tmp_path / "output"))
    events = list(run.start())
    assert (run.recording_error, row_of(tmp_path).state) == ("", "done")
    run.poll()
    assert "the disk is full" in [line.text for line in run.state.log.lines]
    assert [event.seq for event in events] == list(range(len(events)))


def test_several_runs_at_once_in_workers_beside_one_in_this_process(tmp_path: Path) -> None:
    launcher = LocalLauncher(tmp_path / "output")
    spec = tiny_spec(store=str(tmp_path), task=SLOW, epochs=1000)
    with Run(spec) as here, Run(spec, launcher=launcher) as first, Run(spec, launcher=launcher) as second:
        for run in (here, first, second):
            follow(run, lambda state: state.step > 3)
        with pytest.raises(LrtuiError, match="run #1 is still running"):
            Run(spec).start()
    assert {here.number, first.number, second.number} == {1, 2, 3}
    for run in (here, first, second):
        assert run.state.status == "stopped"
        assert stored(tmp_path, run.number, in_full=10**6) == run.state


def test_a_worker_that_is_killed_ends_its_run_which_can_be_resumed(tmp_path: Path) -> None:
    launcher = NotedLauncher(tmp_path / "output")
    spec = tiny_spec(store=str(tmp_path), task=SLOW, epochs=1000, checkpoint_seconds=0.05)
    run = Run(spec, launcher=launcher).start()
    follow(run, lambda state: state.epoch > 2)
    launcher.started[0].end()
    with pytest.raises(LrtuiError, match="its worker ended: its process was killed by SIGKILL"):
        run.result()
    assert run.worker_lost
    assert (row_of(tmp_path).state, row_of(tmp_path).error[:17]) == ("failed", "its worker ended:")
    assert stored(tmp_path, in_full=10**6) == run.state
    resumed = Run.resume(run, launcher=launcher).start()
    follow(resumed, lambda state: state.started is not None and state.started.resumed_from)
    assert resumed.stop().status == "stopped"
    # terminated, since the machine is needed for something else: it is saved, and lost for this process
    again = Run.resume(run, launcher=launcher).start()
    follow(again, lambda state: state.started is not None and state.started.resumed_from)
    follow(again, lambda state: state.step > resumed.state.step + 5)
    os.kill(launcher.started[-1]._process.pid, signal.SIGTERM)  # type: ignore[attr-defined]
    with pytest.raises(LrtuiError, match="its worker ended: its process ended with status 143"):
        again.result()
    assert again.worker_lost
    assert saved_files(tmp_path / "checkpoints" / "1")[-1].step == again.state.step
    assert not any(process.is_alive for process in launcher.started)


DRIVER = """
import sys
from lrtui import Run, RunSpec
from lrtui.distributed.local_launcher import LocalLauncher

class Launcher(LocalLauncher):
    def start(self, *arguments):
        process = super().start(*arguments)
        print(process._process.pid, flush=True)
        return process

spec = RunSpec(task=sys.argv[1], store=sys.argv[2], batch_size=16, epochs=1000, schedule="StepLR(9)")
for event in Run(spec, launcher=Launcher()).start():
    pass
"""
"""A script with a run in a fresh process of its own."""


def test_a_worker_whose_driver_is_killed_saves_and_ends(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with subprocess.Popen([sys.executable, "-c", DRIVER, SLOW, str(folder)], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        worker = psutil.Process(int(driver.stdout.readline()))
        wait_for(lambda: saved_files(folder / "checkpoints" / "1"))
        before = saved_files(folder / "checkpoints" / "1")[-1]
        driver.kill()
        wait_for(lambda: not worker.is_running())
    assert saved_files(folder / "checkpoints" / "1")[-1].seq > before.seq
    assert row_of(folder).state == "lost"
    run = Run.resume(folder, launcher=LocalLauncher(tmp_path / "output")).start()
    follow(run, lambda state: state.started is not None and state.started.resumed_from)
    assert run.stop().status == "stopped"


def test_a_worker_that_cannot_start_or_is_refused_ends_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launcher = LocalLauncher(tmp_path / "output")
    monkeypatch.setattr(WorkerThread, "_arguments", ["-m", "no_such_module"])
    run = Run(tiny_spec(store=str(tmp_path)), launcher=launcher).start()
    with pytest.raises(LrtuiError, match=f"its worker ended: its process ended with status 1: .*; see {tmp_path}"):
        run.result()
    assert run.worker_lost
    monkeypatch.undo()
    monkeypatch.setattr(local_launcher, "subprocess", FORKING)
    monkeypatch.setattr(driver_port, "VERSION", "0.0.1")
    run = Run(tiny_spec(store=str(tmp_path)), launcher=launcher).start()
    with pytest.raises(LrtuiError, match=r"this worker has lrtui .*, and the process that started the run has 0\.0\.1"):
        run.result()
    assert not run.worker_lost
    assert row_of(tmp_path, 2).state == "failed"


def test_updating_the_state_folds_what_polling_folds(launcher: LocalLauncher, tmp_path: Path) -> None:
    with Run(tiny_spec(store=str(tmp_path)), launcher=launcher) as run:
        while run.is_live:
            run.update()
            time.sleep(0.01)
        assert run.has_begun
        stored_state = stored(tmp_path, run.number)
        assert run.state.outcome == stored_state.outcome
        assert run.state.loss == stored_state.loss
        assert run.state.lrs == stored_state.lrs
        assert run.state.step == stored_state.step > 0
