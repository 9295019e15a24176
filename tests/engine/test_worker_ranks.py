"""A run that several processes train for a driver: how it is commanded, and how it ends when one of them is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
from process_server import FORKED_RANKS, ForkedProcess
from store_runs import stored
from training_runs import TINY, tiny_spec
from waiting import SECONDS, follow

from lrtui import LrtuiError, Run
from lrtui.distributed import local_launcher
from lrtui.engine.worker_ranks import divide_threads
from lrtui.training.checkpoint.files import saved_files

pytestmark = pytest.mark.xdist_group("worker runs")

SLOW = TINY.replace(":Tiny", ":Slow")


class Agents:
    """The processes that launchers start, which start the ranks.

    Args:
        folder: receives the ids of forked ranks; None for fresh ones, which end when their agent ends.
    """

    def __init__(self, folder: Path | None) -> None:
        self.started: list[int] = []
        self._folder = folder

    def ranks(self) -> list[psutil.Process]:
        """Return the processes that the first agent has started, by rank."""
        if self._folder is None:
            ranks = psutil.Process(self.started[0]).children()
            return sorted(ranks, key=lambda process: int(process.environ()["RANK"]))
        return [psutil.Process(int((self._folder / rank).read_text())) for rank in "01"]


@pytest.fixture
def agents(killed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agents:
    """Let launchers start noted processes."""
    kind: Any = subprocess.Popen if killed == "the agent" else ForkedProcess
    folder = None if killed == "the agent" else tmp_path / "ranks"
    agents = Agents(folder)

    class Noted(kind):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            agents.started.append(self.pid)

    others = {name: getattr(subprocess, name) for name in ("DEVNULL", "TimeoutExpired")}
    monkeypatch.setattr(local_launcher, "subprocess", SimpleNamespace(Popen=Noted, **others))
    if folder is not None:
        folder.mkdir()
        monkeypatch.setenv(FORKED_RANKS, str(folder))
    return agents


@pytest.mark.parametrize("killed", ["rank 1", "rank 0", "the agent"])
def test_a_process_that_is_killed_ends_the_run(killed: str, tmp_path: Path, agents: Agents) -> None:
    spec = tiny_spec(store=str(tmp_path), task=SLOW, epochs=1000, nproc=2)
    run = Run(spec).start()
    follow(run, lambda state: state.epoch > 2)
    if killed == "rank 1":
        for command in ("pause", "lr*0.5", "resume"):
            run.send(command)
        follow(run, lambda state: state.status == "running" and state.changes)
    ranks = agents.ranks()
    victim = psutil.Process(agents.started[0]) if killed == "the agent" else ranks[int(killed[-1])]
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
        process.wait(SECONDS)
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
