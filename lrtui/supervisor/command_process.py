"""A command in a pseudo-terminal of its own, with what its processes can be told by signals."""

from __future__ import annotations

import os
import shutil
import signal
import termios
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lrtui.run.errors import LrtuiError
from lrtui.run.signal_name import signal_name

MAX_READ = 1 << 16

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""Exit statuses of a shell for a command that can't be started."""

SIZE = (24, 120)
"""Rows and columns of a command's terminal if there is none to take them from."""


class CommandNotStartedError(LrtuiError):
    """A command can't be started.

    Args:
        status: the exit status that a shell has in this case.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended.

    Args:
        status: its exit status, or 128 plus the number of the signal that killed it, as in a shell.
        signal: name of that signal; empty if it exited.
    """

    status: int
    signal: str = ""

    @property
    def text(self) -> str:
        """The end as part of a sentence."""
        return f"killed by {self.signal}" if self.signal else f"exit status {self.status}"


def check_command(command: Sequence[str]) -> None:
    """Check that a command can be found, before anything is recorded.

    Raises:
        CommandNotStartedError: if it is not found or not executable.
    """
    name = command[0]
    if shutil.which(name) is not None:
        return
    if os.sep in name and Path(name).exists():
        kind = "a folder" if Path(name).is_dir() else "not executable"
        raise CommandNotStartedError(f"{name} is {kind}; try: lrtui run -- python {name}", NOT_EXECUTABLE)
    raise CommandNotStartedError(f"{name}: command not found", NOT_FOUND)


def title_of(command: Sequence[str]) -> str:
    """Return the name of the script that a command runs, or else of its program."""
    files = [argument for argument in command[1:] if not argument.startswith("-") and os.path.isfile(argument)]
    return Path(files[0] if files else command[0]).name


class CommandProcess:
    """A running command; its standard input is empty.

    Args:
        command: the program and its arguments.
        environment: its whole environment.
        size: rows and columns of its terminal.

    Raises:
        CommandNotStartedError: says why.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], size: tuple[int, int] = SIZE) -> None:
        # takes 10 ms to import
        from ptyprocess import PtyProcess

        check_command(command)
        try:
            self._process = PtyProcess.spawn(list(command), env=dict(environment), preexec_fn=_prepare, dimensions=size)
        except OSError as error:
            raise CommandNotStartedError(
                f"{command[0]} can't be started: {os.strerror(error.errno) if error.errno else error}", NOT_EXECUTABLE
            ) from None
        self.pid: int = self._process.pid
        self.terminal: int = self._process.fd
        """Descriptor of the terminal that its output is read from."""

    def read(self) -> bytes:
        """Return what it has written, once there is something; empty when no process writes there any more."""
        try:
            return os.read(self.terminal, MAX_READ)
        except OSError:
            # EIO: the command has ended or has closed its terminal
            return b""

    def resize(self, rows: int, columns: int) -> None:
        """Set the size of its terminal."""
        with suppress(OSError):
            self._process.setwinsize(rows, columns)

    def poll(self) -> Ended | None:
        """Return how it has ended; None while it runs. What it has started in the background does not count."""
        if self._process.isalive():
            return None
        if self._process.signalstatus is not None:
            number = int(self._process.signalstatus)
            return Ended(128 + number, signal_name(number))
        return Ended(int(self._process.exitstatus or 0))

    def interrupt(self, number: signal.Signals) -> None:
        """Send a signal to the processes in the foreground of its terminal, as a terminal does for ctrl+c."""
        groups = {self.pid}
        with suppress(OSError):
            # a shell gives each of its jobs a group
            groups = {os.tcgetpgrp(self.terminal)} - {0} or groups
        _send(groups, number)
        # a stopped process gets the signal when it continues
        self.suspend(is_suspended=False)

    def suspend(self, *, is_suspended: bool) -> None:
        """Stop or continue all of its processes, those in groups of their own included."""
        # takes 25 ms to import
        import psutil

        groups = {self.pid}
        with suppress(psutil.Error):
            for child in psutil.Process(self.pid).children(recursive=True):
                with suppress(OSError):
                    groups.add(os.getpgid(child.pid))
        _send(groups, signal.SIGSTOP if is_suspended else signal.SIGCONT)

    def close(self) -> None:
        """Close its terminal; processes that still use it are told that it hung up."""
        with suppress(OSError):
            self._process.fileobj.close()
        # otherwise the object would kill a command that still runs
        self._process.closed = True


def _send(groups: set[int], number: signal.Signals) -> None:
    for group in groups:
        with suppress(OSError):
            os.killpg(group, number)


def _prepare() -> None:
    """Prepare the new process before the command replaces it."""
    # what the cockpit's user types does not go to the command: a question would wait forever
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    with suppress(termios.error):
        attributes = termios.tcgetattr(1)
        # line ends stay as the command writes them
        attributes[1] &= ~termios.ONLCR
        termios.tcsetattr(1, termios.TCSANOW, attributes)
    # under nohup the supervisor ignores SIGHUP, and Python ignores SIGPIPE
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
