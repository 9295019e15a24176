"""Launchers: what starts the worker processes of runs, on this machine or on others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

LOOPBACK = "127.0.0.1"


class WorkerProcess(Protocol):
    """A process that a launcher has started, or will start as soon as there is room for it."""

    @property
    def is_alive(self) -> bool:
        """Whether it is running, or waits to be started."""
        ...

    @property
    def waiting_for(self) -> str:
        """What it waits for before it runs, such as `Slurm job 4711 is PENDING`; an empty string once it runs."""
        ...

    def end(self) -> None:
        """Kill it with the processes that it has started, if they have not ended; returns at once."""
        ...

    def failure(self) -> str:
        """Return how it ended, for a message: exit status, signal, lost node, the last lines of its output.

        An empty string if it ended well, or has not ended.
        """
        ...


class Launcher(Protocol):
    """Starts the worker processes of runs; any thread may call it."""

    @property
    def name(self) -> str:
        """Its name on the command line: `local`, `ray` or `slurm`."""
        ...

    @property
    def host(self) -> str:
        """Address of this machine that its workers connect to: `LOOPBACK` if they all run here."""
        ...

    @property
    def shares_files(self) -> bool:
        """Whether workers see the files of this machine under the same paths; else checkpoints are sent to them."""
        ...

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], label: str) -> WorkerProcess:
        """Start a Python process on a machine that has room for it, and return immediately.

        Args:
            arguments: of the Python interpreter there.
            environment: variables in addition to those that processes have there.
            label: name of the run, for lists of jobs and names of files: `run-3`.

        Raises:
            LrtuiError: if it can't be started; says why.
        """
        ...

    def close(self) -> None:
        """End what it has started, and wait for it; nothing is left running."""
        ...
