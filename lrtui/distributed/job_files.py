"""The user's files that travel with runs to machines that don't share this one's files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.machinery import PathFinder
from pathlib import Path

from lrtui.run.errors import LrtuiError, UsageError
from lrtui.schedules.user_module import COPIED_FOLDER, COPIED_FROM

MAX_BYTES = 500 * 2**20
"""Largest folder that travels: all of it goes through the memory of the cluster's head node."""

IGNORE_FILE = ".rayignore"
"""Name of a file, written as a .gitignore, with which Ray leaves files of the folder out."""

LARGEST = 3
"""Number of files and folders that the message about a folder that is too large names."""

CACHES = {".git", ".hg", ".svn", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".tox", "node_modules"}
"""Names of folders that no task needs."""

MARKERS = ("pyvenv.cfg", "session_latest")
"""Names in folders that no task needs: virtual environments, and Ray's sessions, which grow while they are packed."""


@dataclass(frozen=True, slots=True)
class JobFiles:
    """A folder of which every node of a cluster gets a copy, as the working directory of its runs.

    Args:
        folder: the folder, absolute.
        left_out: its folders that don't travel, absolute: stores, virtual environments, caches, Ray's sessions.
    """

    folder: Path
    left_out: tuple[Path, ...] = ()

    @classmethod
    def of_code(cls, places: Iterable[str], store: Path) -> JobFiles | None:
        """Return the files that travel for the user's code; None if it comes from installed packages alone.

        They are those in the current folder, or in the folder of a file outside it.

        Args:
            places: of the code, as notations have them: `FILE.py` or `package.module`.
            store: folder of the store, which does not travel.

        Raises:
            UsageError: for a missing file, and for files in several folders.
            LrtuiError: if the folder is too large; names what is large in it.
        """
        here = Path.cwd()
        folders = {folder: place for place in places if (folder := _folder_of(place, here)) is not None}
        if not folders:
            return None
        folder = min(folders, key=lambda each: len(each.parts))
        for other, place in folders.items():
            if not other.is_relative_to(folder):
                raise UsageError(
                    f"{folders[folder]} and {place} are in different folders, and only one folder travels to the "
                    "nodes: start lrtui in a folder that contains both"
                )
        files = cls(folder, tuple(_left_out(folder, store)))
        files.check_size()
        return files

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables by which a worker finds the user's files in its copy."""
        return {COPIED_FOLDER: str(self.folder), COPIED_FROM: str(Path.cwd())}

    def check_size(self) -> None:
        """Check that the folder is not too large; what a `.rayignore` leaves out is known to Ray alone.

        Raises:
            LrtuiError: names what is large in it.
        """
        if (self.folder / IGNORE_FILE).is_file():
            return
        sizes: dict[str, int] = {}
        for root, folders, names in os.walk(self.folder):
            folders[:] = [name for name in folders if Path(root, name) not in self.left_out]
            for path in (Path(root, name) for name in names):
                top = path.relative_to(self.folder).parts[0]
                with suppress(OSError):
                    sizes[top] = sizes.get(top, 0) + path.stat().st_size
        if (total := sum(sizes.values())) > MAX_BYTES:
            largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:LARGEST]
            texts = ", ".join(f"{name} ({_megabytes(sizes[name])} MB)" for name in largest)
            raise LrtuiError(
                f"the folder {self.folder} is too large to travel to the nodes, with {_megabytes(total)} MB of at most "
                f"{_megabytes(MAX_BYTES)}: {texts}. Name what no run needs in {self.folder / IGNORE_FILE}, as in a "
                ".gitignore; data can also be where every node finds it"
            )


def _megabytes(size: int) -> str:
    return f"{size / 2**20:,.0f}"


def _folder_of(place: str, here: Path) -> Path | None:
    """Return the folder that travels for this file or module; None for a module of an installed package."""
    if not place.endswith(".py"):
        return here if PathFinder.find_spec(place.partition(".")[0], [str(here)]) else None
    path = Path(os.path.abspath(Path(place).expanduser()))
    if not path.is_file():
        raise UsageError(f"there is no file {place}")
    return here if path.is_relative_to(here) else path.parent


def _left_out(folder: Path, store: Path) -> Iterator[Path]:
    for root, folders, _ in os.walk(folder):
        for name in list(folders):
            path = Path(root, name)
            is_marked = any(os.path.lexists(path / marker) for marker in MARKERS)
            if name in CACHES or path.resolve() == store.resolve() or is_marked:
                folders.remove(name)
                yield path
