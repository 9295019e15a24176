"""One computation at a time in this process: a run or a range test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from lrtui.engine.interpreter_exit import Stoppable, stop_at_exit
from lrtui.run.errors import LrtuiError

_STARTING = threading.Lock()
_started: list[Stoppable] = []
"""The latest computation."""


@contextmanager
def exclusive(starter: Stoppable) -> Iterator[None]:
    """Start the computation in the block; no other one can start until it has ended.

    It is stopped if the interpreter ends before.

    Raises:
        LrtuiError: while another one is running.
    """
    with _STARTING:
        other = next((each for each in _started if each.join(0) is False), None)
        if other is not None:
            # two would share torch's random state and threads, and neither would be reproducible
            raise LrtuiError(f"{other.title} is still running. Stop it first, or use another process")
        # first, since Ctrl-C may interrupt the start of a thread that is running already
        _started[:] = [starter]
        stop_at_exit(starter)
        yield
