"""The cockpit while half a million batches train: latency and memory use do not grow."""

from __future__ import annotations

import os
import re
import signal
import statistics
import time
from pathlib import Path

import pytest
from terminal import LEAVES_ALTERNATE_SCREEN, SHOWS_CURSOR, STOPS_MOUSE, Terminal

WARM = 300_000
"""Batches after which all deferred imports are done, every pane is drawn, and the curves store older steps as blocks
only: a curve holds at most some 260,000 values."""

BYTES_A_BATCH = 40
"""Maximum number of bytes by which the process may grow per batch after that.

A curve's blocks take a fifth of a byte per batch. The allocator's overhead varies by some megabytes. A value that is
not released takes 8 to 32 bytes per batch, an event 350.
"""

ANSWERS = (b"smoothed over 500", b"as it is", b"smoothed over 20 ", b"smoothed over 100")


class Soak:
    """A cockpit of 120x36 in which a task trains thousands of steps a second."""

    def __init__(self, batches: int, store: str) -> None:
        task = f"{Path(__file__).parents[1] / 'quick_task.py'}:Quick"
        arguments = ("--batch-size", "1", "--epochs", str(batches // 10_000 + 10), "--log-interval", "1000")
        self.terminal = Terminal(
            *("StepLR(20)", "--task", task, *arguments, "--device", "cpu", "--store", store), size=(120, 36)
        )
        self.terminal.read_until(b"batch-")
        self._pressed = 0

    @property
    def step(self) -> int:
        """The number of steps on screen."""
        found = re.findall(rb"([\d,]+)/[\d,]{5,}", self.terminal.written)
        return int(found[-1].replace(b",", b"")) if found else 0

    def go_to(self, step: int) -> None:
        """Train up to this step."""
        assert self.terminal.read(1200, lambda: self.step >= step), f"it is at step {self.step}"

    def bytes_a_second(self, seconds: float = 8.0) -> float:
        """Return the bytes drawn per second."""
        before, start = self.terminal.total, time.monotonic()
        self.terminal.read(seconds)
        return (self.terminal.total - before) / (time.monotonic() - start)

    def latency(self, presses: int = 16) -> float:
        """Return the median of the seconds from a key press to the redrawn charts."""
        taken = []
        for _ in range(presses):
            answer = ANSWERS[self._pressed % len(ANSWERS)]
            self.terminal.forget()
            start = time.monotonic()
            self.terminal.press("z")
            self.terminal.read_until(answer, 5)
            taken.append(time.monotonic() - start)
            self._pressed += 1
            self.terminal.read(0.37)
        return statistics.median(taken)


@pytest.mark.deep
@pytest.mark.parametrize(
    ("number", "is_stored", "batches"),
    [(signal.SIGTERM, True, 500_000), (signal.SIGHUP, False, 500_000), (signal.SIGTERM, False, 1_000_000)],
    ids=["store-SIGTERM", "no store-SIGHUP", "a million-SIGTERM"],
)
def test_half_a_million_batches(number: int, is_stored: bool, batches: int, tmp_path: Path) -> None:
    soak = Soak(batches, str(tmp_path / "store") if is_stored else "none")
    soak.go_to(WARM)
    drawn, answered, resident = soak.bytes_a_second(), soak.latency(), soak.terminal.resident()
    print(f"\n{soak.step:>9,}: {resident:.0f} MB, {drawn:,.0f} bytes/s, key {answered * 1000:.0f} ms")
    start = soak.step
    for mark in (400_000, 500_000, 750_000, 1_000_000):
        if mark <= batches:
            soak.go_to(mark)
            print(f"{soak.step:>9,}: {soak.terminal.resident():.0f} MB")
    drawn_last, answered_last, grown = soak.bytes_a_second(), soak.latency(), soak.terminal.resident() - resident
    print(f"{soak.step:>9,}: {drawn_last:,.0f} bytes/s, key {answered_last * 1000:.0f} ms")
    assert grown * 1024**2 < BYTES_A_BATCH * (soak.step - start)
    # one frame fewer in four would be three quarters; the changed part of a chart varies
    assert drawn_last > 0.6 * drawn
    assert answered_last < 2 * answered + 0.05

    os.kill(soak.terminal.pid, number)
    assert soak.terminal.wait_gone(20) == 128 + number
    for sequence in (LEAVES_ALTERNATE_SCREEN, SHOWS_CURSOR, *STOPS_MOUSE):
        assert sequence in soak.terminal.written
    # the terminal modes (echo, line editing ...) are restored
    assert soak.terminal.modes == soak.terminal.modes_before
