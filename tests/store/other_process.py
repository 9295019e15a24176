"""Runs lrtui in separate processes that can be killed. They are forked from a process that has imported torch, so that
they start immediately."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from lrtui.store.connection import open_for_reading
from lrtui.store.location import DATABASE
from lrtui.store.reader import reload

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["torch", "lrtui.training.train", "lrtui.cli.train", "lrtui.cli.resume"])

SLOW = f"{Path(__file__).parents[1] / 'tiny_task.py'}:Slow"
"""A task that trains some hundred steps a second."""


def _main(arguments: Sequence[str], output: str) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    from lrtui.__main__ import main

    status = main(list(arguments))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class OtherProcess:
    """A running command `lrtui ARGUMENTS`.

    Args:
    arguments: command-line arguments.
    output: file that receives what it prints.
    """

    def __init__(self, arguments: Sequence[str], output: Path) -> None:
        self.output = output
        self._process: ForkServerProcess = _CONTEXT.Process(target=_main, args=(list(arguments), str(output)))
        self._process.start()

    def signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait(self, seconds: float = 60) -> int:
        """Return the exit status."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, f"the process does not end:\n{self.printed[-2000:]}"
        return self._process.exitcode

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

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


def wait_for_step(folder: Path, step: int, process: OtherProcess, run: int = 1, seconds: float = 60) -> None:
    """Wait until this many steps are in the store."""
    until = time.monotonic() + seconds
    while steps_done(folder, run) < step:
        assert process.is_alive, process.printed
        assert time.monotonic() < until, process.printed
        time.sleep(0.01)


def wait_until_live(folder: Path, process: OtherProcess, run: int = 1, seconds: float = 60) -> None:
    """Wait until the run has been started or resumed by a live process."""
    until = time.monotonic() + seconds
    while True:
        with closing(open_for_reading(folder)) as connection:
            found = reload(connection, run)
        if found is not None and found.is_live:
            return
        assert process.is_alive, process.printed
        assert time.monotonic() < until, process.printed
        time.sleep(0.01)


def wait_until_over(folder: Path, run: int = 1, seconds: float = 60) -> str:
    """Wait until the run has ended; return its state."""
    until = time.monotonic() + seconds
    while True:
        state = rows(folder, "SELECT state FROM runs WHERE id = ?", [run])[0][0]
        if state not in ("waiting", "running", "paused"):
            return str(state)
        assert time.monotonic() < until
        time.sleep(0.02)


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
