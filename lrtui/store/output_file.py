"""Writes a text file as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from lrtui.run.errors import StoreError

SPECIAL_FOLDERS = ("/dev/", "/proc/")
"""Their entries, such as /dev/stdout, can lead to regular files that are open elsewhere."""


def write_file(path: str | Path, pieces: Iterable[str], remedy: str = "") -> None:
    """Write text to a file.

    An existing regular file is replaced only by a complete one, and keeps its permissions. A link is followed; a
    device, a fifo or a socket is written to as it is.

    Args:
        remedy: what to do if it can't be written, as the end of the message.

    Raises:
        StoreError: if it can't be written.
    """
    try:
        target = Path(os.path.realpath(path))
        if os.path.abspath(path).startswith(SPECIAL_FOLDERS) or (target.exists() and not target.is_file()):
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.writelines(pieces)
            return
        partial = target.with_name(f"{target.name}.part")
        try:
            with partial.open("w", encoding="utf-8", newline="") as file:
                file.writelines(pieces)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, partial)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{path} can't be written: {error.strerror or error}{remedy}") from None
