"""How much the terminal has still to show of what was written, where it takes it slowly."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import IO, Any

from textual.driver import Driver

ROOM = 15_000
"""Bytes that a terminal shows while a write waits for room: a pseudo-terminal of Linux takes 18,944, tells nobody how
many it holds, and wakes the writer when hardly any are left. Less than that, so that the pace is rather below the
terminal's than above it."""

WAITED = 0.2
"""Seconds in a write from which on it has waited for room."""

STALLED = 15.0
"""Seconds from which on it was no slow terminal but one that was stopped, by ctrl+s or a laptop's lid."""

TRUSTED_SECONDS = 30.0
"""How long a terminal is taken to be as slow as it was; then it is tried. Doubled by each trial."""

LONGEST_TRUST = 480.0


class Flow:
    """Learns from writes that had to wait how fast the terminal takes them; used by any thread.

    Where more is written than the terminal shows, its room is full for ever, and every key is answered a room's
    length late: nine seconds at 2 kB a second.

    Args:
        seconds: a clock.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._lock = seconds, threading.Lock()
        self._rate: float | None = None
        """Bytes a second; None while the terminal takes all that comes."""
        self._owed, self._at = 0.0, seconds()
        """Bytes that it had not shown by then, as far as is known."""
        self._queued = 0
        self._trust, self._try_at = TRUSTED_SECONDS, 0.0

    def queued(self, size: int) -> None:
        """Note that so many bytes wait to be written."""
        with self._lock:
            self._queued += size

    def wrote(self, size: int, took: float) -> None:
        """Note that so many bytes were written, and how many seconds that took."""
        with self._lock:
            now = self._seconds()
            self._drain(now)
            self._queued = max(0, self._queued - size)
            self._owed += size
            if WAITED <= took < STALLED:
                self._rate, self._owed, self._try_at = ROOM / took, float(size), now + self._trust

    def seconds_behind(self) -> float:
        """Return how long the terminal takes to show what was written; 0 where it takes all that comes."""
        with self._lock:
            now = self._seconds()
            self._drain(now)
            if self._rate is None:
                return 0.0
            if now >= self._try_at and not self._queued:
                # it may be faster by now, which only writing more than it took can tell
                self._rate, self._trust = None, min(2 * self._trust, LONGEST_TRUST)
                return 0.0
            return (self._owed + self._queued) / self._rate

    def _drain(self, now: float) -> None:
        self._owed = 0.0 if self._rate is None else max(0.0, self._owed - self._rate * (now - self._at))
        self._at = now


class MeteredFile:
    """A terminal's output, every write of it timed.

    Args:
        file: the output.
        flow: told of the writes.
    """

    def __init__(self, file: IO[str], flow: Flow) -> None:
        self._file, self._flow = file, flow

    def write(self, text: str) -> int:
        """Write through: what lies in a buffer tells nothing of the terminal."""
        begun = time.monotonic()
        written = self._file.write(text)
        self._file.flush()
        self._flow.wrote(size_of(text), time.monotonic() - begun)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def size_of(text: str) -> int:
    """Return how many bytes a text is: a cell of a chart is three."""
    return len(text.encode(errors="replace"))


def metered(kind: type[Driver]) -> type[Driver]:
    """Return the driver with a meter in its output; one that has no such output as it is."""

    class Metered(kind):  # type: ignore[misc, valid-type]
        """Knows how far behind the terminal is."""

        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            self.flow: Flow | None = None
            # private to Textual
            file = getattr(self, "_file", None)
            if file is not None:
                self.flow = Flow()
                self._file = MeteredFile(file, self.flow)

        def write(self, data: str) -> None:
            if self.flow is not None:
                self.flow.queued(size_of(data))
            super().write(data)

    return Metered
