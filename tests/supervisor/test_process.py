"""Commands whose supervisor is a process of its own."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from supervised import BARE_PYTHON, items_of, stored_runs, wait_for_run
from waiting import wait_for

from lrtui.run.errors import LrtuiError
from lrtui.store.liveness import started
from lrtui.supervisor.command_process import CommandNotStartedError
from lrtui.supervisor.process import StartedCommand, live_run, start_in_background

TICKS = """
import os, time
print("pid", os.getpid(), flush=True)
for i in range(3000):
    print(f"step {i} loss {i}.5", flush=True)
    time.sleep(0.02)
"""


def start(folder: Path) -> tuple[StartedCommand, int]:
    """Start a command that runs for a minute; return it and its process id."""
    command = start_in_background([*BARE_PYTHON, TICKS], folder, "ticks", (24, 77))
    wait_for_run(folder, lambda run: run.step > 2)
    return command, int(items_of(folder, command.run)[2][0].split()[1])


def wait_gone(pid: int) -> None:
    wait_for(lambda: started(pid) is None)


def test_a_command_runs_on_by_itself_until_it_is_killed(tmp_path: Path) -> None:
    command, pid = start(tmp_path)
    [run] = stored_runs(tmp_path)
    assert (run.id, run.name, run.state, run.process.pid) == (command.run, "ticks", "running", command.pid)
    assert live_run(tmp_path, command.output) == command.run
    # neither this process's group nor its session has the supervisor or the command
    assert len({os.getsid(0), os.getsid(command.pid), os.getsid(pid)}) == 3
    os.kill(pid, signal.SIGKILL)
    run = wait_for_run(tmp_path, lambda run: not run.is_live)
    assert (run.state, run.error is not None and run.error.startswith("killed by SIGKILL: step")) == ("failed", True)
    assert live_run(tmp_path, command.output) is None
    wait_gone(command.pid)


def test_a_killed_supervisor_hangs_up_and_its_run_is_lost(tmp_path: Path) -> None:
    command, pid = start(tmp_path)
    os.kill(command.pid, signal.SIGKILL)
    wait_gone(command.pid)
    wait_gone(pid)
    assert stored_runs(tmp_path)[0].state == "lost"


def test_a_terminated_supervisor_terminates_its_command(tmp_path: Path) -> None:
    command, pid = start(tmp_path)
    os.kill(command.pid, signal.SIGTERM)
    wait_gone(command.pid)
    assert started(pid) is None
    assert stored_runs(tmp_path)[0].state == "stopped"


def test_what_keeps_a_supervisor_from_starting_is_reported(tmp_path: Path) -> None:
    with pytest.raises(CommandNotStartedError, match="no-such: command not found") as caught:
        start_in_background(["no-such"], tmp_path, None, (24, 80))
    assert caught.value.status == 127
    (tmp_path / "file").touch()
    with pytest.raises(LrtuiError, match="file can't be created"):
        start_in_background(["true"], tmp_path / "file", None, (24, 80))


def test_the_command_sees_the_size_of_its_terminal_and_an_empty_input(tmp_path: Path) -> None:
    command = start_in_background(["sh", "-c", "stty size <&1; cat; echo end"], tmp_path, None, (33, 77))
    wait_for_run(tmp_path, lambda run: run.state == "done")
    assert items_of(tmp_path, command.run)[2] == ["33 77", "end"]
    wait_gone(command.pid)
