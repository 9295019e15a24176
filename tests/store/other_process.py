"""lrtui in processes of its own, which can be killed: forked from one that has imported torch, so that each begins at
once."""

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


def _main(words: Sequence[str], output: str) -> None:
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    from lrtui.__main__ import main

    status = main(list(words))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


class OtherProcess:
    """`lrtui WORDS`, going on.

    Args:
        words: of the command line.
        output: takes what it prints.
    """

    def __init__(self, words: Sequence[str], output: Path) -> None:
        self.output = output
        self._process: ForkServerProcess = _CONTEXT.Process(target=_main, args=(list(words), str(output)))
        self._process.start()

    def signal(self, number: int) -> None:
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def wait(self, seconds: float = 60) -> int:
        """Return the exit status."""
        self._process.join(seconds)
        assert self._process.exitcode is not None, f"it goes on and on:\n{self.printed[-2000:]}"
        return self._process.exitcode

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    @property
    def printed(self) -> str:
        return self.output.read_text() if self.output.exists() else ""


def rows(folder: Path, query: str, values: Iterable[Any] = ()) -> list[Any]:
    """Return what a query says."""
    with closing(open_for_reading(folder)) as connection:
        return connection.execute(query, tuple(values)).fetchall()


def steps_done(folder: Path, run: int = 1) -> int:
    """Return the steps that the store knows of."""
    if not (folder / DATABASE).exists():
        return 0
    try:
        found = rows(folder, "SELECT step FROM runs WHERE id = ?", [run])
    except sqlite3.Error:
        return 0
    except Exception:  # the database is being made
        return 0
    return int(found[0][0]) if found else 0


def wait_for_step(folder: Path, step: int, process: OtherProcess, run: int = 1, seconds: float = 60) -> None:
    """Wait until so many steps are in the store."""
    until = time.monotonic() + seconds
    while steps_done(folder, run) < step:
        assert process.is_alive, process.printed
        assert time.monotonic() < until, process.printed
        time.sleep(0.01)


def wait_until_live(folder: Path, process: OtherProcess, run: int = 1, seconds: float = 60) -> None:
    """Wait until the run has been begun, or begun again, by a process that is there."""
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
    """Wait until the run has ended; return how."""
    until = time.monotonic() + seconds
    while True:
        state = rows(folder, "SELECT state FROM runs WHERE id = ?", [run])[0][0]
        if state not in ("waiting", "running", "paused"):
            return str(state)
        assert time.monotonic() < until
        time.sleep(0.02)


def computed(folder: Path, run: int = 1) -> list[Any]:
    """Return all that a run has computed, as its store has it."""
    steps = rows(
        folder, "SELECT step, epoch, batch, loss, lr FROM batches WHERE run = ? AND NOT superseded ORDER BY seq", [run]
    )
    tests = rows(
        folder, "SELECT step, epoch, loss, accuracy, averaged FROM evaluations WHERE run = ? ORDER BY seq", [run]
    )
    return [*steps, *tests]


def last_checkpoint(folder: Path, run: int = 1) -> dict[str, Any]:
    """Return what the run's newest checkpoint holds."""
    import torch

    newest = max((folder / "checkpoints" / str(run)).glob("*.pt"))
    loaded: dict[str, Any] = torch.load(newest, weights_only=True)
    return loaded
