"""Trains with a framework in a process of its own, and controls it from this one."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import chdir
from pathlib import Path
from typing import Any

from other_process import steps_done, wait_until_over
from process_server import ForkedProcess
from store_runs import stored
from waiting import SECONDS, wait_for

from lrtui.__main__ import main
from lrtui.attached.framework_run import FrameworkRun
from lrtui.attached.run import AttachedRun
from lrtui.run.state import RunState
from lrtui.schedules.command_notation import parse_command

LIVE = ("pause", "resume", "lr*0.5", "lr=0.02", "undo", "switch LinearLR(total_iters=100000) from current", "stop")
"""Commands that are sent to a live script, in this order."""


class Orders:
    """Sends commands to the run of a callback, each after a step.

    Args:
        orders: commands by the number of steps done.
    """

    def __init__(self, attached: FrameworkRun, orders: dict[int, Iterable[str]]) -> None:
        self._attached, self._orders = attached, orders

    def send(self, steps: int) -> None:
        """Send the commands for this number of steps."""
        for words in self._orders.get(steps, ()):
            assert isinstance(self._attached.run, AttachedRun)
            self._attached.run._publisher.inbox.send(parse_command(words))


def lrs_of_steps(state: RunState) -> list[list[float]]:
    """Return the recorded lrs of each step, one per parameter group."""
    return [list(lrs) for lrs in zip(*state.lrs, strict=True)]


def control_from_here(script: str, folder: Path) -> tuple[RunState, list[Any]]:
    """Run a script that trains without an end, and send it the commands of `LIVE`.

    Args:
        script: writes a line of JSON with the lrs that its optimizer uses to the file `used` at each step, and the
            line "over" when training has ended in order.

    Returns:
        The stored run, and the lines of the file.
    """
    store = folder / "store"
    (folder / "live_script.py").write_text(script)
    environment = os.environ | {"LRTUI_STORE": str(store), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with open(folder / "printed", "w") as printed, chdir(folder):
        process = ForkedProcess([sys.executable, "-m", "live_script"], env=environment, stdout=printed, stderr=printed)
    try:
        _obeyed(process, store, folder / "printed")
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    used = [json.loads(line) for line in (folder / "used").read_text().splitlines()]
    return stored(store), used


def _obeyed(process: ForkedProcess, store: Path, printed: Path) -> None:
    """Send the commands, and check that the run obeys."""

    def wait_for_step(step: int) -> None:
        wait_for(lambda: steps_done(store) >= step or process.poll() is not None, printed.read_text)
        assert process.poll() is None, printed.read_text()

    def stays(step: int) -> bool:
        time.sleep(0.4)
        return steps_done(store) == step

    wait_for_step(3)
    for command in LIVE:
        status = main(["send", "1", *command.split(" ", 1), "--wait", str(SECONDS), "--store", str(store)])
        assert status == 0, (command, printed.read_text())
        if command == "pause":
            # once the last step is stored, there are no more
            wait_for(lambda: stays(steps_done(store)))
            assert stays(steps_done(store))
        elif command != "stop":
            wait_for_step(steps_done(store) + 2)
    assert process.wait(SECONDS) == 0, printed.read_text()
    assert wait_until_over(store) == "stopped"
