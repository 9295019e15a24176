"""Runs logged as TensorBoard event files: each folder with such files is a run."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from lrtui.sources.log import FoundLog, LogFacts, LogFormat, LogPart
from lrtui.sources.tensorboard.event_file import EventFile
from lrtui.sources.tensorboard.event_folders import PartsBelow, event_files, event_files_of, run_folder
from lrtui.sources.tensorboard.event_history import EventHistory
from lrtui.text.format import counted, printable

# logs below this size are read at once
SAMPLED_FROM = 8_000_000
# each is read by itself, and waits up to 5 ms for the interpreter while the cockpit is imported
WINDOWS = 128
SAMPLE_SECONDS = 0.1
# files whose trouble is told
MOST_TOLD = 3


class TensorBoardFormat(LogFormat):
    """Event files written by TensorBoard, PyTorch, tensorboardX, Keras, Lightning and others."""

    name = "tensorboard"

    def find(self, folder: Path, names: Sequence[str]) -> Sequence[FoundLog]:
        """Return the run that the event files of a folder belong to; for parts of a run, the run's folder."""
        files = event_files(names)
        return [FoundLog(self.name, run_folder(folder, files))] if files else []

    def open(self, log: FoundLog) -> TensorBoardReader:
        """Return a reader of a run's event files."""
        return TensorBoardReader(log.path)


class TensorBoardReader:
    """Reads the event files of a run's folder, and those of its parts in folders below."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._below = PartsBelow(folder)
        self._files: dict[Path, EventFile] = {}
        self._history = EventHistory()
        self._facts = LogFacts()
        self._has_more = True
        self._paths: list[Path] | None = None

    @property
    def trouble(self) -> str:
        """What can't be read, file by file."""
        if self._paths == []:
            return f"{printable(str(self._folder))} has no event files any more, or can't be read."
        files = [file.trouble for file in self._files.values() if file.trouble]
        if len(files) > MOST_TOLD:
            files[MOST_TOLD:] = [f"{counted(len(files) - MOST_TOLD, 'further file')} can't be read as a whole."]
        text = " ".join(filter(None, [*files, self._history.trouble]))
        return f"{printable(str(self._folder))}: {text}" if text else ""

    def has_news(self) -> bool:
        """Return whether a file has changed, or there is a new one."""
        if self._has_more or self._paths is None or self._listing() != self._paths:
            return True
        return any(self._files[path].has_news() for path in self._paths)

    def _listing(self) -> list[Path]:
        """Return the event files of the run, those of its own folder first, in the order in which they are read."""
        self._below.search()
        return [folder / name for folder in (self._folder, *self._below.parts) for name in event_files_of(folder)]

    def read(self, seconds: float) -> LogPart:
        """Return what is new in the files, file by file."""
        deadline = time.monotonic() + seconds
        is_rewritten = self._update_files()
        self._read_files(deadline)
        if self._history.is_out_of_order:
            is_rewritten = self._start_again()
            self._read_files(deadline)
        facts = LogFacts(settings=dict(self._history.settings))
        changed = facts if facts != self._facts or is_rewritten else None
        self._facts = facts
        return LogPart(self._history.take(), changed, is_rewritten, self._has_more)

    def _read_files(self, deadline: float) -> None:
        self._has_more = False
        for path in self._paths or ():
            file = self._files[path]
            if file.has_news():
                parts = self._below.parts.get(path.parent, ())
                for table in file.tables():
                    self._history.add(path, table, parts)
                    if time.monotonic() > deadline:
                        self._has_more = True
                        return

    def _update_files(self) -> bool:
        """Look for files; return whether all must be read again, because what has been read is not in them any more."""
        paths = self._paths = self._listing()
        if not paths:
            return False
        # a file that appears before one that has been read, as rsync copies them, changes the order
        known = defaultdict[Path, list[Path]](list)
        for path in self._files:
            known[path.parent].append(path)
        is_same = all(
            files == [path for path in paths if path.parent == folder][: len(files)] for folder, files in known.items()
        )
        if not is_same or any(file.is_replaced() for file in self._files.values()):
            return self._start_again()
        self._files = {path: self._files.get(path) or EventFile(path) for path in paths}
        return False

    def _start_again(self) -> bool:
        """Read all files from their starts; return True."""
        self._files = {path: EventFile(path) for path in self._paths or ()}
        self._history = EventHistory()
        return True

    def sample(self) -> LogPart | None:
        """Return values at evenly spread places of the files, and their last ones; None if they are small."""
        deadline = time.monotonic() + SAMPLE_SECONDS
        sizes = {path: _size(path) for path in self._listing()}
        total = sum(sizes.values())
        if total < SAMPLED_FROM:
            return None
        history = EventHistory()
        for path, size in sizes.items():
            table = EventFile(path).sample(1 + WINDOWS * size // total)
            if table is not None:
                history.add(path, table, self._below.parts.get(path.parent, ()))
            if time.monotonic() > deadline:
                break
        return LogPart(history.take(), LogFacts(settings=history.settings), has_more=True)

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
