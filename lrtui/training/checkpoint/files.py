"""The checkpoint files of a run: their names, which of them to remove, and the point that a run resumes from."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from lrtui.run.checkpoint_name import CHECKPOINT_NAME
from lrtui.run.commands import Command
from lrtui.run.evaluations import ACCURACY, Objective, objective_of

UNFINISHED = ".unfinished"
"""Suffix of a file that is being written."""

UID_PREFIX = "lrtui-run:"
"""Start of the uid of every run."""


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The checkpoint that a run resumes from or a branch starts from, and the changes made there.

    Args:
        checkpoint: the file.
        replay: commands that a user sent after the checkpoint, as lines of a script: carried out again at their
            steps, after the script's lines of the same moment.
        commands: carried out before the next step.
        epochs: epochs of the whole run, if it is extended.
        parent: the run that a branch starts from; None for a resume. A branch follows its own script, the `at` of its
            settings; a resumed run follows the remaining lines in its checkpoint.
        run_uid: of the run that the checkpoint must belong to; None if it may belong to any.
        store: the option that names the store in suggested commands, with a leading space; empty for the default one.
    """

    checkpoint: Path
    replay: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    epochs: int | None = None
    parent: str | None = None
    run_uid: str | None = None
    store: str = ""


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A checkpoint file, as its name describes it.

    Args:
        path: path of the file.
        seq: sequence number of the last event before it.
        step: optimizer steps done.
        size: size in bytes.
    """

    path: Path
    seq: int
    step: int
    size: int


def saved_files(folder: Path) -> list[SavedFile]:
    """Return the checkpoints in a run's folder, the newest last; none if there is no folder."""
    if not folder.is_dir():
        return []
    found = [(path, CHECKPOINT_NAME.fullmatch(path.name)) for path in folder.iterdir()]
    files = [SavedFile(path, int(m["seq"]), int(m["step"]), path.stat().st_size) for path, m in found if m]
    return sorted(files, key=lambda file: file.seq)


def belongs_to(path: Path, run_uid: str) -> bool:
    """Return whether a checkpoint was saved by the run with this uid, without importing torch.

    A file that can't be read counts as the run's: loading it says what is wrong.

    Args:
        run_uid: of the run; empty for a run of an earlier lrtui, whose checkpoints have none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.rpartition("/")[2] == "data.pkl")
            pickled = archive.read(name)
    # for a damaged file zipfile can raise anything
    except Exception:
        return True
    # random and unique, so that it need not be unpickled
    return run_uid.encode() in pickled if run_uid else UID_PREFIX.encode() not in pickled


def is_complete(path: Path) -> bool:
    """Return whether a checkpoint is an archive with a directory, which is at the end of the file; reads little."""
    try:
        with zipfile.ZipFile(path):
            return True
    except Exception:
        return False


def is_intact(path: Path) -> bool:
    """Return whether a checkpoint is a complete archive with correct checksums, without importing torch."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    # for a damaged file zipfile can raise anything
    except Exception:
        return False


def own_files(folder: Path, run_uid: str) -> list[SavedFile]:
    """Return the checkpoints in a run's folder that the run saved itself, the newest last."""
    return [file for file in saved_files(folder) if belongs_to(file.path, run_uid)]


def set_aside(folder: Path, files: Sequence[SavedFile]) -> Path | None:
    """Move checkpoints of another run out of a run's folder; return the folder that has them now, or None.

    Raises:
        OSError: if they can't be moved.
    """
    if not files:
        return None
    free = (folder.with_name(f"{folder.name}.other-run-{number}") for number in count(1))
    other = next(path for path in free if not path.exists())
    other.mkdir(mode=0o700)
    for file in files:
        file.path.rename(other / file.path.name)
    return other


def remove_unfinished(folder: Path) -> None:
    """Remove the files that a killed process was writing."""
    for path in folder.glob(f"*{UNFINISHED}"):
        path.unlink(missing_ok=True)


def files_to_remove(
    files: Sequence[SavedFile],
    epoch_ends: Collection[int],
    result_at: Callable[[int], Mapping[str, float] | None],
    limit: int,
    objective: Objective | None = None,
) -> list[SavedFile]:
    """Return the files to remove once the newest is on disk.

    The checkpoints of epoch ends are all kept if they fit the limit, otherwise only the last two and the best. Of the
    other checkpoints only the newest is kept.

    Args:
        files: the newest last.
        epoch_ends: `seq` of those made at the end of an epoch.
        result_at: returns the result of the test that ended an epoch after that many steps, or None.
        limit: bytes that all of them may take.
        objective: what the best is decided by; None for the accuracy, or the loss without one.
    """
    removed = [file for file in files[:-1] if file.seq not in epoch_ends]
    if sum(file.size for file in files) - sum(file.size for file in removed) >= limit:
        ends = [file for file in files if file.seq in epoch_ends]
        best = min(ends, key=lambda file: _rank(result_at(file.step), objective), default=None)
        removed += [file for file in ends[:-2] if file is not best]
    return removed


def _rank(result: Mapping[str, float] | None, objective: Objective | None) -> float:
    """Return a value that is lowest for the best result."""
    if result is None:
        return math.inf
    objective = objective or objective_of((), has_accuracy=ACCURACY in result)
    value = objective.order(result.get(objective.metric, math.nan))
    return value if math.isfinite(value) else math.inf
