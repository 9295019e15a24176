"""The first lines of a file, by which a format tells whether it is its own."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from pathlib import Path

from lrtui.sources.line_tail import OPEN_FLAGS

HEAD_BYTES = 64 << 10

MAX_PER_FOLDER = 1_000
"""Files of a folder that are looked into for one format; a folder with more holds data, not logs."""


def head_lines(path: Path) -> list[str]:
    """Return the lines in the first bytes of a file, without a last one that is cut; none if it can't be read."""
    try:
        status = os.stat(path)
    except OSError:
        return []
    # a pipe or a device would wait, or never end
    if not stat.S_ISREG(status.st_mode):
        return []
    return list(_head_lines(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))


# several formats look at the same file, and folders are looked through again and again for new runs
@lru_cache(maxsize=256)
def _head_lines(path: Path, *signature: int) -> tuple[str, ...]:
    try:
        handle = os.open(path, OPEN_FLAGS)
        try:
            data = os.read(handle, HEAD_BYTES)
        finally:
            os.close(handle)
    except OSError:
        return ()
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")
    lines = data.decode("utf-8", "replace").split("\n")
    if len(data) >= HEAD_BYTES:
        lines.pop()
    return tuple(line.rstrip("\r") for line in lines if line.strip())
