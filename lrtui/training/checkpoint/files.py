"""The checkpoints in a run's folder: their names, and which of them are kept."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lrtui.run.commands import Command

UNFINISHED = ".unfinished"
"""What the name of a file ends with while it is written."""

_NAME = re.compile(r"(?P<seq>\d{10,})-step-(?P<step>\d+)\.pt")


def file_name(seq: int, step: int) -> str:
    """Return a checkpoint's file name; in the order of names the newest is the last."""
    return f"{seq:010d}-step-{step}.pt"


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A checkpoint, as its name tells it.

    Args:
        path: of the file.
        seq: of the last event told before it.
        step: optimizer steps done.
        size: in bytes.
    """

    path: Path
    seq: int
    step: int
    size: int


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """A checkpoint that a run goes on from: the same run, or a branch of it.

    Args:
        checkpoint: the file.
        replay: lines, as `--at` takes them, of what a person did after the checkpoint in the story that is put aside;
            done again at their steps, after the script's own lines of the same moment.
        commands: done at once, before the next step.
        epochs: of the whole run from now on, where it is made longer.
        parent: the run that this one branches from; None where it is the same run. A branch has a script of its own,
            the `at` of its settings; a run that goes on has what its checkpoint has left of its script.
    """

    checkpoint: Path
    replay: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    epochs: int | None = None
    parent: str | None = None


def saved_files(folder: Path) -> list[SavedFile]:
    """Return the checkpoints in a run's folder, the newest last; none where there is no folder."""
    if not folder.is_dir():
        return []
    found = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()]
    files = [SavedFile(path, int(m["seq"]), int(m["step"]), path.stat().st_size) for path, m in found if m]
    return sorted(files, key=lambda file: file.seq)


def remove_unfinished(folder: Path) -> None:
    """Remove what a process that died while it wrote has left behind."""
    for path in folder.glob(f"*{UNFINISHED}"):
        path.unlink(missing_ok=True)


def superfluous(
    files: Sequence[SavedFile],
    epoch_ends: Collection[int],
    result_at: Callable[[int], Mapping[str, float] | None],
    limit: int,
) -> list[SavedFile]:
    """Return the files that need not stay, now that the newest is on disk.

    Of epochs' ends all stay while they have room; then the last two, and the best. Of the others the newest stays.

    Args:
        files: the newest last.
        epoch_ends: seq of those that were made at an epoch's end.
        result_at: returns what the test at the epoch's end after so many steps said, or None.
        limit: bytes that all of them may take.
    """
    gone = [file for file in files[:-1] if file.seq not in epoch_ends]
    if sum(file.size for file in files) - sum(file.size for file in gone) >= limit:
        ends = [file for file in files if file.seq in epoch_ends]
        best = min(ends, key=lambda file: _rank(result_at(file.step)), default=None)
        gone += [file for file in ends[:-2] if file is not best]
    return gone


def _rank(result: Mapping[str, float] | None) -> float:
    """Return what is low for the best: the accuracy turned round, or the loss where the task has no accuracy."""
    if result is None:
        return math.inf
    value = -result["accuracy"] if "accuracy" in result else result["loss"]
    return math.inf if math.isnan(value) else value
