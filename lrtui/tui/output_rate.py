"""Measures how much is written to the terminal, how fast a slow one takes it, and how far it lags behind."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import IO, Any

from textual.driver import Driver

BUFFER_BYTES = 15_000
"""Bytes that a terminal shows while a write waits. A pseudo-terminal on Linux buffers 18,944 bytes and wakes the writer
when its buffer is almost empty; a lower value avoids overestimating the terminal's speed."""

MIN_WAIT = 0.2
"""Minimum duration in seconds of a write that had to wait for the buffer."""

MAX_WAIT = 15.0
"""Duration of a write, in seconds, from which the terminal counts as suspended (ctrl+s, a closed laptop), not slow."""

RETRY_SECONDS = 30.0
"""Seconds for which an estimate is used before full speed is tried again; doubled at each trial."""

MAX_RETRY_SECONDS = 480.0

BUDGET = 10_000
"""Bytes per second to which frames are limited, in every layout: a terminal over SSH stays usable."""

MAX_RECENT = 4 * BUDGET
"""Maximum number of bytes counted against the budget, so that no repaint of a whole screen delays frames for more than
three seconds."""


class OutputRate:
    """Estimates the terminal's speed from writes that had to wait; thread-safe.

    If output is written faster than the terminal shows it, its buffer stays full and the response to every key has to
    wait for the whole buffer: nine seconds at 2 kB a second.

    Args:
        seconds: a clock.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._lock = seconds, threading.Lock()
        self._rate: float | None = None
        """Bytes per second; None while the terminal accepts everything immediately."""
        self._unshown, self._at = 0.0, seconds()
        """Estimated bytes written but not shown at that time."""
        self._queued = 0
        self._recent = 0.0
        """Bytes written, less what the budget allowed since."""
        self._retry_after, self._retry_at = RETRY_SECONDS, 0.0

    def queued(self, size: int) -> None:
        """Record bytes that wait to be written."""
        with self._lock:
            self._drain(self._seconds())
            self._queued += size
            self._recent = min(self._recent + size, MAX_RECENT)

    def wrote(self, size: int, took: float) -> None:
        """Record a write of `size` bytes that took `took` seconds."""
        with self._lock:
            now = self._seconds()
            self._drain(now)
            self._queued = max(0, self._queued - size)
            self._unshown += size
            if MIN_WAIT <= took < MAX_WAIT:
                self._rate, self._unshown, self._retry_at = BUFFER_BYTES / took, float(size), now + self._retry_after

    def seconds_behind(self) -> float:
        """Return how many seconds the terminal needs to show what was written; 0 if it keeps up."""
        with self._lock:
            now = self._seconds()
            self._drain(now)
            if self._rate is None:
                return 0.0
            if now >= self._retry_at and not self._queued:
                # the terminal may be faster now, which only writing at full speed shows
                self._rate, self._retry_after = None, min(2 * self._retry_after, MAX_RETRY_SECONDS)
                return 0.0
            return (self._unshown + self._queued) / self._rate

    def is_over_budget(self) -> bool:
        """Return whether the next frame has to wait, since more than a second's budget was written before it."""
        with self._lock:
            self._drain(self._seconds())
            return self._recent > BUDGET

    def forgive(self) -> None:
        """Do not count what has been written against the budget."""
        with self._lock:
            self._recent = 0.0

    def _drain(self, now: float) -> None:
        self._recent = max(0.0, self._recent - BUDGET * (now - self._at))
        self._unshown = 0.0 if self._rate is None else max(0.0, self._unshown - self._rate * (now - self._at))
        self._at = now


class MeteredFile:
    """A terminal's output file that times every write.

    Args:
        file: the output.
        rate: receives the timings.
    """

    def __init__(self, file: IO[str], rate: OutputRate) -> None:
        self._file, self._rate = file, rate

    def write(self, text: str) -> int:
        """Write and flush, so that the time of the terminal is measured and not that of the buffer."""
        started = time.monotonic()
        written = self._file.write(text)
        self._file.flush()
        self._rate.wrote(size_of(text), time.monotonic() - started)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def size_of(text: str) -> int:
    """Return the UTF-8 size of a text; a Braille cell is three bytes."""
    return len(text.encode(errors="replace"))


def metered(kind: type[Driver]) -> type[Driver]:
    """Return a driver class that measures its output rate; a driver without an output file stays as it is."""

    class Metered(kind):  # type: ignore[misc, valid-type]
        """A driver with an `output_rate`, for which the terminal's size comes before COLUMNS and LINES."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.rate: OutputRate | None = None
            # `_file` is private to Textual
            file = getattr(self, "_file", None)
            if file is not None:
                self.output_rate = OutputRate()
                self._file = MeteredFile(file, self.output_rate)

        def _get_terminal_size(self) -> tuple[int, int]:
            # COLUMNS and LINES, if exported, keep their values when the terminal is resized
            with contextlib.suppress(OSError):
                columns, lines = os.get_terminal_size(getattr(self, "fileno", -1))
                if columns and lines:
                    return columns, lines
            size: tuple[int, int] = super()._get_terminal_size()
            return size

        def write(self, data: str) -> None:
            if self.output_rate is not None:
                self.output_rate.queued(size_of(data))
            super().write(data)

    return Metered
