"""Training time: seconds since the run began, evaluation included, pauses excluded."""

from __future__ import annotations

import time


class Clock:
    """A stopwatch that can be held; starts at once.

    Args:
        already: seconds on it at the start, for a run that goes on.
    """

    def __init__(self, already: float = 0.0) -> None:
        self._counted = already
        self._since: float | None = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds counted so far."""
        return self._counted + (0.0 if self._since is None else time.perf_counter() - self._since)

    def hold(self) -> None:
        """Stop counting, until `go_on`."""
        self._counted, self._since = self.seconds, None

    def go_on(self) -> None:
        """Count again."""
        if self._since is None:
            self._since = time.perf_counter()
