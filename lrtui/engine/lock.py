"""One computation at a time in this process: a run or a range test."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

from lrtui.engine.interpreter_exit import Stoppable, stop_at_exit
from lrtui.run.errors import LrtuiError

_STARTING = threading.Lock()
_started: list[weakref.ref[Stoppable]] = []
"""The latest computation; one that has ended is freed with its model when nobody else refers to it."""


@contextmanager
def exclusive(starter: Stoppable) -> Iterator[None]:
    """Start the computation in the block; no other one can start until it has ended.

    It is stopped if the interpreter ends before.

    Raises:
        LrtuiError: while another one is running.
    """
    with _STARTING:
        other = _started[0]() if _started else None
        if other is not None and not other.join(0):
            # two would share torch's random state and threads, and neither would be reproducible
            raise LrtuiError(f"{other.title} is still running. Stop it first, or use another process")
        # first, since Ctrl-C may interrupt the start of a thread that is running already
        _started[:] = [weakref.ref(starter)]
        stop_at_exit(starter)
        yield
