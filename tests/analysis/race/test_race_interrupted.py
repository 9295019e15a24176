"""Races that are killed or stopped by a signal can be resumed, with the results of an uninterrupted race."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from other_process import SLOW, computed
from process_server import ForkedProcess
from race_runs import standing
from training_runs import TINY
from waiting import SECONDS, wait_for

from lrtui.__main__ import main
from lrtui.analysis.race.plan import RacePlan
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.results import read_results
from lrtui.run.errors import LrtuiError
from lrtui.store.connection import open_for_reading
from lrtui.training.checkpoint.files import saved_files

SCHEDULES = ("ConstantLR(factor=1.0)", "OneCycleLR(max_lr=0.05)")


def arguments_of(task: str) -> list[str]:
    return ["race", *SCHEDULES, "--seeds", "2", "--task", task, "--batch-size", "16", "--epochs", "40", "--no-stop"]


def race(folder: Path, *more: str, start: Any = ForkedProcess) -> Any:
    text = ["race"] if "--resume" in more else arguments_of(SLOW)
    return start(
        [sys.executable, "-m", "lrtui", *text, *more, "--store", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def steps_of(folder: Path) -> int:
    """Return the number of steps that all runs have done together."""
    try:
        connection = open_for_reading(folder)
    except LrtuiError:
        return 0
    total = connection.execute("SELECT coalesce(sum(step), 0) FROM runs").fetchone()[0]
    connection.close()
    return int(total)


def wait_for_steps(folder: Path, steps: int, process: Any) -> None:
    wait_for(lambda: steps_of(folder) >= steps or process.poll() is not None, seconds=2 * SECONDS)
    assert process.poll() is None, process.communicate()


def plan_of(folder: Path) -> RacePlan:
    return PlanFiles(folder).find("last")


@pytest.mark.parametrize("processes", [pytest.param("1", marks=pytest.mark.deep), "2"])
def test_a_killed_race_ends_with_the_same_results_after_resuming(
    processes: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = race(tmp_path / "killed", "--processes", processes)
    # a run has 240 steps: killed during the first runs, and again later
    for steps, text in ((100, ()), (700, ("--resume",))):
        if text:
            killed = race(tmp_path / "killed", *text)
        wait_for_steps(tmp_path / "killed", steps, killed)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    last = race(tmp_path / "killed", "--resume", "last", "--json")
    out, err = last.communicate(timeout=600)
    assert last.returncode == 0, err
    # the same computation in this process, without interruption and without the task's pauses
    assert main([*arguments_of(TINY), "--store", str(tmp_path / "whole")]) == 0, capsys.readouterr().err
    resumed, uninterrupted = plan_of(tmp_path / "killed"), plan_of(tmp_path / "whole")
    assert [result.state for result in read_results(tmp_path / "killed", resumed)] == ["done"] * 4
    for cell in resumed.cells:
        assert computed(tmp_path / "killed", resumed.runs[cell]) == computed(
            tmp_path / "whole", uninterrupted.runs[cell]
        )
    assert out.count('"record": "run"') == 4
    first, expected = (
        standing(tmp_path / folder, plan).placings[0]
        for folder, plan in (("killed", resumed), ("whole", uninterrupted))
    )
    assert first.values == expected.values


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=lambda it: str(it)
)
def test_a_signal_saves_checkpoints_and_prints_how_to_resume(number: int, status: int, tmp_path: Path) -> None:
    process = race(tmp_path, "--processes", "2")
    wait_for_steps(tmp_path, 100, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=600)
    assert process.returncode == status
    assert f"lrtui race --resume 1 --store {tmp_path} continues it" in err
    assert "not ranked" in out
    states = {result.state for result in read_results(tmp_path, plan_of(tmp_path))}
    assert states <= {"stopped", "missing", "done"}
    assert "stopped" in states


def test_the_runs_of_a_killed_race_stop(tmp_path: Path) -> None:
    # fresh processes, as a user's
    process = race(tmp_path, "--processes", "2", start=subprocess.Popen)
    wait_for_steps(tmp_path, 60, process)
    before = {result.run: result.step for result in read_results(tmp_path, plan_of(tmp_path)) if result.step}
    workers = psutil.Process(process.pid).children(recursive=True)
    assert len(workers) >= 2
    process.kill()
    process.communicate()
    # they notice that the race has ended, and save a checkpoint
    _, running = psutil.wait_procs(workers, SECONDS)
    assert not running
    results = {result.run: result for result in read_results(tmp_path, plan_of(tmp_path))}
    for run, step in before.items():
        assert results[run].state == "lost"
        assert saved_files(tmp_path / "checkpoints" / str(run))[-1].step >= step
