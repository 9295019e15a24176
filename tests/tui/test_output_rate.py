"""How far a slow terminal lags behind, estimated from its writes."""

from __future__ import annotations

import fcntl
import io
import pty
import struct
import termios

import pytest
from textual.drivers.linux_driver import LinuxDriver

from lrtui.tui.output_rate import (
    BUDGET,
    BUFFER_BYTES,
    MAX_RECENT,
    MAX_RETRY_SECONDS,
    MAX_WAIT,
    RETRY_SECONDS,
    MeteredFile,
    OutputRate,
    metered,
)


class Line:
    """A clock and the output rate of a terminal."""

    def __init__(self) -> None:
        self.now = 100.0
        self.rate = OutputRate(lambda: self.now)

    def write(self, size: int, took: float) -> None:
        self.rate.queued(size)
        self.now += took
        self.rate.wrote(size, took)


def test_a_fast_terminal_is_never_behind() -> None:
    line = Line()
    for _ in range(1000):
        line.write(50_000, 0.001)
        assert line.rate.seconds_behind() == 0.0


def test_the_rate_is_estimated_from_a_write_that_waits() -> None:
    line = Line()
    line.write(1_000, BUFFER_BYTES / 2_000)
    assert line.rate.seconds_behind() == 0.5
    line.write(4_000, 0.0)
    assert line.rate.seconds_behind() == 2.5
    line.now += 2.0
    assert line.rate.seconds_behind() == 0.5
    line.rate.queued(3_000)
    assert line.rate.seconds_behind() == 2.0


def test_a_suspended_terminal_is_not_slow() -> None:
    line = Line()
    line.write(1_000, MAX_WAIT)
    assert line.rate.seconds_behind() == 0.0


def test_full_speed_is_retried_at_increasing_intervals() -> None:
    line, waits = Line(), []
    for _ in range(8):
        line.write(100_000, BUFFER_BYTES / 2_000)
        start = line.now
        while line.rate.seconds_behind() > 0.0 or line.now == start:
            line.write(2_000, 0.0)
            line.now += 0.5
        waits.append(line.now - start)
    assert abs(waits[0] - RETRY_SECONDS) <= 1.0
    assert abs(waits[1] - 2 * RETRY_SECONDS) <= 1.0
    assert abs(waits[-1] - MAX_RETRY_SECONDS) <= 1.0


@pytest.mark.parametrize("frame", [500, 2_000, 6_000, 12_000, 25_000])
def test_frames_that_wait_for_the_budget_keep_to_it(frame: int) -> None:
    line, written = Line(), 0
    for _ in range(400):
        if not line.rate.is_over_budget():
            line.write(frame, 0.0)
            written += frame
        line.now += 0.25
    assert written <= BUDGET * 100 + BUDGET + frame
    # small frames are all drawn
    assert written >= min(400 * frame, BUDGET * 95)


def test_the_repaint_of_a_large_screen_holds_up_frames_for_three_seconds_at_most() -> None:
    line = Line()
    line.write(10 * MAX_RECENT, 0.0)
    assert line.rate.is_over_budget()
    line.now += 3.0
    assert not line.rate.is_over_budget()


def test_what_is_forgiven_holds_up_no_frame_unless_the_terminal_is_slow() -> None:
    line = Line()
    line.write(MAX_RECENT, 4.0)
    behind = line.rate.seconds_behind()
    line.rate.forgive()
    assert not line.rate.is_over_budget()
    assert line.rate.seconds_behind() == behind > 1.0


def test_the_metered_file_flushes() -> None:
    line, file = Line(), io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=False)
    line.rate.queued(6)
    MeteredFile(file, line.rate).write("⠿⠿")
    assert file.buffer.getvalue().decode() == "⠿⠿"  # type: ignore[attr-defined]
    assert line.rate.seconds_behind() == 0.0


def test_the_size_of_the_terminal_comes_before_exported_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "20")
    kind = metered(LinuxDriver)
    driver = kind.__new__(kind)
    master, driver.fileno = pty.openpty()  # type: ignore[attr-defined]
    for columns, lines in ((100, 32), (120, 36)):
        fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        assert driver._get_terminal_size() == (columns, lines)  # type: ignore[attr-defined]
    # a terminal that doesn't know its size
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    assert driver._get_terminal_size() == (60, 20)  # type: ignore[attr-defined]
