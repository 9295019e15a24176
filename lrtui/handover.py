"""A run that goes on without a screen: another process, in a session of its own, takes over where this one stopped."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lrtui.run.errors import LrtuiError

FIRST_SECONDS = 1.0
"""How long the new process is watched: words that are off end it within that."""


@dataclass(frozen=True, slots=True)
class Successor:
    """The process that a run goes on in.

    Args:
        pid: its number.
        output: where it writes what it has to say.
    """

    pid: int
    output: Path


def go_on_without_screen(folder: Path, run: int) -> Successor:
    """Resume a run that has stopped, in a process that outlives this one and its terminal.

    Args:
        folder: of the store.
        run: its id there.

    Raises:
        LrtuiError: where the process can't be started, or ends at once; says why.
    """
    output = folder / f"run-{run}.out"
    words = [sys.executable, "-m", "lrtui", "resume", str(run), "--store", str(folder), "--quiet"]
    try:
        with open(os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "wb") as file:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
            )
    except OSError as error:
        raise LrtuiError(f"no process can be started for it: {error.strerror or error}") from None
    with suppress(subprocess.TimeoutExpired):
        if process.wait(FIRST_SECONDS):
            raise LrtuiError(f"its process ended at once; {output} says why")
    return Successor(process.pid, output)
