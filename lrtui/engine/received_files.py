"""The checkpoint files that a worker with files of its own sends to its driver."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import IO

from lrtui.distributed.message import Message, MessageError
from lrtui.run.checkpoint_name import CHECKPOINT_NAME
from lrtui.training.checkpoint.files import UNFINISHED


class ReceivedFiles:
    """Writes the files of one run, which come in parts.

    Args:
        folder: folder of the run's checkpoints.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: IO[bytes] | None = None
        self._path = folder
        """The file that is being written, under a name of its own until it is complete."""
        self._has_failed = False

    def take(self, message: Message) -> None:
        """Write a part; with the last one the file gets its name.

        Raises:
            MessageError: if it is no part of a checkpoint.
            OSError: if it can't be written; the other parts of the file are then ignored.
        """
        name, is_last = str(message.body.get("name")), bool(message.body.get("last"))
        if not CHECKPOINT_NAME.fullmatch(name) or len(message.columns) != 1:
            raise MessageError(f"not a part of a checkpoint: {name:.40}")
        has_failed = self._has_failed
        self._has_failed = has_failed and not is_last
        if has_failed:
            return
        if self._file is not None and self._path.name != f"{name}{UNFINISHED}":
            # the worker could not read the rest of the one before
            self.close()
        try:
            if self._file is None:
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._path = self.folder / f"{name}{UNFINISHED}"
                self._file = self._path.open("wb")
            self._file.write(message.columns[0].data)
            if is_last:
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._path.replace(self.folder / name)
                self._file = None
        except OSError:
            self._has_failed = not is_last
            self.close()
            raise

    def close(self) -> None:
        """Close a file that is not complete, and remove it."""
        if self._file is not None:
            # the disk may be full
            with suppress(OSError):
                self._file.close()
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
            self._file = None
