"""What lrtui changes in a process of its own, and leaves alone in a script or a notebook that calls it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from lrtui.engine.openmp import limit_spinning
from lrtui.engine.time_slice import ask_for_slices

_owners = 0
"""Number of entry points that are running: 0 in a process of the user's."""


@contextmanager
def own_process() -> Iterator[None]:
    """Let lrtui tune this process within the block; for the command line and the processes that it starts.

    Idle threads of OpenMP sleep soon, objects of PyTorch are excluded from garbage collection, freed memory is kept,
    and threads get longer time slices. None of this can be undone.
    """
    global _owners
    # before torch is imported, here and in the processes that a command starts
    limit_spinning()
    _owners += 1
    try:
        yield
    finally:
        _owners -= 1


def is_own_process() -> bool:
    """Return whether this process runs lrtui's command line or cockpit."""
    return _owners > 0


def tune_thread(slice_seconds: float) -> None:
    """Request time slices of this length for the calling thread, in a process of lrtui's own."""
    if is_own_process():
        ask_for_slices(slice_seconds)


def tune_memory() -> None:
    """Make the C library keep freed memory, in a process of lrtui's own."""
    if is_own_process():
        from lrtui.training.device import keep_freed_memory

        keep_freed_memory()


def import_torch() -> None:
    """Import torch; in a process of lrtui's own, exclude its objects from garbage collection.

    The import takes 1.5 s or more and holds the GIL for up to 0.25 s at a time. It creates 200,000 objects, with which
    every full garbage collection would take 0.1 s.
    """
    import torch  # noqa: F401

    if is_own_process():
        gc.collect()
        gc.freeze()
