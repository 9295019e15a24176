"""`lrtui train` and `lrtui resume` as processes that torchrun has started together."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from lrtui.__main__ import main

pytestmark = pytest.mark.xdist_group("ranks")


def of_rank(rank: int, port: int) -> dict[str, str]:
    """Return the environment that torchrun gives a process."""
    ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return {**os.environ, **ranks, **where, "PYTHONPATH": os.pathsep.join(sys.path)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["StepLR(1)"], "torchrun can't open the cockpit: lrtui --nproc N opens it"),
        (["race", "StepLR(1)"], "torchrun can't start a race: lrtui race --nproc N"),
        (["find"], "use this command without torchrun (lrtui train --nproc N"),
        (
            ["train", "StepLR(1)", "--nproc", "2"],
            "--nproc is not allowed under torchrun, which has started 2 processes",
        ),
        (["resume", "1", "--nproc", "2"], "--nproc is not allowed under torchrun"),
    ],
)
def test_what_torchrun_can_not_start_says_what_to_do(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in of_rank(0, 29500).items():
        monkeypatch.setenv(name, value)
    assert main(arguments) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_commands_that_do_not_train_run_in_a_script_of_torchrun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in of_rank(0, 29500).items():
        monkeypatch.setenv(name, value)
    assert main(["schedulers", "StepLR"]) == 0
    assert "StepLR" in capsys.readouterr().out
