"""The folders in which wandb keeps its runs, such as `wandb/run-20260131_120000-ID` and `wandb/latest-run`."""

from __future__ import annotations

import os
import re
from pathlib import Path

_FOLDER = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-([^/]+)")
_MOST_FOLDERS = 10_000


def run_path(folder: Path, name: str) -> Path:
    """Return what a run is known by: its folder, the first one if it was resumed, or the file if wandb did not name it.

    Args:
        folder: the folder of a `.wandb` file.
        name: the name of the file.
    """
    if folder.name == "latest-run" and folder.is_symlink():
        named = folder.parent / Path(os.readlink(folder)).name
        folder = named if named.is_dir() else folder
    if name != _file_name(folder):
        return folder / name
    return run_files(folder)[0].parent


def run_files(path: Path) -> list[Path]:
    """Return the files of the run that a folder or a `.wandb` file is, oldest first: a resumed run has several."""
    match = _FOLDER.fullmatch(path.name)
    if match is None:
        return [path]
    file_name = _file_name(path)
    folders = _folders_of(path.parent).get(match[2], ())
    if path.name not in folders:
        return [path / file_name]
    return [path.parent / folder / file_name for folder in folders]


def _file_name(folder: Path) -> str:
    match = _FOLDER.fullmatch(folder.name)
    return f"run-{match[2]}.wandb" if match is not None else ""


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
