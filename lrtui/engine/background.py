"""What goes on without a screen: another process, in a session of its own, takes over a run or begins a race."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path

from lrtui.run.errors import LrtuiError
from lrtui.run.spec import RunSpec, is_list, option_text, option_words

FIRST_SECONDS = 1.0
"""How long the new process is watched: words that are off end it within that."""


@dataclass(frozen=True, slots=True)
class BackgroundProcess:
    """The process that a run, or a race, goes on in.

    Args:
        pid: its number.
        output: where it writes what it has to say.
    """

    pid: int
    output: Path


def resume_in_background(folder: Path, run: int) -> BackgroundProcess:
    """Resume a run that has stopped, in a process that outlives this one and its terminal.

    Args:
        folder: of the store.
        run: its id there.

    Raises:
        LrtuiError: where the process can't be started, or ends at once; says why.
    """
    words = ["resume", str(run), "--store", str(folder), "--quiet"]
    return _begin(words, folder / f"run-{run}.out")


def race_in_background(folder: Path, spec: RunSpec, schedules: Sequence[str], seeds: int) -> BackgroundProcess:
    """Begin a race in a process that outlives this one and its terminal.

    Args:
        folder: of the store that keeps its runs.
        spec: settings that all runs share; its seed is the first one.
        schedules: notations, the first being what the others are measured against.
        seeds: how many.

    Raises:
        LrtuiError: where the process can't be started, or ends at once; says why.
    """
    # made now, since what the process says is kept in it
    from lrtui.store.location import prepare_folder

    prepare_folder(folder)
    return _begin(race_words(folder, spec, schedules, seeds), folder / "race.out")


def race_words(folder: Path, spec: RunSpec, schedules: Sequence[str], seeds: int) -> list[str]:
    """Return the command line of such a race: every setting is said, so that no default of the user's comes between."""
    words = ["race", *schedules, f"--seeds={seeds}", f"--store={folder}"]
    for item in fields(spec):
        if item.name in ("schedule", "store"):
            continue
        value = getattr(spec, item.name)
        texts = value if is_list(item) else (option_text(item, value),)
        words += [f"{option_words(item.name)}={text}" for text in texts]
    return words


def _begin(words: Sequence[str], output: Path) -> BackgroundProcess:
    try:
        with open(os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "lrtui", *words],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise LrtuiError(f"no process can be started for it: {error.strerror or error}") from None
    with suppress(subprocess.TimeoutExpired):
        if process.wait(FIRST_SECONDS):
            raise LrtuiError(f"its process ended at once; {output} says why")
    # taken note of when it ends: until then the system keeps it, and whoever looks takes it for alive
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()
    return BackgroundProcess(process.pid, output)
