"""The process of a supervisor, in a session of its own: it outlives the cockpit and the terminal that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from lrtui.run.errors import LrtuiError
from lrtui.store.connection import open_for_reading
from lrtui.store.reader import all_runs
from lrtui.supervisor.command_process import CommandNotStartedError


@dataclass(frozen=True, slots=True)
class StartedCommand:
    """A command that a supervisor in another process watches.

    Args:
        run: number of its run in the store.
        output: its output, as its runs record it.
        pid: of the supervisor.
    """

    run: int
    output: str
    pid: int


def start_in_background(
    command: Sequence[str], folder: Path, name: str | None, size: tuple[int, int]
) -> StartedCommand:
    """Start a command and its supervisor; return when its run is in the store.

    Args:
        folder: folder of the store.
        name: of the run; None for the command.
        size: rows and columns of the command's terminal.

    Raises:
        CommandNotStartedError: if the command can't be started.
        LrtuiError: if the supervisor can't be started, or the store can't be written.
    """
    settings = json.dumps({"command": list(command), "folder": str(folder), "name": name, "size": size})
    try:
        # -P: the working directory may have modules with the names of others
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lrtui.supervisor.process", settings],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise LrtuiError(f"the supervisor can't be started: {error.strerror or error}") from None
    assert process.stdout is not None
    with process.stdout as answer:
        text = answer.read().decode(errors="replace")
    try:
        record = json.loads(text.splitlines()[-1])
    except (ValueError, IndexError):
        process.wait()
        raise LrtuiError(f"the supervisor ended immediately: {text.strip()[-2000:]}") from None
    if "error" in record:
        process.wait()
        if record["status"] is not None:
            raise CommandNotStartedError(record["error"], record["status"])
        raise LrtuiError(record["error"])
    # reaped when it ends: a zombie would be taken for a live process
    threading.Thread(target=process.wait, name="reaper", daemon=True).start()
    return StartedCommand(record["run"], record["output"], process.pid)


def live_run(folder: Path, output: str) -> int | None:
    """Return the run of a command that still runs; None if it has ended, or the store can't be read.

    Args:
        folder: folder of the store.
        output: the command's output, as its runs record it.
    """
    try:
        with closing(open_for_reading(folder)) as connection:
            runs = all_runs(connection)
    except LrtuiError:
        return None
    return next((run.id for run in runs if run.output == output and run.is_live), None)


def main() -> None:
    """Supervise the command that the first argument describes; say on standard output whether it was started."""
    from lrtui.supervisor.command_run import spec_of
    from lrtui.supervisor.supervisor import Supervisor

    settings = json.loads(sys.argv[1])
    command, folder = settings["command"], Path(settings["folder"])
    # a terminal that is closed, or a shell that ends, must not end the command
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        rows, columns = settings["size"]
        supervisor = Supervisor(command, folder, spec_of(command, settings["name"]), size=(rows, columns))
    except LrtuiError as error:
        print(json.dumps({"error": str(error), "status": getattr(error, "status", None)}))
        return
    assert supervisor.run is not None
    signal.signal(signal.SIGTERM, lambda number, _: supervisor.request(signal.Signals(number)))
    print(json.dumps({"run": supervisor.run.number, "output": supervisor.run.output}), flush=True)
    # whoever started it waits for the end of this pipe
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    os.close(null)
    supervisor.supervise()


if __name__ == "__main__":
    main()
