"""A run of a race in a child process: the class that the race uses, and the main function of the child.

The child is `python -m lrtui.analysis.race.child_run`. The first line of its standard input describes the run; a later
line stops it. The end of standard input means that the race's process has ended; the run is then saved and stopped.
Standard output has all events except steps.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import IO, Any, TextIO

from lrtui.engine.own_process import own_process
from lrtui.engine.resume import plan_resume
from lrtui.engine.run import Run
from lrtui.run.commands import Stop
from lrtui.run.daemon_thread import DaemonThread
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.event_json import event_from_json, event_to_json, plain, spec_from_json
from lrtui.run.events import Event, StepDone
from lrtui.run.feed import LiveFeed
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState

POLL_SECONDS = 0.05

END_SECONDS = 30.0
"""Seconds that a process may take to end after its run."""

ABANDONED = "the process of the race ended"


class ChildRun:
    """A run in a child process, with the part of `Run`'s interface that a race needs.

    The child ends when this process ends, since its standard input is closed then.

    Args:
        spec: its settings.
        folder: folder of the store.
        resumes: id of the stored run to resume, instead of a new one.
        threads: torch threads; None for torch's default.
        output: file for everything that the process prints apart from events.

    Raises:
        LrtuiError: if the process can't be started.
    """

    def __init__(self, spec: RunSpec, folder: Path, resumes: int | None, threads: int | None, output: Path) -> None:
        # torch reads the number of threads when it is imported; results depend on that number
        environment = os.environ if threads is None else {**os.environ, "OMP_NUM_THREADS": str(threads)}
        try:
            with open(os.open(output, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600), "wb") as file:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "lrtui.analysis.race.child_run"],
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
        self.number = resumes or 0
        self.is_recorded = resumes is not None
        self.state = RunState()
        self.error: LrtuiError | None = None
        self.recording_error = ""
        """What could not be recorded, or how the process failed; set when the run is over."""
        self._feed, self._output = LiveFeed(), output
        self._lines: IO[bytes] = self._process.stdout
        self._input: IO[bytes] = self._process.stdin
        self._reader = DaemonThread(self._read, "race-reader")
        self._reader.start()
        self._write({"spec": plain(spec), "folder": str(folder), "resumes": resumes})

    @property
    def is_live(self) -> bool:
        """Whether the process is running, or has sent events that were not taken."""
        return self._reader.is_alive or len(self._feed) > 0

    def poll(self) -> list[Event]:
        """Fold the events that have come since the last call into the state, and return them."""
        events = self._feed.take(10**9)
        self.state.fold(events)
        return events

    def send(self, command: Stop) -> None:
        """Stop the run after the current batch and save it."""
        self._write({"stop": command.because})

    def _write(self, record: object) -> None:
        # the process may have ended, and its exit status says why; the reader's thread then closes the pipe
        with suppress(OSError, ValueError):
            self._input.write(json.dumps(record).encode() + b"\n")
            self._input.flush()

    def _read(self) -> None:
        for line in self._lines:
            record = json.loads(line)
            if "event" in record:
                self._feed.publish(event_from_json(record))
            elif "run" in record:
                self.number, self.is_recorded = record["run"], True
            else:
                self.recording_error = record["trouble"]
                if record["refused"]:
                    self.error = (UsageError if record["usage"] else LrtuiError)(record["refused"])
        try:
            status = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if status and not self.error:
            self.recording_error = f"its process ended with status {status}; see {self._output}"
        self._lines.close()
        # the process is gone, so unsent data is lost
        with suppress(OSError):
            self._input.close()


# -- in the child process ---------------------------------------------------------------------------------------------


def main() -> int:
    """Run what the first line describes and return the exit status."""
    # unbuffered: a thread that waits in a buffered stream aborts the interpreter at exit
    lines = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
    # output of the task and of native code must not mix with the events
    out = open(os.dup(1), "w", encoding="utf-8")  # noqa: SIM115
    os.dup2(2, 1)
    request = json.loads(lines.readline())
    with redirect_stdout(sys.stderr):
        try:
            run = _start(request, out)
        except LrtuiError as error:
            _print(out, _end("", error))
            return 1
        # daemon: it may wait for a line forever
        threading.Thread(target=_listen, args=(run, lines), name="stop-listener", daemon=True).start()
        while run.is_live:
            _print_events(run, out)
            run.join(POLL_SECONDS)
        _print_events(run, out)
    _print(out, _end(run.recording_error, run.error))
    return 0


def _end(trouble: str, error: LrtuiError | None) -> dict[str, Any]:
    """Return the last record, which says how the run ended."""
    return {"trouble": trouble, "refused": str(error) if error else "", "usage": isinstance(error, UsageError)}


def _start(request: dict[str, Any], out: TextIO) -> Run:
    spec, resumes = spec_from_json(request["spec"]), request["resumes"]
    resume_plan = None if resumes is None else plan_resume(Path(request["folder"]), str(resumes))
    run = Run(spec if resume_plan is None else resume_plan.spec, resume_plan=resume_plan).start()
    if run.is_recorded:
        _print(out, {"run": run.number})
    for part in resume_plan.history if resume_plan else ():
        if isinstance(part, Event) and not isinstance(part, StepDone):
            _print(out, event_to_json(part))
    return run


def _print_events(run: Run, out: TextIO) -> None:
    while events := run.poll():
        for event in events:
            if not isinstance(event, StepDone):
                _print(out, event_to_json(event))


def _print(out: TextIO, record: object) -> None:
    # the reader may be gone; the end of standard input stops the run
    with suppress(BrokenPipeError):
        print(json.dumps(record, allow_nan=False), file=out, flush=True)


def _listen(run: Run, lines: Iterable[bytes]) -> None:
    for line in lines:
        run.send(Stop(json.loads(line)["stop"]))
    run.send(Stop(ABANDONED))


if __name__ == "__main__":
    with own_process():
        status = main()
    sys.exit(status)
