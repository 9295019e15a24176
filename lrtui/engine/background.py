"""Background processes: a run or a race that continues without a terminal."""

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
from lrtui.run.spec import RunSpec, is_list, option_name, option_text

FIRST_SECONDS = 1.0
"""Seconds for which the new process is watched: a usage error ends it within that time."""


@dataclass(frozen=True, slots=True)
class BackgroundProcess:
    """The process of a run or a race.

    Args:
        pid: process id.
        output: file with its standard output and error.
    """

    pid: int
    output: Path


def resume_in_background(folder: Path, run: int) -> BackgroundProcess:
    """Resume a stopped run in a process that outlives this one and its terminal.

    Args:
        folder: folder of the store.
        run: its id there.

    Raises:
        LrtuiError: if the process can't be started or ends immediately; says why.
    """
    arguments = ["resume", str(run), "--store", str(folder), "--quiet"]
    return _start(arguments, folder / f"run-{run}.out")


def race_in_background(folder: Path, spec: RunSpec, schedules: Sequence[str], seeds: int) -> BackgroundProcess:
    """Start a race in a process that outlives this one and its terminal.

    Args:
        folder: folder of the store that keeps its runs.
        spec: settings that all runs share; its seed is the first one.
        schedules: notations, the first being what the others are measured against.
        seeds: number of seeds.

    Raises:
        LrtuiError: if the process can't be started or ends immediately; says why.
    """
    # created now, because the output file goes there
    from lrtui.store.location import prepare_folder

    prepare_folder(folder)
    return _start(race_arguments(folder, spec, schedules, seeds), folder / "race.out")


def race_arguments(folder: Path, spec: RunSpec, schedules: Sequence[str], seeds: int) -> list[str]:
    """Return the arguments of such a race; every setting is given, so that no default of the user's applies."""
    arguments = ["race", *schedules, f"--seeds={seeds}", f"--store={folder}"]
    for item in fields(spec):
        if item.name in ("schedule", "store"):
            continue
        value = getattr(spec, item.name)
        texts = value if is_list(item) else (option_text(item, value),)
        arguments += [f"{option_name(item.name)}={text}" for text in texts]
    return arguments


def _start(arguments: Sequence[str], output: Path) -> BackgroundProcess:
    try:
        with open(os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "lrtui", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise LrtuiError(f"the background process can't be started: {error.strerror or error}") from None
    with suppress(subprocess.TimeoutExpired):
        if process.wait(FIRST_SECONDS):
            raise LrtuiError(f"the background process ended immediately: see {output}")
    # reaped when it ends: a zombie would be taken for a live process
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()
    return BackgroundProcess(process.pid, output)
