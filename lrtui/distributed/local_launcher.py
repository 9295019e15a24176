"""The launcher that starts workers as processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from lrtui.distributed.launcher import LOOPBACK
from lrtui.run.errors import LrtuiError
from lrtui.run.signal_name import signal_name
from lrtui.text.format import printable

END_SECONDS = 10.0

TAIL_BYTES = 4096
"""Bytes at the end of the output in which the reason of a failure is looked for."""


class LocalProcess:
    """A worker on this machine.

    Args:
        process: the process, which leads a session of its own.
        output: file with its output; None if that goes to this process's standard error.
        start: size of the file when the process was started.
    """

    def __init__(self, process: subprocess.Popen[bytes], output: Path | None, start: int) -> None:
        self._process, self._output, self._start = process, output, start
        self.waiting_for = ""

    @property
    def is_alive(self) -> bool:
        """Whether it is running."""
        return self._process.poll() is None

    def wait(self, seconds: float) -> bool:
        """Wait for its end, at most `seconds`; return whether it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.is_alive

    def end(self) -> None:
        """Kill it and the processes that it has started."""
        if not self.is_alive:
            return
        with suppress(psutil.Error):
            # the processes of torchrun lead sessions of their own
            own = psutil.Process(self._process.pid)
            for process in (own, *own.children(recursive=True)):
                with suppress(psutil.Error):
                    process.kill()

    def failure(self) -> str:
        """Return how it ended, for a message; an empty string if it ended well or has not ended."""
        status = self._process.poll()
        if not status:
            return ""
        text = f"its process ended with status {status}"
        if status < 0:
            text = f"its process was killed by {signal_name(-status)}"
        if self._output is None:
            return text
        last = self._last_line()
        return f"{text}{f': {last}' if last else ''}; see {self._output}"

    def _last_line(self) -> str:
        """Return the last line that it has written."""
        assert self._output is not None
        try:
            with self._output.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._start, size - TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((printable(line.strip())[:300] for line in reversed(lines) if line.strip()), "")


class LocalLauncher:
    """Starts workers on this machine.

    Args:
        output: file that the output of all its workers is appended to; None for this process's standard error.
        threads: torch threads of a worker; None for torch's default, or what the user has set.
    """

    name = "local"
    host = LOOPBACK
    shares_files = True

    def __init__(self, output: Path | None = None, threads: int | None = None) -> None:
        self._output, self._threads = output, threads
        self._processes: list[LocalProcess] = []
        self._lock = threading.Lock()

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], label: str) -> LocalProcess:
        """Start a Python process here.

        Raises:
            LrtuiError: if it can't be started.
        """
        # torch reads the number of threads when it is imported; results depend on that number
        threads = {} if self._threads is None else {"OMP_NUM_THREADS": str(self._threads)}
        start, file = 0, None
        try:
            if self._output is not None:
                file = os.open(self._output, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
                start = os.fstat(file).st_size
            try:
                process = subprocess.Popen(
                    [sys.executable, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=2 if file is None else file,
                    stderr=2 if file is None else file,
                    env={**os.environ, **threads, **environment},
                    # Ctrl-C goes to this process, which stops its runs
                    start_new_session=True,
                )
            finally:
                if file is not None:
                    os.close(file)
        except (OSError, ValueError) as error:
            raise LrtuiError(f"no process can be started for {label}: {error}") from None
        worker = LocalProcess(process, self._output, start)
        with self._lock:
            # those that have ended are waited for by `is_alive`
            self._processes = [each for each in self._processes if each.is_alive] + [worker]
        return worker

    def close(self) -> None:
        """End what it has started, and wait for it."""
        with self._lock:
            processes, self._processes = self._processes, []
        for process in processes:
            process.end()
        for process in processes:
            process.wait(END_SECONDS)
