"""One computation at a time in this process: a run or a range test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from lrtui.run.errors import LrtuiError


class Computation(Protocol):
    """A run or a range test, with its thread."""

    @property
    def title(self) -> str:
        """Its name in messages."""
        ...

    def join(self, seconds: float | None = None) -> bool:
        """Wait for its thread to end, at most `seconds`; return whether it has ended."""
        ...


_STARTING = threading.Lock()
_started: list[Computation] = []
"""The latest computation."""


@contextmanager
def exclusive(starter: Computation) -> Iterator[None]:
    """Start the computation in the block; no other one can start until it has ended.

    Raises:
        LrtuiError: while another one is running.
    """
    with _STARTING:
        other = next((each for each in _started if each.join(0) is False), None)
        if other is not None:
            # two would share torch's random state and threads, and neither would be reproducible
            raise LrtuiError(f"{other.title} is still running. Stop it first, or use another process")
        yield
        _started[:] = [starter]
