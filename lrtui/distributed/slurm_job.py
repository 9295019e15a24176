"""What a Slurm job of a worker runs on its node."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

from lrtui.run.signal_name import signal_name
from lrtui.text.format import counted

SAVE_SECONDS = 60.0
"""How long a worker that is told to end may take to save its run."""

INTERRUPT_SECONDS = 0.5
"""The same for a job on this machine that is cancelled, which submitit kills after one second."""


class WorkerJob:
    """What a job runs: the worker as a child process, which gets time to save its run if the job has to end.

    Args:
        arguments: of the Python interpreter.
        environment: variables in addition to those of the job.
        minutes: time limit of the job.
    """

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], minutes: int) -> None:
        self._arguments, self._environment, self._minutes = arguments, environment, minutes

    def __call__(self) -> str:
        """Run the worker, and return how it ended; an empty string if it ended well."""
        from submitit.core.utils import UncompletedJobError

        process = subprocess.Popen([sys.executable, *self._arguments], env={**os.environ, **self._environment})
        try:
            status = process.wait()
        except UncompletedJobError:
            # raised by submitit's signal handler
            _end(process, SAVE_SECONDS)
            return f"it was preempted, or reached its time limit of {counted(self._minutes, 'minute')}"
        except KeyboardInterrupt:
            _end(process, INTERRUPT_SECONDS)
            return "it was cancelled"
        if status in (-signal.SIGTERM, 128 + signal.SIGTERM):
            # Slurm sends the signal to all processes of a job
            return "it was cancelled or preempted"
        if status < 0:
            return f"its process was killed by {signal_name(-status)}"
        return f"its process ended with status {status}" if status else ""

    def checkpoint(self) -> None:
        """Tell submitit not to queue the job again: the race continues the run in a new job."""


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Let a process end, and kill it if it takes longer."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
