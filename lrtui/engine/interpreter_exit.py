"""The end of the interpreter during runs or a range test: they are stopped first.

A daemon thread that is inside torch when the interpreter ends aborts the process (exit status 134), and what it was
doing is not saved.
"""

from __future__ import annotations

import atexit
import os
import sys
import weakref
from contextlib import suppress
from typing import Protocol

from lrtui.run.interrupts import interrupts_deferred

ENDED = "the script ended"
"""Why a run was stopped."""

MESSAGE_SECONDS = 2.0
"""Seconds after which a message says what the end of the script waits for."""

INTERRUPTED = 130
"""Exit status after Ctrl-C during that wait, as in a shell."""


class Stoppable(Protocol):
    """A run or a range test, with its thread."""

    @property
    def title(self) -> str:
        """Its name in messages."""
        ...

    def request_stop(self, because: str) -> None:
        """Ask the thread to stop after the current step; returns immediately."""
        ...

    def join(self, seconds: float | None = None) -> bool:
        """Wait for its thread to end, at most `seconds`; return whether it has ended."""
        ...


_started: list[tuple[int, weakref.ref[Stoppable]]] = []
"""The computations to stop, and the process that each was started in."""


def stop_at_exit(computation: Stoppable) -> None:
    """Stop this computation when the interpreter ends.

    Called again once torch is imported: functions that are registered later are called earlier, and those of
    multiprocessing end the worker processes of a data loader.
    """
    with interrupts_deferred():
        others = [each for each in _started if each[1]() not in (None, computation)]
        _started[:] = [*others, (os.getpid(), weakref.ref(computation))]
        atexit.unregister(_stop_all)
        atexit.register(_stop_all)


def _stop_all() -> None:
    # a forked process has no threads but its first
    found = [reference() for process, reference in _started if process == os.getpid()]
    _started.clear()
    running = [each for each in found if each is not None and not each.join(0)]
    for computation in running:
        computation.request_stop(ENDED)
    for computation in running:
        _wait_for(computation)


def _wait_for(computation: Stoppable) -> None:
    """Wait until the computation is saved; the exit status stays the script's own."""
    try:
        if not computation.join(MESSAGE_SECONDS):
            _say(f"lrtui: the script has ended; waiting for {computation.title} to stop (Ctrl-C leaves at once)")
            computation.join()
    except KeyboardInterrupt:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(INTERRUPTED)


def _say(text: str) -> None:
    with suppress(OSError, ValueError):
        print(text, file=sys.stderr, flush=True)
