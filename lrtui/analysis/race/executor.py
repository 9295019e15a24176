"""A run of a race that is under way: in this process, or in one of its own."""

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
"""How long a process may take to end once its run is over."""


class Lane(Protocol):
    """A run that goes on."""

    @property
    def run_id(self) -> int | None:
        """Its id in the store; None where it has none, or it is not known yet."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether it is under way, or has still something to say."""
        ...

    @property
    def trouble(self) -> str:
        """What could not be kept of it, or what ended its process; known when it is over."""
        ...

    @property
    def error(self) -> LrtuiError | None:
        """The error of the user's words, data or task that ended it."""
        ...

    def poll(self) -> RunState:
        """Return what it has said so far adds up to."""
        ...

    def stop(self, because: str = "") -> None:
        """End it after the batch under way, and save it.

        Args:
            because: what ends it, where that is no person and no rule.
        """
        ...


class OwnLane:
    """A run in this process.

    Args:
        spec: its settings.
        resume_plan: the stored run that goes on, in place of a new one.

    Raises:
        LrtuiError: while another run of this process is under way.
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


class ChildLane:
    """A run in a process of its own, which ends with this one: its standard input is its lifeline.

    Args:
        spec: its settings.
        folder: of the store.
        resumes: id of the stored run that goes on, in place of a new one.
        threads: that torch computes with; None for its own choice.
        output: takes what the process says that is no event.

    Raises:
        LrtuiError: where no process can be started.
    """

    def __init__(self, spec: RunSpec, folder: Path, resumes: int | None, threads: int | None, output: Path) -> None:
        # the number of threads is read when torch is imported, and the same number gives the same figures
        environment = os.environ if threads is None else {**os.environ, "OMP_NUM_THREADS": str(threads)}
        try:
            with open(os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "wb") as file:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "lrtui.analysis.race.worker"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=file,
                    env=environment,
                    # Ctrl-C is for the race, which tells its runs
                    start_new_session=True,
                )
        except OSError as error:
            raise LrtuiError(f"no process can be started for a run: {error.strerror or error}") from None
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
            return  # it has ended, and its exit says why

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
            self.trouble = f"its process ended with status {status}; {self._output} says why"
        self._lines.close()
        # what was still to be told reaches nobody
        with suppress(OSError):
            self._lifeline.close()
