"""Runs lrtui in separate processes that can be killed."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from process_server import ForkedProcess
from waiting import SECONDS, wait_for

from lrtui.store.connection import open_for_reading
from lrtui.store.location import DATABASE
from lrtui.store.reader import reload

SLOW = f"{Path(__file__).parents[1] / 'tiny_task.py'}:Slow"
"""A task that trains some hundred steps a second."""


class OtherProcess:
    """A running command `lrtui ARGUMENTS`.

    Args:
    arguments: command-line arguments.
    output: file that receives what it prints.
    """

    def __init__(self, arguments: Sequence[str], output: Path) -> None:
        self.output = output
        with open(output, "ab") as file:
            self._process = ForkedProcess([sys.executable, "-m", "lrtui", *arguments], stdout=file, stderr=file)

    def signal(self, number: int) -> None:
        os.kill(self._process.pid, number)

    def wait(self, seconds: float = 4 * SECONDS) -> int:
        """Return the exit status."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the process does not end:\n{self.printed[-2000:]}") from None

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    @property
    def printed(self) -> str:
        return self.output.read_text() if self.output.exists() else ""


def rows(folder: Path, query: str, values: Iterable[Any] = ()) -> list[Any]:
    """Return the rows of a query."""
    with closing(open_for_reading(folder)) as connection:
        return connection.execute(query, tuple(values)).fetchall()


def steps_done(folder: Path, run: int = 1) -> int:
    """Return the number of steps in the store."""
    if not (folder / DATABASE).exists():
        return 0
    try:
        found = rows(folder, "SELECT step FROM runs WHERE id = ?", [run])
    except sqlite3.Error:
        return 0
    except Exception:  # the database is being created
        return 0
    return int(found[0][0]) if found else 0


def wait_for_step(folder: Path, step: int, process: OtherProcess, run: int = 1, seconds: float = SECONDS) -> None:
    """Wait until this many steps are in the store."""

    def is_there() -> bool:
        # a process that has just ended may have written the last steps before
        was_alive = process.is_alive
        is_there = steps_done(folder, run) >= step
        assert is_there or was_alive, process.printed
        return is_there

    wait_for(is_there, lambda: process.printed, seconds=seconds)


def wait_until_live(folder: Path, process: OtherProcess, run: int = 1) -> None:
    """Wait until the run has been started or resumed by a live process."""

    def is_live() -> bool:
        with closing(open_for_reading(folder)) as connection:
            found = reload(connection, run)
        if found is not None and found.is_live:
            return True
        assert process.is_alive, process.printed
        return False

    wait_for(is_live, lambda: process.printed)


def wait_until_over(folder: Path, run: int = 1) -> str:
    """Wait until the run has ended; return its state."""
    query = "SELECT state FROM runs WHERE id = ? AND state NOT IN ('waiting', 'running', 'paused')"
    return str(wait_for(lambda: rows(folder, query, [run]))[0][0])


def computed(folder: Path, run: int = 1) -> list[Any]:
    """Return the stored results of all steps and tests of a run."""
    steps = rows(
        folder, "SELECT step, epoch, batch, loss, lr FROM batches WHERE run = ? AND NOT superseded ORDER BY seq", [run]
    )
    tests = rows(
        folder, "SELECT step, epoch, loss, accuracy, averaged FROM evaluations WHERE run = ? ORDER BY seq", [run]
    )
    return [*steps, *tests]


def last_checkpoint(folder: Path, run: int = 1) -> dict[str, Any]:
    """Return the content of the run's newest checkpoint."""
    import torch

    newest = max((folder / "checkpoints" / str(run)).glob("*.pt"))
    loaded: dict[str, Any] = torch.load(newest, weights_only=True)
    return loaded
