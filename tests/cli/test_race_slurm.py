"""`lrtui race --engine slurm`, through submitit's local executor."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from command_line import CommandLine
from training_runs import TINY

SCHEDULES = ("ConstantLR(factor=1.0)", "OneCycleLR(max_lr=0.05)")
ON_SLURM = ("--engine", "slurm", "--slurm", "cluster=local")
SECONDS = 240.0

pytestmark = pytest.mark.xdist_group("slurm")


@pytest.fixture
def lrtui(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[CommandLine]:
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    yield CommandLine(tmp_path / "store", capsys)
    until = time.monotonic() + SECONDS
    while {process.pid for process in psutil.Process().children(recursive=True)} - before:
        assert time.monotonic() < until, "processes are left"
        time.sleep(0.1)


def workers() -> list[psutil.Process]:
    """Return the worker processes that jobs have started."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "lrtui.engine.worker" in process.cmdline():
                found.append(process)
    return found


def has_stored_checkpoint(folder: Path) -> bool:
    """Return whether the store knows of a checkpoint, from which a lost run goes on."""
    try:
        connection = sqlite3.connect(f"file:{folder / 'runs.db'}?mode=ro", uri=True)
        with closing(connection):
            return connection.execute("SELECT 1 FROM events WHERE kind = 'checkpoint_saved'").fetchone() is not None
    except sqlite3.Error:
        return False


def race_results(lrtui: CommandLine, *options: str) -> dict[str, Any]:
    """Return the steps and results of the tests of each run, without their times."""
    settings = ("--task", TINY, "--batch-size", "16", "--epochs", "2", "--seeds", "1", "--new", "--json")
    answer = lrtui("race", *SCHEDULES, *settings, *options)
    assert answer.status == 0, answer.err
    records = [json.loads(line) for line in answer.lines]
    return {
        record["schedule"]: [(test["step"], test["accuracy"], test["loss"]) for test in record["tests"]]
        for record in records
        if record["record"] == "run"
    }


def test_a_race_of_jobs_has_the_results_of_the_local_engine(lrtui: CommandLine) -> None:
    assert race_results(lrtui, *ON_SLURM) == race_results(lrtui)
    files = sorted(path.name for path in (lrtui.folder / "slurm").iterdir())
    assert len(files) == 2
    assert all(name.endswith("_log.out") for name in files)


def test_a_run_whose_worker_is_killed_goes_on_in_another_job(lrtui: CommandLine) -> None:
    killed: list[int] = []

    def kill_the_worker_of_run_1() -> None:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until and not killed:
            if (found := workers()) and has_stored_checkpoint(lrtui.folder):
                found[0].kill()
                killed.append(found[0].pid)
            time.sleep(0.05)

    killer = threading.Thread(target=kill_the_worker_of_run_1)
    killer.start()
    task = ("--task", TINY.replace(":Tiny", ":Slow"), "--batch-size", "16", "--epochs", "120", "--seeds", "1")
    answer = lrtui("race", *SCHEDULES, *task, "--checkpoint-seconds", "0.2", "--no-stop", *ON_SLURM)
    killer.join()
    assert len(killed) == 1
    assert answer.status == 0
    assert "its process was killed by SIGKILL" in answer.err
    assert "it goes on from step" in answer.err
    assert "resumes at step" in answer.err
    listed = json.loads(lrtui("runs", "list", "--json").out.splitlines()[0])
    assert listed["state"] == "done"
