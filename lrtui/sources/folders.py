"""Finds the logs under a path, in steps of limited time: a folder may hold a data set, or be on a slow network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lrtui.sources.log import FoundLog, LogFormat

MAX_FOLDERS = 20_000
"""Maximum number of folders that are searched under one path."""

MAX_FILES = 20_000
"""Maximum number of files of one folder that are looked at."""

SKIPPED = frozenset({"node_modules", "site-packages", "__pycache__", "venv"})
"""Names of folders that have no logs, beside the hidden ones."""

SYSTEM_FOLDERS = frozenset({Path("/proc"), Path("/sys"), Path("/dev")})
"""Folders whose files are no files on a disk; searched only if the user names one."""


@dataclass(frozen=True, slots=True)
class Place:
    """A log that was found.

    Args:
        log: the log.
        format: its format.
    """

    log: FoundLog
    format: LogFormat


def is_skipped(name: str) -> bool:
    """Return whether folders of this name are not searched."""
    return name.startswith(".") or name in SKIPPED


class LogFinder:
    """The logs under one path; used by one thread.

    Args:
        path: a folder or a file, absolute; it may not exist yet.
        formats: formats in the order in which they are asked.
    """

    def __init__(self, path: Path, formats: Sequence[LogFormat]) -> None:
        self._path, self._formats = path, formats
        self.places: dict[Path, Place] = {}
        """The logs by path; replaced, never changed, when the search has reached its end."""
        self.folders: tuple[Path, ...] = ()
        """The folders that were searched."""
        self.trouble: tuple[str, ...] = ()
        """What can't be searched."""
        self.seconds = 0.0
        """How long the last search took."""
        self.is_complete = False
        """Whether the path has been searched to its end."""
        self._search: Iterator[None] | None = None
        self._spent = 0.0

    @property
    def is_searching(self) -> bool:
        """Whether a search has begun and not ended."""
        return self._search is not None

    def search(self, until: float) -> bool:
        """Search until this time of the monotonic clock, at least one folder; return whether the search has ended."""
        start = time.monotonic()
        if self._search is None:
            self._search, self._spent = self._steps(), 0.0
        for _ in self._search:
            if time.monotonic() >= until:
                self._spent += time.monotonic() - start
                return False
        self._search = None
        self.seconds = self._spent + time.monotonic() - start
        self.is_complete = True
        return True

    def _steps(self) -> Iterator[None]:
        """Search the path, one folder at a step, then replace what was found before."""
        found: dict[Path, Place] = {}
        trouble: list[str] = []
        folders: list[Path] = []
        if not os.path.isdir(self._path):
            if os.path.lexists(self._path):
                self._ask(lambda each: each.find_file(self._path), self._path, found, trouble)
            else:
                trouble.append(f"there is no {self._path}")
        else:
            yield from self._walk(found, trouble, folders)
            # a link to a log that was found by its own path
            real = {path: _real(path) for path in found if path.is_symlink()}
            found = {path: place for path, place in found.items() if real.get(path) not in found}
        self.places, self.trouble = found, tuple(dict.fromkeys(trouble))
        # those with logs first: not all can be watched
        with_logs = {path if os.path.isdir(path) else path.parent for path in found}
        self.folders = tuple(sorted(folders, key=lambda folder: folder not in with_logs)) or (self._path.parent,)

    def _walk(self, found: dict[Path, Place], trouble: list[str], folders: list[Path]) -> Iterator[None]:
        # real folders come first, so that a log is named by its own path and not by that of a link
        waiting, links, seen = [self._path], list[Path](), set[tuple[int, int]]()
        files: set[Path] = set()
        while waiting or links:
            folder = waiting.pop() if waiting else links.pop(0)
            if len(folders) >= MAX_FOLDERS:
                trouble.insert(0, f"{self._path}: only the first {MAX_FOLDERS:,} folders are searched")
                return
            if folder in SYSTEM_FOLDERS and folder != self._path:
                continue
            try:
                status = folder.stat()
                if (status.st_dev, status.st_ino) in seen:
                    continue
                seen.add((status.st_dev, status.st_ino))
                names, inner, linked, is_cut = _entries(folder)
            except OSError as error:
                trouble.append(f"{folder} can't be read: {error.strerror or error}")
                continue
            if is_cut:
                trouble.append(f"{folder}: only {MAX_FILES:,} of its files are looked at")
            folders.append(folder)
            names = [name for name in names if not _is_repeated(folder, name, linked, files)]
            if names and self._ask(partial(_find, folder, names), folder, found, trouble):
                yield
                continue
            waiting += [folder / name for name in sorted(inner, reverse=True)]
            links += [folder / name for name in sorted(linked) if os.path.isdir(folder / name)]
            yield

    def _ask(
        self,
        find: Callable[[LogFormat], Sequence[FoundLog]],
        path: Path,
        found: dict[Path, Place],
        trouble: list[str],
    ) -> bool:
        """Add the logs that a path is; return whether one of them owns the folders in it."""
        owns_folders = False
        for log_format in self._formats:
            try:
                logs = find(log_format)
            except Exception as error:  # a format of another package can raise anything
                trouble.append(f"{path}: {log_format.name}: {type(error).__name__}: {error}")
                continue
            for log in logs:
                found.setdefault(log.path, Place(log, log_format))
                owns_folders |= log.owns_folders
        return owns_folders


def _find(folder: Path, names: Sequence[str], log_format: LogFormat) -> Sequence[FoundLog]:
    return log_format.find(folder, names)


def _entries(folder: Path) -> tuple[list[str], list[str], set[str], bool]:
    """Return names of the files, of the folders, and of those of both that are links; whether there are too many.

    Raises:
        OSError: if the folder can't be read.
    """
    files: list[str] = []
    folders: list[str] = []
    links: set[str] = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                if not is_skipped(entry.name):
                    links.add(entry.name)
                    files.append(entry.name)
            elif entry.is_dir(follow_symlinks=False):
                if not is_skipped(entry.name):
                    folders.append(entry.name)
            elif len(files) < MAX_FILES:
                if entry.is_file(follow_symlinks=False):
                    files.append(entry.name)
            else:
                return sorted(files), folders, links, True
    return sorted(files), folders, links, False


def _is_repeated(folder: Path, name: str, links: set[str], files: set[Path]) -> bool:
    """Return whether an entry is a link to a folder, to nothing, or to a file that was found already."""
    if name not in links:
        return False
    path = _real(folder / name)
    if path is None or not os.path.isfile(path) or path in files:
        return True
    files.add(path)
    return False


def _real(path: Path) -> Path | None:
    """Return the path without links; None if one of them may not be read."""
    try:
        return Path(os.path.realpath(path))
    except OSError:
        return None
