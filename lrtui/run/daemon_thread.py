"""A daemon thread that can be waited for again after Ctrl-C has interrupted a wait."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


class DaemonThread:
    """A thread that does not keep the process alive.

    CPython before 3.13 takes a thread for ended if Ctrl-C interrupts `Thread.join` with a timeout, or
    `Thread.is_alive`. Here an event says that it has ended, and an interrupted wait changes nothing.

    Args:
        work: called in the thread.
        name: name of the thread.
    """

    def __init__(self, work: Callable[[], object], name: str) -> None:
        self._work = work
        self._ended = threading.Event()
        self._process = 0
        """Id of the process that the thread was started in; 0 before. A forked process does not have the thread."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: if the system starts no more threads.
        """
        # set first: Ctrl-C may interrupt this thread when the other one is running already
        self._process = os.getpid()
        try:
            self._thread.start()
        except RuntimeError:
            self._process = 0
            raise

    @property
    def was_started(self) -> bool:
        """Whether it was started, in this process or in one that forked it."""
        return self._process != 0

    @property
    def is_alive(self) -> bool:
        """Whether it is running."""
        return self._process == os.getpid() and not self._ended.is_set()

    def join(self, seconds: float | None = None) -> bool:
        """Wait for its end, at most `seconds`; return whether it is not running."""
        if self.is_alive:
            self._ended.wait(seconds)
        return not self.is_alive

    def _run(self) -> None:
        try:
            self._work()
        finally:
            self._ended.set()
