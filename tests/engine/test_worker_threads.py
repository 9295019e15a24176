"""The threads of a worker: how many there are, and how they wait."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from process_server import FORKING
from training_runs import tiny_spec

from lrtui import Run
from lrtui.distributed import local_launcher
from lrtui.distributed.local_launcher import LocalLauncher
from lrtui.engine.openmp import CHOICES, SPIN_COUNT

TASK = """
import json, os, torch
from pathlib import Path
from tiny_task import Tiny
class Shows(Tiny):
    def model(self):
        names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "OMP_NUM_THREADS")
        Path(os.environ["SHOWN"]).write_text(json.dumps({name: os.environ.get(name) for name in names}))
        return super().model()
"""


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(local_launcher, "subprocess", FORKING)
    for name in (*CHOICES, "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SHOWN", str(tmp_path / "shown"))
    (tmp_path / "shows.py").write_text(TASK)


def shown_by_a_worker(folder: Path, threads: int | None = None) -> tuple[dict[str, str | None], int]:
    """Return the environment of a worker, and the number of its torch threads."""
    launcher = LocalLauncher(folder / "output", threads)
    try:
        run = Run(tiny_spec(task=f"{folder / 'shows.py'}:Shows", epochs=1), launcher=launcher).start()
        state = run.result()
    finally:
        launcher.close()
    assert state.started is not None
    return json.loads((folder / "shown").read_text()), state.started.torch_threads


def test_a_worker_of_a_script_limits_the_spinning_of_its_threads(tmp_path: Path) -> None:
    environment, _ = shown_by_a_worker(tmp_path)
    assert environment["GOMP_SPINCOUNT"] == str(SPIN_COUNT)
    # the script's own process keeps what it has
    assert "GOMP_SPINCOUNT" not in os.environ


def test_a_worker_waits_as_the_user_has_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    environment, _ = shown_by_a_worker(tmp_path)
    assert (environment["OMP_WAIT_POLICY"], environment["GOMP_SPINCOUNT"]) == ("ACTIVE", None)


def test_the_threads_of_a_worker_are_set_before_torch_is_imported(tmp_path: Path) -> None:
    environment, threads = shown_by_a_worker(tmp_path, threads=3)
    assert (environment["OMP_NUM_THREADS"], threads) == ("3", 3)
