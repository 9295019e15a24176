"""Races and searches on a Ray cluster of two nodes: one is killed, and so is the driver."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from other_process import computed, rows
from ray_cluster import SECONDS, RayCluster, wait_for
from training_runs import TINY

from lrtui.__main__ import main
from lrtui.analysis.race.plan import RacePlan
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.results import read_results
from lrtui.store.location import DATABASE
from lrtui.training.checkpoint.files import saved_files

pytestmark = pytest.mark.xdist_group("ray")

EPOCHS, STEPS = 40, 240

SCHEDULES = ("ConstantLR(factor=1.0)", "OneCycleLR(max_lr=0.05)")

TASK = """
from tiny_task import Slow

class Travelled(Slow):
    def training_data(self):
        # Ray unpacks what travels in a folder of its own
        assert "working_dir_files" in __file__, __file__
        return super().training_data()

class Searched(Slow):
    # the range test of a search is in its own process
    pass
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayCluster]:
    cluster = RayCluster()
    yield cluster
    cluster.end()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with a task that has to travel to the nodes."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(TINY.rpartition(":")[0], folder)
    (folder / "task.py").write_text(TASK)
    return folder


def arguments(task: str, seeds: int) -> list[str]:
    settings = ["--seeds", str(seeds), "--task", task, "--batch-size", "16", "--epochs", str(EPOCHS), "--no-stop"]
    return ["race", *SCHEDULES, *settings]


def start(cluster: RayCluster, project: Path, *more: str) -> subprocess.Popen[str]:
    """Start lrtui as a user would; what it prints goes to `out` and `err`."""
    with open(project / "out", "w") as out, open(project / "err", "w") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "lrtui", *more, "--store", "store"],
            cwd=project,
            env={**cluster.environment, "PYTHONPATH": str(Path(__file__).parents[3])},
            stdout=out,
            stderr=err,
            text=True,
        )


def plan_of(folder: Path) -> RacePlan:
    return PlanFiles(folder).find("last")


def has_begun(folder: Path, run: int) -> bool:
    """Return whether a run has a checkpoint in the store, and is not at its end."""
    if not saved_files(folder / "checkpoints" / str(run)):
        return False
    (found,) = rows(folder, "SELECT step FROM runs WHERE id = ?", [run])
    return 0 < found[0] < STEPS - 40


def assert_equal_runs(folder: Path, whole: Path) -> None:
    """Check that two races have the same runs, each with every step once."""
    plan, expected = plan_of(folder), plan_of(whole)
    assert [result.state for result in read_results(folder, plan)] == ["done"] * len(plan.cells)
    assert rows(folder, "SELECT count(*) FROM runs") == [(len(plan.cells),)]
    for cell in plan.cells:
        run = plan.runs[cell]
        steps = rows(folder, "SELECT step FROM batches WHERE run = ? AND NOT superseded ORDER BY step", [run])
        assert [step for (step,) in steps] == list(range(STEPS))
        assert computed(folder, run) == computed(whole, expected.runs[cell])


def local_race(folder: Path, seeds: int) -> Path:
    """Return the store of the same race in this process, without the task's pauses."""
    assert main([*arguments(TINY, seeds), "--quiet", "--store", str(folder)]) == 0
    return folder


def test_a_race_goes_on_after_the_loss_of_a_node(cluster: RayCluster, project: Path, tmp_path: Path) -> None:
    race = start(cluster, project, *arguments("task.py:Travelled", 4), "--engine", "ray", "--address", cluster.address)
    store, err = project / "store", project / "err"
    lost: set[int] = set()

    def has_run_on_second_node() -> bool:
        assert race.poll() is None, err.read_text()
        # Ray names the process of a task after the task
        names = re.findall(r"ray::run-(\d+)", " ".join(cluster.second.commands("ray::run-")))
        lost.update(run for run in map(int, names) if has_begun(store, run))
        return bool(lost)

    wait_for(has_run_on_second_node)
    cluster.second.kill()
    assert race.wait(SECONDS) == 0, err.read_text()
    lines = err.read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("lost: ")]
    assert re.search(r"with seed \d: its worker ended: .*; it goes on from step \d+$", line), line
    assert any("resumes at step" in line for line in lines)
    assert_equal_runs(store, local_race(tmp_path / "whole", 4))
    # standard output has the results alone
    assert (project / "out").read_text().startswith("race 1: 2 schedules, 4 seeds")
    wait_for(lambda: not cluster.head.commands("lrtui.engine.worker"))


