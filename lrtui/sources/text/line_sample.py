"""Lines at evenly spread places of a large text file."""

from __future__ import annotations

import os
from pathlib import Path

from lrtui.sources.log_file import opened

LEAST_BYTES = 8 << 20
"""Size of a file that takes too long to be read at once."""

_ENDS_BYTES, _PLACES, _PLACE_BYTES = 32 << 10, 64, 8 << 10


def sample_lines(path: Path) -> bytes:
    """Return the first lines of a large file, some in between and its last ones; nothing of a smaller file."""
    try:
        with opened(path) as (handle, status):
            size = status.st_size
            if size < LEAST_BYTES:
                return b""
            parts = [_lines_at(handle, 0, _ENDS_BYTES)]
            between = (size - 2 * _ENDS_BYTES) / _PLACES
            parts += [_lines_at(handle, int(_ENDS_BYTES + place * between), _PLACE_BYTES) for place in range(_PLACES)]
            parts.append(_lines_at(handle, size - _ENDS_BYTES, _ENDS_BYTES))
    except OSError:
        return b""
    return b"".join(parts).removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"")


def _lines_at(handle: int, place: int, count: int) -> bytes:
    """Return the lines that lie whole within some bytes of a file."""
    os.lseek(handle, place, os.SEEK_SET)
    data = os.read(handle, count)
    start = data.find(b"\n") + 1 if place else 0
    return data[start : data.rfind(b"\n") + 1]
