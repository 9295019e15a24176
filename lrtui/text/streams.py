"""Standard output and error that can no longer be written."""

from __future__ import annotations

import os
import stat
from typing import TextIO


def discard(stream: TextIO) -> None:
    """Redirect buffered output to /dev/null; otherwise the interpreter's last flush would fail with exit status 120."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def is_hung_up(stream: TextIO) -> bool:
    """Return whether the stream's terminal has been closed: its file is still a device, but no longer a terminal."""
    return stat.S_ISCHR(os.fstat(stream.fileno()).st_mode) and not stream.isatty()
