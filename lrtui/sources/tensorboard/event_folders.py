"""Which folders with event files are one run: what writers put into subfolders of a run's folder.

- `add_hparams` of PyTorch and tensorboardX writes hyperparameters and final metrics into a subfolder named by the time.
- `add_scalars` writes one subfolder per curve: PyTorch `TAG_CURVE`, tensorboardX `TAG/CURVE`, with the one tag TAG.
- Keras writes `train` and `validation` beside each other, with the same tags; estimators write `eval`.

In TensorBoard each is a run of its own, so that the curves of one training share a chart by their tag. In a list of
runs they would be runs without a learning rate, so they are series of the run that they belong to.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lrtui.sources.log_file import opened, read_bytes
from lrtui.sources.tensorboard.event_records import HEADER, frame
from lrtui.sources.tensorboard.event_table import decode_events

TRAINING = frozenset({"train", "training"})
TESTS = frozenset({"val", "valid", "validation", "test", "eval", "evaluation"})

# bytes of a file by which its folder is judged
LOOKED_AT = 1 << 18
# levels between a run's folder and one of its parts: TAG/CURVE with slashes in the tag
MOST_LEVELS = 5
# folders below a run that are searched for its parts
MOST_FOLDERS = 1_000
# file systems keep times in steps of up to two seconds
TIME_STEP = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """A folder whose event files belong to the run of another folder.

    Args:
        owner: the folder of the run, or of another part of it.
        curve: the last part of the names of its series.
        split: the first part of the names of its series; without both, none of its series is shown.
        is_known: whether it has values by which this can be said for good.
    """

    owner: Path
    curve: str = ""
    split: str = ""
    is_known: bool = True

    def series(self, tag: str) -> str | None:
        """Return the name in the run of one of its series; None if it is not shown."""
        if self.curve:
            return f"{tag}/{self.curve}"
        return f"{self.split}/{tag}" if self.split else None


class _Contents(NamedTuple):
    """What is at the start of an event file."""

    tags: frozenset[bytes] = frozenset()
    has_settings: bool = False
    has_one_value_each: bool = True


def event_files(names: Iterable[str]) -> list[str]:
    """Return the names of event files, in the order of the times in them, then by name.

    Hidden files are left out: rsync writes into `.NAME.xxxxxx` and renames it.
    """
    found = [name for name in names if "tfevents" in name and not name.startswith(".")]
    return sorted(found, key=lambda name: (_time_in(name), name))


def _time_in(name: str) -> int:
    match = re.search(r"tfevents\.(\d{1,18})", name)
    return int(match[1]) if match else 0


def part_at(folder: Path, names: Sequence[str]) -> Part | None:
    """Return to which run the event files of a folder belong; None if they are a run of their own.

    Args:
        folder: the folder.
        names: names of its event files.
    """
    owner = next((above for above in list(folder.parents)[:MOST_LEVELS] if event_files_of(above)), None)
    is_below = owner == folder.parent
    if owner is not None:
        contents = [_contents_of(folder / name) for name in names]
        tags = frozenset[bytes]().union(*(each.tags for each in contents))
        has_settings = any(each.has_settings for each in contents)
        if not tags and not has_settings:
            # not known yet: writers create the file up to two minutes before they write a value
            return Part(owner, is_known=False)
        if is_below and has_settings and all(each.has_one_value_each for each in contents):
            return Part(owner)
        curve = _curve(folder, owner, tags)
        if curve:
            return Part(owner, curve=curve)
    if folder.name.lower() in TRAINING | TESTS and (is_below or _is_split(folder.parent)):
        return Part(folder.parent, split=folder.name)
    return None


def _curve(folder: Path, owner: Path, tags: frozenset[bytes]) -> str:
    """Return the name of the curve that `add_scalars` has written into a folder; empty if it has not."""
    if len(tags) != 1:
        return ""
    tag = next(iter(tags)).decode("utf-8", "replace")
    start = f"{tag.replace('/', '_')}_"
    if folder.parent == owner and folder.name.startswith(start):
        return folder.name[len(start) :]
    return folder.name if folder.parent != owner and folder.parent == owner / tag else ""


def run_folder(folder: Path, names: Sequence[str]) -> Path:
    """Return the folder of the run that the event files of a folder belong to: mostly itself."""
    for _ in range(MOST_LEVELS):
        part = part_at(folder, names)
        if part is None:
            break
        folder = part.owner
        names = event_files_of(folder)
        if not names:
            break
    return folder


def _is_split(folder: Path) -> bool:
    """Return whether the subfolders with event files are one of training and others of tests, and nothing else."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
    except OSError:
        return False
    if event_files_of(folder) or not TRAINING & {name.lower() for name in names}:
        return False
    found = {name.lower() for name in names if event_files_of(folder / name)}
    return bool(found & TRAINING and found & TESTS) and found <= TRAINING | TESTS


def event_files_of(folder: Path) -> list[str]:
    """Return the names of the event files in a folder; none if it can't be read."""
    modified = _modified(folder)
    try:
        return event_files(os.listdir(folder)) if modified is None else list(_listed(folder, modified))
    except OSError:
        return []


@lru_cache(4096)
def _listed(folder: Path, _modified: int) -> tuple[str, ...]:
    return tuple(event_files(os.listdir(folder)))


def _contents_of(path: Path) -> _Contents:
    try:
        return _start_of(path, min(path.stat().st_size, LOOKED_AT))
    except OSError:
        return _Contents()


@lru_cache(4096)
def _start_of(path: Path, size: int) -> _Contents:
    with opened(path) as (handle, _):
        data = np.frombuffer(read_bytes(handle, size), np.uint8)
    framing = frame(data, at_end=True)
    table = decode_events(data, framing.starts + HEADER, framing.lengths)
    has_one_value_each = size < LOOKED_AT and all(len(column.steps) == 1 for column in table.columns.values())
    return _Contents(frozenset(table.columns), bool(table.settings), has_one_value_each)


@dataclass(slots=True)
class PartsBelow:
    """The parts of a run in folders below its own.

    Args:
        run: the folder of the run.
    """

    run: Path
    parts: dict[Path, tuple[Part, ...]] = field(default_factory=dict)
    """Each folder with the parts that it is within, the outermost first, and itself."""
    _searched: dict[Path, int | None] = field(default_factory=dict)
    _is_settled: bool = False

    def search(self) -> None:
        """Look for parts in the folders below, unless none of them has changed."""
        if not self._is_settled or any(
            then is None or _modified(folder) != then for folder, then in self._searched.items()
        ):
            self.parts, self._searched, self._is_settled = {}, {}, True
            self._search(self.run, 0)

    def _search(self, folder: Path, level: int) -> None:
        self._searched[folder] = _modified(folder)
        try:
            with os.scandir(folder) as entries:
                below = sorted(Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))
        except OSError:
            return
        for path in below:
            if len(self._searched) >= MOST_FOLDERS or path.name.startswith("."):
                continue
            names = event_files_of(path)
            part = part_at(path, names) if names else None
            if part is not None and (part.owner == self.run or part.owner in self.parts):
                self._is_settled &= part.is_known
                if not part.is_known:
                    continue
                self.parts[path] = (*self.parts.get(part.owner, ()), part)
            if level < MOST_LEVELS and (part is not None or not names):
                self._search(path, level + 1)


def _modified(folder: Path) -> int | None:
    """Return when a folder was modified; None if just now, as the next change may get the same time."""
    try:
        modified = os.stat(folder).st_mtime_ns
    except OSError:
        return 0
    return modified if modified < time.time_ns() - TIME_STEP else None
