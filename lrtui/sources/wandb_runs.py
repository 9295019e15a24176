"""The folders in which wandb keeps its runs, such as `wandb/run-20260131_120000-ID` and `wandb/latest-run`."""

from __future__ import annotations

import os
import re
from pathlib import Path

_FOLDER = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-([^/]+)")
_MOST_FOLDERS = 10_000


def run_file(folder: Path, name: str) -> Path:
    """Return the file that a run is known by: of a run that was resumed, the first one.

    Args:
        folder: the folder of a `.wandb` file.
        name: the name of the file.
    """
    if folder.name == "latest-run" and folder.is_symlink():
        named = folder.parent / Path(os.readlink(folder)).name
        folder = named if named.is_dir() else folder
    return run_files(folder / name)[0]


def run_files(path: Path) -> list[Path]:
    """Return the files of the run that a `.wandb` file belongs to, oldest first: a resumed run has several."""
    match = _FOLDER.fullmatch(path.parent.name)
    if match is None or path.name != f"run-{match[2]}.wandb":
        return [path]
    found = [path.parent.parent / folder / path.name for folder in _folders_of(path.parent.parent).get(match[2], ())]
    return found if path in found else [path]


_listed: dict[Path, tuple[int, dict[str, list[str]]]] = {}


def _folders_of(parent: Path) -> dict[str, list[str]]:
    """Return the folders of each run by its id, oldest first; a folder is listed once until it changes."""
    try:
        changed_at = parent.stat().st_mtime_ns
        if (listed := _listed.get(parent)) is not None and listed[0] == changed_at:
            return listed[1]
        dated: dict[str, list[tuple[str, str]]] = {}
        with os.scandir(parent) as entries:
            for count, entry in enumerate(entries):
                if count >= _MOST_FOLDERS:
                    break
                if match := _FOLDER.fullmatch(entry.name):
                    has_file = os.path.isfile(os.path.join(parent, entry.name, f"run-{match[2]}.wandb"))
                    if has_file and not entry.is_symlink():
                        dated.setdefault(match[2], []).append((match[1], entry.name))
    except OSError:
        return {}
    folders = {run: [name for _, name in sorted(found)] for run, found in dated.items()}
    if len(_listed) >= 100:
        _listed.clear()
    _listed[parent] = changed_at, folders
    return folders
