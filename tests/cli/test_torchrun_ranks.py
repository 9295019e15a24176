"""`lrtui train` and `lrtui resume` as processes that torchrun has started together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from free_port import free_port
from process_server import ForkedProcess

from lrtui.__main__ import main
from lrtui.schedules.command_notation import parse_command
from lrtui.store.inbox import send

pytestmark = pytest.mark.xdist_group("ranks")

SECONDS = 240.0
"""Time limit for what takes seconds on an idle machine."""

TINY = ("--task", "tiny_task:Tiny", "--log-interval", "1", "--device", "cpu")


def of_rank(rank: int, port: int) -> dict[str, str]:
    """Return the environment that torchrun gives a process."""
    ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return {**os.environ, **ranks, **where, "PYTHONPATH": os.pathsep.join(sys.path)}


@contextmanager
def ranks_of(*arguments: str, store: Path) -> Iterator[tuple[ForkedProcess, ForkedProcess]]:
    """Start two processes; only rank 0 finds the store."""
    port = free_port()
    processes = []
    try:
        for rank in range(2):
            processes.append(
                ForkedProcess(
                    [sys.executable, "-m", "lrtui", *arguments],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env={**of_rank(rank, port), "LRTUI_STORE": str(store / str(rank))},
                )
            )
        yield processes[0], processes[1]
    finally:
        for process in processes:
            process.kill()
            for stream in (process.stdout, process.stderr):
                assert stream is not None
                stream.close()


def train(*arguments: str, store: Path) -> tuple[list[str], list[str]]:
    """Run a command in two processes that succeed; return what each printed on standard output and standard error."""
    with ranks_of(*arguments, store=store) as processes:
        printed = [process.communicate(timeout=SECONDS) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    return list(printed[0]), list(printed[1])


def stored(store: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    capsys.readouterr()
    assert main(["runs", "list", "--json", "--sort", "id", "--store", str(store / "0")]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def own_lines(printed: Sequence[str]) -> list[str]:
    """Return the lines without those of PyTorch."""
    return [line for text in printed for line in text.splitlines() if not line.startswith("[rank")]


def test_rank_0_prints_and_records_and_the_other_is_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, other = train("train", "StepLR(1)", *TINY, "--epochs", "2", store=tmp_path)
    assert first[0].count("Train Epoch:") == 4
    assert first[0].count("Test set:") == 2
    assert "device: cpu, 2 processes with 1 thread each\n" in first[1]
    assert own_lines(other) == []
    (run,) = stored(tmp_path, capsys)
    assert (run["state"], run["nproc"]) == ("done", 2)
    assert not (tmp_path / "1").exists()
    assert main(["runs", "show", "1", "--store", str(tmp_path / "0")]) == 0
    assert "cpu, 2 processes with 1 thread each" in capsys.readouterr().out


def test_only_rank_0_reports_a_mistake(tmp_path: Path) -> None:
    with ranks_of("train", "StepLR(gama=1)", *TINY, store=tmp_path) as (first, other):
        out, err = first.communicate(timeout=SECONDS)
        assert (first.returncode, out) == (2, "")
        assert "StepLR has no argument gama" in err
        # torchrun ends the others, which leave rank 0 the time to report
        assert other.poll() is None
        os.kill(other.pid, signal.SIGTERM)
        assert other.communicate(timeout=SECONDS) == ("", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_all_processes_stops_the_run_once(
    number: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = ("--task", "tiny_task:Slow", "--device", "cpu", "--epochs", "1000")
    with ranks_of("train", "StepLR(1)", *slow, store=tmp_path) as processes:
        first, other = processes
        assert first.stdout is not None
        assert first.stdout.readline().startswith("Train Epoch: 1")
        # the terminal and torchrun may both send it
        for process in (*processes, *processes):
            os.kill(process.pid, number)
        assert "stopped" in first.communicate(timeout=SECONDS)[1]
        assert own_lines(other.communicate(timeout=SECONDS)) == []
    assert (first.returncode, other.returncode) == (128 + number, 0)
    (run,) = stored(tmp_path, capsys)
    assert run["state"] == "stopped"


def test_a_stopped_run_is_resumed_by_two_processes_and_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    slow = ("--task", "tiny_task:Slow", "--device", "cpu", "--epochs", "1000")
    with ranks_of("train", "StepLR(1)", *slow, store=tmp_path) as processes:
        first, _ = processes
        assert first.stdout is not None
        assert first.stdout.readline().startswith("Train Epoch: 1")
        assert send(tmp_path / "0", 1, parse_command("stop"), seconds=SECONDS).text
        assert [process.wait(SECONDS) for process in processes] == [0, 0], processes[0].communicate()
    with ranks_of("resume", "1", store=tmp_path) as processes:
        assert processes[0].stdout is not None
        assert processes[0].stdout.readline()
        assert send(tmp_path / "0", 1, parse_command("stop"), seconds=SECONDS).text
        assert [process.wait(SECONDS) for process in processes] == [0, 0], processes[0].communicate()
    (run,) = stored(tmp_path, capsys)
    assert (run["state"], run["nproc"]) == ("stopped", 2)


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
