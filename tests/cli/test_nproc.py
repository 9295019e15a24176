"""`lrtui train --nproc 2` and `lrtui resume --nproc`, started and driven as a user does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from process_server import FORKED_RANKS, ForkedProcess

from lrtui.schedules.command_notation import parse_command
from lrtui.store.inbox import send

pytestmark = pytest.mark.xdist_group("ranks")

SECONDS = 240.0
"""Time limit for what takes ten seconds on an idle machine."""

CASE_STUDY = ("--train-samples", "1664", "--test-samples", "101", "--epochs", "1", "--device", "cpu")
"""26 batches of the case study, and test samples that two processes can't halve."""


def start(*arguments: str, store: Path) -> ForkedProcess:
    (store / "ranks").mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "LRTUI_STORE": str(store),
        "PYTHONPATH": os.pathsep.join(sys.path),
        FORKED_RANKS: str(store / "ranks"),
    }
    command = [sys.executable, "-m", "lrtui", *arguments]
    return ForkedProcess(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def events_of(process: ForkedProcess) -> list[dict[str, Any]]:
    """Return the events that a run with `--json` prints until its end."""
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_two_processes_train_the_case_study_as_one_does(tmp_path: Path) -> None:
    train = ("train", "OneCycleLR(max_lr=0.003)", *CASE_STUDY, "--json")
    one, two = (events_of(start(*train, "--nproc", number, store=tmp_path)) for number in ("1", "2"))
    steps = [[event for event in events if event["event"] == "step_done"] for events in (one, two)]
    assert len(steps[0]) == 26
    assert [step["lrs"] for step in steps[0]] == [step["lrs"] for step in steps[1]]
    assert [step["loss"] for step in steps[1]] == pytest.approx([step["loss"] for step in steps[0]], abs=1e-4)
    (expected,), (result,) = ([event for event in events if event["event"] == "eval_done"] for events in (one, two))
    assert result["accuracy"] == expected["accuracy"]
    assert result["loss"] == pytest.approx(expected["loss"], abs=1e-4)
    started = [next(event for event in events if event["event"] == "run_started") for events in (one, two)]
    assert [event.get("processes") for event in started] == [None, 2]


def test_commands_a_killed_process_and_a_resume_with_one_process(
    tmp_path: Path,
) -> None:
    process = start(
        "train", "StepLR(1000)", "--task", "tiny_task:Slow", "--epochs", "1000", "--nproc", "2", store=tmp_path
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("Train Epoch: 1")

        def answer(command: str) -> str:
            return send(tmp_path, 1, parse_command(command), seconds=SECONDS).text

        assert answer("lr*0.5") == "lr 0.01 -> 0.005 (user)"
        assert answer("ConstantLR(factor=1.0) from current").startswith("switched to ConstantLR(factor=1.0)")
        assert answer("pause") == "paused"
        assert answer("resume").startswith("resumed")
        os.kill(int((tmp_path / "ranks" / "1").read_text()), signal.SIGKILL)
        assert process.wait(SECONDS) == 1
        said = process.stderr.read()
        assert "run failed: rank 1 (process " in said
        assert said.count("was killed by SIGKILL") == 1, said
        assert "lrtui resume 1 continues from its last checkpoint" in said
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()
    resumed = start("resume", "1", "--nproc", "1", "--json", store=tmp_path)
    try:
        assert resumed.stdout is not None
        first = next(event for line in resumed.stdout if (event := json.loads(line))["event"] == "run_started")
        assert first["spec"]["nproc"] == 1
        assert "processes" not in first
        step = next(event for line in resumed.stdout if (event := json.loads(line))["event"] == "step_done")
        assert step["lrs"] == [0.005]
        assert send(tmp_path, 1, parse_command("stop"), seconds=SECONDS).text
        assert resumed.wait(SECONDS) == 0
    finally:
        resumed.kill()
        resumed.communicate(timeout=SECONDS)
