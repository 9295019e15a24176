"""A file that another program may be writing, replacing or removing while it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# a path may be a pipe, which would block
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

Signature = tuple[int, int, int, int]
"""Device, inode, size and time of change: what differs once a file is written or replaced."""


@contextmanager
def opened(path: Path) -> Iterator[tuple[int, os.stat_result]]:
    """Yield the descriptor of a file that is open for reading, and its status.

    Raises:
        OSError: if it can't be opened, or is not a file but a pipe, a device or a folder.
    """
    handle = os.open(path, _OPEN_FLAGS)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a file")
        yield handle, status
    finally:
        os.close(handle)


def signature(status: os.stat_result) -> Signature:
    """Return the signature of a file."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def read_bytes(handle: int, count: int) -> bytes:
    """Return the next bytes of a file, fewer at its end."""
    parts: list[bytes] = []
    while count and (part := os.read(handle, count)):
        parts.append(part)
        count -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
