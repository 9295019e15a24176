"""Programs in a pseudo-terminal: what they write, and the state in which they leave the terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence

from process_server import ForkedProcess
from waiting import SECONDS

COCKPIT = (sys.executable, "-m", "lrtui")

LEAVES_ALTERNATE_SCREEN = b"\x1b[?1049l"
SHOWS_CURSOR = b"\x1b[?25h"
STOPS_MOUSE = (b"\x1b[?1000l", b"\x1b[?1003l")

TAIL_BYTES = 1 << 18
"""Bytes kept of the end of the output: a long test writes hundreds of megabytes."""


class Terminal:
    """A program in a pseudo-terminal.

    Args:
        arguments: arguments of the program.
        program: the command to run with these arguments.
        size: columns and lines.
        rate: maximum number of bytes that the terminal reads per second; None for no limit.
        environment: variables that differ from this process's.
    """

    def __init__(
        self,
        *arguments: str,
        program: Sequence[str] = COCKPIT,
        size: tuple[int, int] = (100, 32),
        rate: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.written = b""
        """The end of the output."""
        self.total = 0
        """Bytes written in total."""
        self._rate, self._allowance, self._looked = rate, 0.0, time.monotonic()
        master, slave = pty.openpty()
        # set before the program starts, since it would draw its first frame for another size
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        self._fd, self._slave = master, slave
        self.modes_before = termios.tcgetattr(slave)
        variables = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8", **(environment or {})}
        # readline puts the size of another terminal into the C library's environment, which execv passes on
        variables = {name: value for name, value in variables.items() if name not in ("COLUMNS", "LINES")}
        self.pid = self._start([*program, *arguments], variables)

    def _start(self, command: Sequence[str], variables: Mapping[str, str]) -> int:
        """Start the program and return its process."""
        pid = os.fork()
        if pid == 0:
            try:
                os.close(self._fd)
                os.login_tty(self._slave)
                os.execve(command[0], command, variables)
            finally:
                os._exit(127)
        return pid

    def _poll(self) -> int | None:
        """Return the exit status, or None while the program runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if pid else None

    def set_rate(self, rate: float | None) -> None:
        """Read this many bytes per second from now on."""
        self._rate, self._allowance, self._looked = rate, 0.0, time.monotonic()

    def read(self, seconds: float, until: Callable[[], bool] = lambda: False) -> bool:
        """Read for this many seconds, or until the condition holds; return whether it does."""
        end = time.monotonic() + seconds
        while not until():
            if time.monotonic() >= end:
                return False
            self._read(min(0.05, max(0.0, end - time.monotonic())))
        return True

    def read_until(self, text: bytes, seconds: float = SECONDS) -> None:
        """Read until the text is in the output."""
        assert self.read(seconds, lambda: text in self.written), (
            f"{text!r} was not written; the last was {self.written[-500:]!r}"
        )

    def forget(self) -> None:
        """Discard the output, so that only new text is found."""
        self.written = b""

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._fd, key.encode())

    @property
    def modes(self) -> list[object]:
        """The terminal's current modes, as returned by termios."""
        return termios.tcgetattr(self._slave)

    def hang_up(self) -> None:
        """Close the terminal, as if its window was closed."""
        os.close(self._slave)
        os.close(self._fd)
        self._fd = -1

    def wait_gone(self, seconds: float = SECONDS) -> int:
        """Read to the end and return the exit status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read(0.05)
            status = self._poll()
            if status is not None:
                # the program's last output may still be in the terminal's buffer
                self.set_rate(None)
                while self._read(0.0):
                    pass
                return status
        self.kill()
        raise AssertionError("the program does not end")

    def kill(self) -> None:
        """Kill the program."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def resident(self) -> float:
        """Return the program's resident memory in megabytes."""
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024

    def _read(self, seconds: float) -> int:
        if self._fd < 0:
            time.sleep(seconds)
            return 0
        most = 1 << 16
        if self._rate is not None:
            now = time.monotonic()
            # a slow line can't catch up after being idle: unused capacity of a tenth of a second is lost
            self._allowance = min(self._allowance + self._rate * (now - self._looked), self._rate / 10)
            self._looked = now
            most = int(self._allowance)
            if not most:
                time.sleep(min(seconds, 1 / self._rate) if seconds else 0.0)
                return 0
        if not select.select([self._fd], [], [], seconds)[0]:
            return 0
        try:
            chunk = os.read(self._fd, most)
        except OSError:
            return 0
        self._allowance -= len(chunk) if self._rate is not None else 0
        self.total += len(chunk)
        self.written = (self.written + chunk)[-TAIL_BYTES:]
        return len(chunk)


class ForkedCockpit(Terminal):
    """A cockpit in a pseudo-terminal, forked from a process that has imported PyTorch."""

    def _start(self, command: Sequence[str], variables: Mapping[str, str]) -> int:
        slave = self._slave
        self._process = ForkedProcess(
            command, stdin=slave, stdout=slave, stderr=slave, env=variables, start_new_session=True
        )
        return self._process.pid

    def _poll(self) -> int | None:
        return self._process.poll()

    def kill(self) -> None:
        """Kill the program."""
        self._process.kill()
        self._process.wait()
