"""Training time: a stopwatch that stands still while the run is paused or the process is stopped."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

BEAT_SECONDS = 0.1
"""Seconds between two signs of life of the process."""

LATE_SECONDS = 1.0
"""Minimum length of a gap between two of them that counts as a stop."""

BUSY_SHARE = 0.5
"""CPU seconds per second of a gap from which on the process counts as busy, not stopped."""


class ProcessTime:
    """Seconds in which this process was able to run.

    Left out is the time in which it was stopped: by SIGSTOP, ctrl+z, a debugger, a frozen container, or the suspension
    of the machine where the system's clock runs on. A thread gives a sign of life every 0.1 s. If none came for more
    than a second, and the process used less than half a second of CPU time per second of that gap, it was stopped.

    Shorter stops are counted. On a machine with many cores, so is a stop of less than 0.2 s per core: the CPU time that
    all cores used in the 0.1 s before it makes the process look busy. A native function that waits for more than a
    second without releasing the GIL, and a process that gets no CPU time for so long, can't be told from a stopped one.

    Args:
        wall_seconds: a clock that runs on while the process is stopped.
        cpu_seconds: CPU time of all threads of the process.
    """

    def __init__(
        self,
        wall_seconds: Callable[[], float] = time.perf_counter,
        cpu_seconds: Callable[[], float] = time.process_time,
    ) -> None:
        self._wall_seconds, self._cpu_seconds = wall_seconds, cpu_seconds
        self._lock = threading.Lock()
        self._stopped = 0.0
        self._read_at = self._cpu_read_at = wall_seconds()
        self._cpu = cpu_seconds()
        self._watching_process = self._watchers = 0

    def watch(self) -> None:
        """Give signs of life until `unwatch` was called as often as this."""
        with self._lock:
            self._watchers += 1
            # a forked process has no threads but its first
            if self._watching_process == os.getpid():
                return
            self._watching_process = os.getpid()
            self._read_at = self._cpu_read_at = self._wall_seconds()
            self._cpu = self._cpu_seconds()
        threading.Thread(target=self._beat, name="signs-of-life", daemon=True).start()

    def unwatch(self) -> None:
        """Give no more signs of life for the caller of `watch`."""
        with self._lock:
            self._watchers -= 1

    def _beat(self) -> None:
        while True:
            time.sleep(BEAT_SECONDS)
            with self._lock:
                if self._watchers <= 0:
                    self._watching_process = 0
                    return
            self.seconds()

    def seconds(self) -> float:
        """Return the seconds so far; only differences have a meaning."""
        with self._lock:
            now = self._wall_seconds()
            gap = now - self._read_at
            # reading the CPU time takes up to 5 µs, too long for every short step
            if now - self._cpu_read_at > BEAT_SECONDS / 10:
                cpu = self._cpu_seconds()
                if gap > LATE_SECONDS and cpu - self._cpu < BUSY_SHARE * gap:
                    self._stopped += gap
                self._cpu_read_at, self._cpu = now, cpu
            self._read_at = now
            return now - self._stopped

    @property
    def stopped_seconds(self) -> float:
        """Seconds in which the process was stopped, since it is watched."""
        self.seconds()
        return self._stopped


PROCESS_TIME = ProcessTime()


class Clock:
    """A stopwatch for training time: evaluation counts, pauses and the time in which the process is stopped don't.

    It starts paused.

    Args:
        seconds: time on the clock at the start, for a resumed run.
        process_time: the time that it counts.
    """

    def __init__(self, seconds: float = 0.0, process_time: ProcessTime = PROCESS_TIME) -> None:
        self._counted = seconds
        self._running_since: float | None = None
        self._process_time = process_time

    @property
    def seconds(self) -> float:
        """Seconds counted so far."""
        running = 0.0 if self._running_since is None else self._process_time.seconds() - self._running_since
        return self._counted + running

    def pause(self) -> None:
        """Stop counting until `resume`."""
        if self._running_since is not None:
            self._counted, self._running_since = self.seconds, None
            self._process_time.unwatch()

    def resume(self) -> None:
        """Count from now on."""
        if self._running_since is None:
            self._process_time.watch()
            self._running_since = self._process_time.seconds()
