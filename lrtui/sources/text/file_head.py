"""The first lines of a file, by which a format tells whether it is its own."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from lrtui.sources.log_file import Signature, opened, signature

HEAD_BYTES = 64 << 10
HEAD_LINES = 200

MAX_PER_FOLDER = 5_000
"""Files of a folder that are looked into for one format; a folder with more holds data, not logs."""


def head_lines(path: Path) -> list[str]:
    """Return the lines in the first bytes of a file, without a last one that is cut; none if it can't be read."""
    found = _signature(path)
    return [] if found is None else list(_head_lines(path, found))


def remembered(judge: Callable[[Path], bool]) -> Callable[[Path], bool]:
    """Return a function that judges a file by its first lines, with a memory of files that have not changed."""

    @lru_cache(maxsize=16_384)
    def known(path: Path, _: Signature) -> bool:
        return judge(path)

    def judged(path: Path) -> bool:
        found = _signature(path)
        return found is not None and known(path, found)

    return judged


def _signature(path: Path) -> Signature | None:
    """Return what changes when a file does; None for what is no file, such as a pipe, which would wait."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return signature(status)


# several formats look at the same file
@lru_cache(maxsize=16)
def _head_lines(path: Path, _: Signature) -> tuple[str, ...]:
    try:
        with opened(path) as (handle, _status):
            data = os.read(handle, HEAD_BYTES)
    except OSError:
        return ()
    is_cut = len(data) == HEAD_BYTES
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = data.split(b"\n", HEAD_LINES)
    # the last one is cut, or is the rest
    if is_cut or len(lines) > HEAD_LINES:
        lines.pop()
    return tuple(line.decode("utf-8", "replace") for line in lines if line.strip())
