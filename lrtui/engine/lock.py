"""Who computes in this process: one at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from lrtui.run.errors import LrtuiError


class Computation(Protocol):
    """A run or a range test, with a thread of its own."""

    @property
    def title(self) -> str:
        """What it is called in words."""
        ...

    def join(self, seconds: float | None = None) -> bool:
        """Wait for its thread to end, `seconds` at most; return whether it has."""
        ...


_STARTING = threading.Lock()
_started: list[Computation] = []
"""What was started last."""


@contextmanager
def exclusive(starter: Computation) -> Iterator[None]:
    """Let it begin in the block, and count as under way until it has ended.

    Raises:
        LrtuiError: while another one is under way.
    """
    with _STARTING:
        under_way = next((other for other in _started if other.join(0) is False), None)
        if under_way is not None:
            # two would share torch's random state and its threads, and neither could be repeated
            raise LrtuiError(f"{under_way.title} is under way; stop it first, or use a process for each")
        yield
        _started[:] = [starter]
