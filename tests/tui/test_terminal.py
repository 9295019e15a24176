"""The cockpit in a real pseudo-terminal: what it leaves behind, however it is left."""

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

import pytest
from driving import TINY

LEAVES_ALTERNATE_SCREEN = b"\x1b[?1049l"
SHOWS_CURSOR = b"\x1b[?25h"
STOPS_MOUSE = b"\x1b[?1000l"


class Terminal:
    """A program in a pseudo-terminal of 100x32, and everything that it has written."""

    def __init__(self, *words: str) -> None:
        self.written = b""
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", "LANG": "C.UTF-8", "COLUMNS": "100", "LINES": "32"})
            os.execv(sys.executable, [sys.executable, "-m", "lrtui", *words])
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 32, 100, 0, 0))

    def read_until(self, text: bytes, seconds: float = 60.0) -> None:
        end = time.monotonic() + seconds
        while text not in self.written:
            assert time.monotonic() < end, f"{text!r} was not written; the last was {self.written[-500:]!r}"
            self._read()

    def press(self, key: str) -> None:
        os.write(self._fd, key.encode())

    def wait_gone(self, seconds: float = 60.0) -> int:
        """Read to the end and return the exit status."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self._fd)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("the program does not end")

    def _read(self) -> None:
        if select.select([self._fd], [], [], 0.05)[0]:
            try:
                self.written += os.read(self._fd, 1 << 16)
            except OSError:
                return


TRAINING = ["StepLR(1)", "--task", TINY, "--batch-size", "16", "--epochs", "1000000", "--log-interval", "1"]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)], ids=["terminated", "hung-up"]
)
def test_a_signal_in_mid_run_restores_the_terminal(number: signal.Signals, status: int) -> None:
    terminal = Terminal(*TRAINING)
    terminal.read_until(b"Train Epoch")
    os.kill(terminal.pid, number)
    assert terminal.wait_gone() == status
    assert terminal.written.rindex(LEAVES_ALTERNATE_SCREEN) > terminal.written.rindex(b"Train Epoch")
    assert SHOWS_CURSOR in terminal.written
    assert STOPS_MOUSE in terminal.written


def test_quitting_in_mid_run_restores_the_terminal_and_ends_the_process() -> None:
    terminal = Terminal(*TRAINING)
    terminal.read_until(b"Train Epoch")
    terminal.press("q")
    terminal.read_until(b"Stop it and quit?")
    terminal.press("q")
    assert terminal.wait_gone() == 0
    assert LEAVES_ALTERNATE_SCREEN in terminal.written


def test_quitting_while_torch_is_imported_ends_the_process() -> None:
    terminal = Terminal()
    terminal.read_until(b"help")
    terminal.press("q")
    assert terminal.wait_gone() == 0
    assert LEAVES_ALTERNATE_SCREEN in terminal.written
