"""Standard output that fails: a closed pipe, a full disk, a closed terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from process_server import ForkedProcess
from training_runs import TINY

FULL = Path("/dev/full")

ENDLESS = ["train", "StepLR(1)", "--task", TINY, "--batch-size", "16", "--log-interval", "3", "--epochs", "20000"]

# buffered, as in a user's shell
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("arguments", [["schedulers"], ["--help"]])
def test_a_reader_that_closes_at_once_is_no_failure(arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "lrtui", *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        env=BUFFERED,
        timeout=600,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not FULL.exists(), reason="a disk that is always full is Linux's")
@pytest.mark.parametrize(
    ("start", "arguments"),
    [
        (subprocess.Popen, ["schedulers"]),
        (ForkedProcess, ["preview", "StepLR(3)", "--csv"]),
        (ForkedProcess, ENDLESS),
    ],
)
def test_a_full_disk_stops_the_run_with_a_message(start: Any, arguments: list[str]) -> None:
    with FULL.open("w") as disk:
        process = start(
            [sys.executable, "-m", "lrtui", *arguments], stdout=disk, stderr=subprocess.PIPE, text=True, env=BUFFERED
        )
        stderr = process.communicate(timeout=600)[1]
    assert process.wait() == 1
    assert "standard output can't be written: No space left on device" in stderr.splitlines()[-1]
    assert "Traceback" not in stderr


def test_closing_the_terminal_exits_with_129() -> None:
    screen, terminal = pty.openpty()
    # the kernel sends SIGHUP to the processes of the terminal
    process = ForkedProcess(
        [sys.executable, "-m", "lrtui", *ENDLESS],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=BUFFERED,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    while b"Train Epoch: 2" not in shown:
        shown += os.read(screen, 4096)
    os.close(screen)
    assert process.wait(timeout=600) == 129


NATIVE = """
import os
from tiny_task import Tiny
class Native(Tiny):
    def loss(self, outputs, targets):
        os.write(1, b"native output\\n")
        os.system("echo output of a child")
        print("output of Python")
        return super().loss(outputs, targets)
"""


@pytest.mark.parametrize("arguments", [["train", "StepLR(1)", "--epochs", "1", "--store", "none"], ["find"]])
def test_native_output_of_a_task_goes_to_standard_error(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "native.py").write_text(NATIVE)
    task = ["--task", f"{tmp_path / 'native.py'}:Native", "--batch-size", "48", "--json"]
    with ForkedProcess(
        [sys.executable, "-m", "lrtui", *arguments, *task],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=BUFFERED,
    ) as process:
        stdout, stderr = process.communicate(timeout=600)
    assert process.wait() in (0, 3), stderr
    assert {line[0] for line in stdout.splitlines()} == {"{"}
    assert all(text in stderr for text in ("native output", "output of a child", "output of Python"))
