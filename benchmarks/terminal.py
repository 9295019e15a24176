"""A program in a pseudo-terminal, for measurements: what it writes, what is on its screen, and its memory."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NamedTuple

import psutil

COLUMNS, LINES = 120, 36


class Memory(NamedTuple):
    """Memory of a program and the processes that it started, in MB.

    Args:
        peak: the most that was resident at any time, summed over the processes.
        own: what is resident now and shared with no other process.
    """

    peak: float
    own: float


class Terminal:
    """A program in a pseudo-terminal; its output is counted and discarded."""

    def __init__(
        self, command: list[str], columns: int = COLUMNS, lines: int = LINES, environment: Mapping[str, str] = {}
    ) -> None:
        master, slave = pty.openpty()
        # set before the program starts, since it would draw its first frame for another size
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._fd = master
        self.bytes = 0
        self.text = b""
        self.start = time.perf_counter()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(master)
                os.login_tty(slave)
                os.environ.update({"TERM": "xterm-256color", "COLORTERM": "truecolor", **environment})
                # from the second start on nothing is compiled, as on a user's machine
                os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
                os.execvp(command[0], command)
            finally:
                os._exit(127)
        os.close(slave)

    def read(self, seconds: float, until: Callable[[bytes], bool] = lambda _: False) -> bool:
        """Read for a time, or until the output satisfies the condition; return whether it did."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self._fd], [], [], min(left, 0.05))[0]:
                if not self._read():
                    return False
                if until(self.text):
                    return True
        return False

    def _read(self) -> bytes:
        """Read what has arrived; return b"" if the program has ended."""
        try:
            chunk = os.read(self._fd, 1 << 16)
        except OSError:
            return b""
        self.bytes += len(chunk)
        self.text = (self.text + chunk)[-200_000:]
        return chunk

    def press(self, key: str) -> None:
        """Press a key."""
        self.text = b""
        os.write(self._fd, key.encode())

    def memory(self) -> Memory:
        """Return the memory of the program and its descendants."""
        peak = own = 0.0
        program = psutil.Process(self.pid)
        for process in (program, *program.children(recursive=True)):
            with open(f"/proc/{process.pid}/status") as status:
                peak += next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024 / 1e6
            own += process.memory_full_info().uss / 1e6
        return Memory(peak, own)

    def wait_gone(self, seconds: float) -> float | None:
        """Return how long the process takes to end, or None if it does not."""
        start = time.perf_counter()
        while time.perf_counter() - start < seconds:
            self.read(0.01)
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                return time.perf_counter() - start
        return None

    def kill(self) -> None:
        """Kill the process and those that it started."""
        for child in psutil.Process(self.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._fd)


class Screen(Terminal):
    """A program in a pseudo-terminal whose screen is emulated, so that a condition can look at its characters."""

    def __init__(
        self, command: list[str], columns: int = COLUMNS, lines: int = LINES, environment: Mapping[str, str] = {}
    ) -> None:
        import pyte

        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        super().__init__(command, columns, lines, environment)

    @property
    def rows(self) -> list[str]:
        """The characters on the screen, one string per row."""
        return list(self._screen.display)

    def shows(self, text: str) -> bool:
        """Return whether the text is on the screen."""
        return any(text in row for row in self._screen.display)

    def wait(self, condition: Callable[[list[str]], bool], seconds: float) -> float | None:
        """Read until the screen satisfies the condition; return when the output that made it so arrived.

        Returns:
            a time as `time.perf_counter` gives it, or None if the condition was not satisfied in that time.
        """
        arrived = time.perf_counter()
        end = arrived + seconds
        while not condition(self.rows):
            if not select.select([self._fd], [], [], max(0.0, end - time.perf_counter()))[0]:
                return None
            arrived = time.perf_counter()
            if not self._read():
                return None
        return arrived

    def _read(self) -> bytes:
        chunk = super()._read()
        self._stream.feed(chunk)
        return chunk