def test_a_race_whose_process_was_killed_is_resumed(cluster: RayCluster, project: Path, tmp_path: Path) -> None:
    store, err = project / "store", project / "err"
    race = start(cluster, project, *arguments("task.py:Travelled", 1), "--engine", "ray", "--address", cluster.address)

    def has_run() -> bool:
        assert race.poll() is None, err.read_text()
        runs = plan_of(store).runs.values() if (store / DATABASE).exists() else ()
        return len(runs) == 2 and all(has_begun(store, run) for run in runs)

    wait_for(has_run)
    race.kill()
    race.wait()
    # the workers end by themselves
    wait_for(lambda: not cluster.head.commands("lrtui.engine.worker"))
    assert any(result.state == "lost" for result in read_results(store, plan_of(store)))
    again = start(cluster, project, "race", "--resume")
    assert again.wait(SECONDS) == 0, err.read_text()
    assert "resumes at step" in err.read_text()
    assert_equal_runs(store, local_race(tmp_path / "whole", 1))


def search(capsys: pytest.CaptureFixture[str], folder: Path, *settings: str) -> dict[str, Any]:
    """Return the results of the same search in this process, without the task's pauses."""
    capsys.readouterr()
    assert main(["suggest", "--task", TINY, *settings, "--store", str(folder)]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_a_search_goes_on_after_the_loss_of_a_node(
    cluster: RayCluster, project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not cluster.second.is_running:
        cluster.start_second()
    settings = ("--batch-size", "16", "--epochs", "20", "--budget", "0.9", "--json")
    on_ray = ("--engine", "ray", "--address", cluster.address)
    process = start(cluster, project, "suggest", "--task", "task.py:Searched", *settings, *on_ray)
    err = project / "err"

    def has_run_on_second_node() -> bool:
        assert process.poll() is None, err.read_text()
        return bool(cluster.second.commands("ray::run-"))

    wait_for(has_run_on_second_node)
    cluster.second.kill()
    assert process.wait(SECONDS) == 0, err.read_text()
    assert any(line.startswith("lost: ") for line in err.read_text().splitlines())
    found, expected = json.loads((project / "out").read_text()), search(capsys, tmp_path / "whole", *settings)
    for name in ("schedule", "optimizer", "lr", "rounds", "spent"):
        assert found[name] == expected[name]
    wait_for(lambda: not cluster.head.commands("lrtui.engine.worker"))


LAUNCHER = """
import os, sys, time
from pathlib import Path
from lrtui.distributed.job_files import JobFiles
from lrtui.distributed.ray_launcher import RayLauncher

files = JobFiles.of_code(["task.py"], Path("store"))
launcher = RayLauncher(sys.argv[1], gpus=0.0, threads=3, files=files, say=print)

def run(code, seconds=240.0):
    worker = launcher.start(["-c", code], {"OF_WORKER": "1"}, "run-1")
    until = time.monotonic() + seconds
    while worker.is_alive and time.monotonic() < until:
        time.sleep(0.02)
    return worker

variables = "os.environ['OF_WORKER'], os.environ['OMP_NUM_THREADS']"
print(run(f"import os; print(sorted(os.listdir()), {variables}); exit(3)").failure())
print(run("import os, sys; print('last words', flush=True); os.abort()").failure())
print(repr(run("print('all is well')").failure()))
waits = [run("import time; time.sleep(1000)", 0.0) for _ in range(5)]
print({worker.waiting_for for worker in waits})
waits[4].end()
while waits[4].is_alive:
    time.sleep(0.02)
print(waits[4].failure(), [worker.is_alive for worker in waits])
launcher.close()
print({worker.failure() for worker in waits})
"""


def test_how_workers_end(cluster: RayCluster, project: Path) -> None:
    (project / ".git").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", LAUNCHER, cluster.address],
        cwd=project,
        env={**cluster.environment, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.stdout.splitlines() == [
        "its process ended with status 3: ['task.py', 'tiny_task.py'] 1 3",
        "its process was killed by SIGABRT: last words",
        "''",
        "{'room in the Ray cluster'}",
        "it was cancelled [True, True, True, True, False]",
        "{'it was cancelled'}",
    ], done.stderr
    assert done.stderr == ""
    wait_for(lambda: not cluster.head.commands("time.sleep(1000)"))
