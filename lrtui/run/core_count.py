"""The CPU cores that this process may use."""

from __future__ import annotations

import os


def core_count() -> int:
    """Return the number of cores that the system lets this process use, which may be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
