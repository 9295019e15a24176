"""Handles of running runs of a race, in this process or in a child process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

from lrtui.engine.resume import ResumePlan
from lrtui.engine.run import Run
from lrtui.run.commands import Stop
from lrtui.run.errors import LrtuiError
from lrtui.run.event_json import event_from_json, plain
from lrtui.run.feed import LiveFeed
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState

END_SECONDS = 30.0
"""How long a process may take to end after its run."""


class RunHandle(Protocol):
    """A run in progress."""

    @property
    def run_id(self) -> int | None:
        """Its id in the store; None if it has none, or it is not known yet."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether it is running, or has events that were not read."""
        ...

    @property
    def trouble(self) -> str:
        """Why it could not be stored, or why its process ended; known at its end."""
        ...

    @property
    def error(self) -> LrtuiError | None:
        """The error that ended it: in its settings, data or task."""
        ...

    def poll(self) -> RunState:
        """Read its new events and return its state."""
        ...

    def stop(self, because: str = "") -> None:
        """Stop it after the current batch and save it.

        Args:
            because: reason, unless the user or the stopping rule asked for it.
        """
        ...


class LocalRun:
    """A run in this process.

    Args:
        spec: its settings.
        resume_plan: the stored run to resume, instead of a new one.

    Raises:
        LrtuiError: if another run of this process is running.
    """

    def __init__(self, spec: RunSpec, resume_plan: ResumePlan | None = None) -> None:
        self._run = Run(spec, resume_plan=resume_plan).start()

    @property
    def run_id(self) -> int | None:
        return self._run.number if self._run.is_recorded else None

    @property
    def is_live(self) -> bool:
        return self._run.is_live

    @property
    def trouble(self) -> str:
        return self._run.unrecorded

    @property
    def error(self) -> LrtuiError | None:
        return self._run.error

    def poll(self) -> RunState:
        while self._run.poll():
            pass
        return self._run.state

    def stop(self, because: str = "") -> None:
        self._run.send(Stop(because))


class ChildRun:
    """A run in a child process, which ends when this process ends: its standard input is closed then.

    Args:
        spec: its settings.
        folder: of the store.
        resumes: id of the stored run to resume, instead of a new one.
        threads: torch threads; None for torch's default.
        output: file for everything that the process prints apart from events.

    Raises:
        LrtuiError: if the process can't be started.
    """

    def __init__(self, spec: RunSpec, folder: Path, resumes: int | None, threads: int | None, output: Path) -> None:
        # torch reads the number of threads at import; the same number gives the same results
        environment = os.environ if threads is None else {**os.environ, "OMP_NUM_THREADS": str(threads)}
        try:
            with open(os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "wb") as file:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "lrtui.analysis.race.worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=file,
                    env=environment,
                    # Ctrl-C goes to the race, which stops its runs
                    start_new_session=True,
                )
        except OSError as error:
            raise LrtuiError(f"can't start a process for a run: {error.strerror or error}") from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._output = output
        self._state, self._feed = RunState(), LiveFeed()
        self._run_id = resumes
        self.trouble = ""
        self.error: LrtuiError | None = None
        self._lines: IO[bytes] = self._process.stdout
        self._lifeline: IO[bytes] = self._process.stdin
        self._reader = threading.Thread(target=self._read, name="race-reader", daemon=True)
        self._reader.start()
        self._tell({"spec": plain(spec), "folder": str(folder), "resumes": resumes})

    @property
    def run_id(self) -> int | None:
        return self._run_id

    @property
    def is_live(self) -> bool:
        return self._reader.is_alive() or len(self._feed) > 0

    def poll(self) -> RunState:
        self._state.fold(self._feed.take(10**9))
        return self._state

    def stop(self, because: str = "") -> None:
        self._tell({"stop": because})

    def _tell(self, record: object) -> None:
        try:
            self._lifeline.write(json.dumps(record).encode() + b"\n")
            self._lifeline.flush()
        except OSError:
            return  # the process has ended, and its exit status says why

    def _read(self) -> None:
        for line in self._lines:
            record = json.loads(line)
            if "event" in record:
                self._feed.publish(event_from_json(record))
            elif "run" in record:
                self._run_id = record["run"]
            else:
                self.trouble = record["trouble"]
                if record["refused"]:
                    self.error = LrtuiError(record["refused"])
        try:
            status = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status and not self.error:
            self.trouble = f"its process ended with status {status}; see {self._output}"
        self._lines.close()
        # the process is gone, so unsent data is lost
        with suppress(OSError):
            self._lifeline.close()
