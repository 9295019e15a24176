"""Where a run waits while another thread has its model and the random generators."""

from __future__ import annotations

import threading


class Gate:
    """Two events: the training thread waits, and the other thread has finished."""

    def __init__(self) -> None:
        self._entered, self._left = threading.Event(), threading.Event()

    def enter(self, seconds: float) -> bool:
        """Wait until the training thread waits, at most `seconds`; return whether it does."""
        return self._entered.wait(seconds)

    def leave(self) -> None:
        """Let the training thread continue; if it does not wait yet, it will not."""
        self._left.set()

    @property
    def is_left(self) -> bool:
        """Whether the other thread has finished."""
        return self._left.is_set()

    def hold(self, seconds: float | None = None) -> bool:
        """Block until the other thread has finished, at most `seconds`; called by the training thread.

        Returns:
            Whether the other thread has finished.
        """
        self._entered.set()
        return self._left.wait(seconds)
