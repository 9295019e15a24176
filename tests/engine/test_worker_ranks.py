"""A run that several processes train for a driver: how it is commanded, and how it ends when one of them is killed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from store_runs import stored
from training_runs import TINY, tiny_spec

from lrtui import LrtuiError, Run
from lrtui.distributed import local_launcher
from lrtui.engine.worker_ranks import divide_threads
from lrtui.run.state import RunState
from lrtui.training.checkpoint.files import saved_files

pytestmark = pytest.mark.xdist_group("worker runs")

SLOW = TINY.replace(":Tiny", ":Slow")


def follow(run: Run, condition: Callable[[RunState], object]) -> None:
    """Take events of a run until the condition is met."""
    until = time.monotonic() + 120
    while not condition(run.state):
        assert time.monotonic() < until
        assert run.is_live, run.error
        if not run.poll(1):
            time.sleep(0.005)


def ranks_of(agent: int) -> list[psutil.Process]:
    """Return the processes that the agent has started, by rank."""
    return sorted(psutil.Process(agent).children(), key=lambda process: int(process.environ()["RANK"]))


@pytest.fixture
def agents(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the processes that launchers start."""
    started: list[int] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self.pid)

    others = {name: getattr(subprocess, name) for name in ("DEVNULL", "TimeoutExpired")}
    monkeypatch.setattr(local_launcher, "subprocess", SimpleNamespace(Popen=Noted, **others))
    return started


@pytest.mark.parametrize("killed", ["rank 1", "rank 0", "the agent"])
def test_a_process_that_is_killed_ends_the_run(killed: str, tmp_path: Path, agents: list[int]) -> None:
    spec = tiny_spec(store=str(tmp_path), task=SLOW, epochs=1000, nproc=2)
    run = Run(spec).start()
    follow(run, lambda state: state.epoch > 2)
    if killed == "rank 1":
        for command in ("pause", "lr*0.5", "resume"):
            run.send(command)
        follow(run, lambda state: state.status == "running" and state.changes)
    ranks = ranks_of(agents[0])
    victim = psutil.Process(agents[0]) if killed == "the agent" else ranks[int(killed[-1])]
    victim.kill()
    with pytest.raises(LrtuiError) as caught:
        run.result()
    expected = f"{killed} (process {victim.pid}) was killed by SIGKILL"
    assert (
        str(caught.value)
        == {
            "rank 1": expected,
            "rank 0": f"its worker ended: {expected}",
            "the agent": "its worker ended: its process was killed by SIGKILL",
        }[killed]
    )
    assert run.worker_lost
    assert run.state.outcome is not None
    assert run.state.outcome.error == str(caught.value)
    assert stored(tmp_path, in_full=10**6) == run.state
    for process in ranks:
        process.wait(60)
    if killed == "rank 1":
        newest = saved_files(tmp_path / "checkpoints" / "1")[-1]
        resumed = Run.resume(run, nproc=1).start()
        follow(resumed, lambda state: state.step > newest.step + 3)
        assert resumed.stop().status == "stopped"


def test_the_threads_are_divided_unless_the_user_has_set_them() -> None:
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    for processes, expected in ((1, cores), (4 * cores, 1)):
        environment: dict[str, str] = {}
        divide_threads(processes, environment)
        assert environment["OMP_NUM_THREADS"] == str(expected)
    environment = {"OMP_NUM_THREADS": "7"}
    divide_threads(2, environment)
    assert environment["OMP_NUM_THREADS"] == "7"
