"""The `trainer_state.json` files of an output folder of Trainer, and which of them has the history of the run."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lrtui.sources.trainer.state_file import HISTORY, UnreadableError, state_parts, step_of

FILE = "trainer_state.json"
CHECKPOINT = re.compile(r"checkpoint-(\d{1,18})")

_MOST_CHECKPOINTS = 1_000
_LARGEST_COMPARED = 32 << 20
_AFTER_ALL_CHECKPOINTS = 10**18

Signature = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class StateFile:
    """A file as it was when it was looked at.

    Args:
        path: where it is.
        signature: device, inode, size and time of the last change in nanoseconds.
        checkpoint_step: the step in the name of its folder; None if it stands in the output folder.
    """

    path: Path
    signature: Signature
    checkpoint_step: int | None

    @property
    def changed_at(self) -> int:
        return self.signature[-1]

    @property
    def size(self) -> int:
        return self.signature[2]


class NewestFile:
    """Decides which file of an output folder has the history."""

    def __init__(self) -> None:
        self._steps: dict[StateFile, int] = {}
        self._compared: dict[tuple[StateFile, StateFile], bool] = {}

    def of(self, files: Sequence[StateFile]) -> StateFile | None:
        """Return the file of the largest step, unless the run was started again and another is newer."""
        if not files:
            return None
        largest = max(files, key=lambda file: (self._step(file), file.checkpoint_step is None))
        latest = max(files, key=lambda file: file.changed_at)
        if latest.changed_at > largest.changed_at and not self._is_continued(latest, largest):
            return latest
        return largest

    def _step(self, file: StateFile) -> int:
        if file.checkpoint_step is not None:
            return file.checkpoint_step
        if file not in self._steps:
            try:
                self._steps = {file: step_of(file.path)}
            except OSError:
                return -1
        return self._steps[file]

    def _is_continued(self, earlier: StateFile, later: StateFile) -> bool:
        """Return whether the history of one file is the start of another's; copied folders have times in any order."""
        pair = earlier, later
        if pair not in self._compared:
            self._compared = {pair: max(earlier.size, later.size) > _LARGEST_COMPARED or _is_start(earlier, later)}
        return self._compared[pair]


def _is_start(earlier: StateFile, later: StateFile) -> bool:
    try:
        count, last = 0, ""
        for key, value in state_parts(earlier.path):
            if key == HISTORY:
                count, last = count + 1, repr(value)
        history = (value for key, value in state_parts(later.path) if key == HISTORY)
        return count == 0 or repr(next(islice(history, count - 1, None), None)) == last
    except (UnreadableError, OSError):
        return True


def state_files(folder: Path) -> tuple[StateFile, ...]:
    """Return the files of an output folder that are there."""
    paths: list[tuple[Path, int | None]] = [(folder / FILE, None)]
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if checkpoint := CHECKPOINT.fullmatch(entry.name):
                    paths.append((folder / entry.name / FILE, int(checkpoint[1])))
    except OSError:
        pass  # the folder is gone, and no file is found either
    paths.sort(key=lambda path: path[1] if path[1] is not None else _AFTER_ALL_CHECKPOINTS, reverse=True)
    files = []
    for path, step in paths[:_MOST_CHECKPOINTS]:
        try:
            status = path.stat()
        except OSError:
            continue  # a checkpoint that is being written or deleted
        if stat.S_ISREG(status.st_mode):
            signature = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
            files.append(StateFile(path, signature, step))
    return tuple(files)
