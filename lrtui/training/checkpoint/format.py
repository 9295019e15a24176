"""The format of a checkpoint file: tensors and plain values only, so that loading one never runs code."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import torch

from lrtui.run.errors import CheckpointError, UsageError
from lrtui.run.event_json import plain, spec_from_json
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import UNFINISHED

KIND = "lrtui checkpoint"
FORMAT = 2
"""Increased when a checkpoint contains something that an older lrtui would ignore: from 2 on, the state of the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything that a run needs to continue between two steps, bit-identical to an uninterrupted one.

    Made by `TrainingState.capture`, whose live tensors it shares: write it before the next step.

    Args:
        spec: the run's settings, as in RunStarted.
        seq: sequence number of the last event before it.
        step: optimizer steps done.
        seconds: time on the run's clock.
        progress: progress of the current epoch, with the random states at its start.
        model: its `state_dict()`.
        buffers: the model's buffers that its `state_dict()` leaves out.
        optimizer: its `state_dict()`.
        lr_control: schedule, scale and earlier scales.
        averaging: the averaged model; empty if nothing is averaged.
        gradient_scaler: its `state_dict()`; empty except for fp16.
        random: the random states of this moment.
        script: lines of the run's script that are still to come.
        replay: lines of superseded commands that are still to be replayed.
        epoch_ends: `seq` of each checkpoint of an epoch's end, the oldest first.
        sizes: sizes of the data, in samples and in optimizer steps.
        versions: what else the numbers depend on: torch, numpy, threads, processor, device.
        run_uid: of the run that saved it; empty for a run of an earlier lrtui.
        task: the task's `state_dict()`; empty if it has none.
        unsaved: modules and optimizers of the task that the run has changed and no checkpoint has.
    """

    spec: RunSpec
    seq: int
    step: int
    seconds: float
    progress: dict[str, Any]
    model: dict[str, Any]
    buffers: dict[str, Any]
    optimizer: dict[str, Any]
    lr_control: dict[str, Any]
    averaging: dict[str, Any]
    gradient_scaler: dict[str, Any]
    random: dict[str, Any]
    script: list[str]
    replay: list[str]
    epoch_ends: list[int]
    sizes: dict[str, int]
    versions: dict[str, Any]
    run_uid: str = ""
    task: dict[str, Any] = field(default_factory=dict)
    unsaved: list[str] = field(default_factory=list)


def save_checkpoint(
    checkpoint: Checkpoint, path: Path, *, check: bool = False, before_replace: Callable[[], object] = lambda: None
) -> None:
    """Write the file atomically and durably: after a crash there is either the whole file or none.

    Args:
        check: load it before it gets its final name.
        before_replace: called before the file gets its final name; an exception of it leaves no file.

    Raises:
        OSError: if it can't be written.
        CheckpointError: if it can't be loaded again.
        Exception: whatever pickling a user's object raises.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with _File(unfinished) as file:
            values = {item.name: getattr(checkpoint, item.name) for item in fields(checkpoint)}
            number = FORMAT if checkpoint.task else 1
            file.save({"kind": KIND, "format": number, **values, "spec": plain(checkpoint.spec)})
        if check:
            load_checkpoint(unfinished)
        before_replace()
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def load_checkpoint(path: Path) -> Checkpoint:
    """Return the file's content, on the CPU; no code in it is executed.

    Raises:
        CheckpointError: for a file that is missing, damaged, modified, or written by a newer lrtui.
    """
    record = _load(path)
    if not isinstance(record, dict) or record.get("kind") != KIND:
        raise CheckpointError(f"{path} is not a checkpoint of lrtui")
    number = record.get("format")
    if not isinstance(number, int) or number > FORMAT:
        raise CheckpointError(
            f"{path} was written by a newer lrtui (format {number}; this one reads up to {FORMAT}): upgrade lrtui"
        )
    values: dict[str, Any] = {}
    for name, kind in get_type_hints(Checkpoint).items():
        value = record.get(name, _ADDED.get(name))
        try:
            values[name] = spec_from_json(value) if kind is RunSpec and isinstance(value, Mapping) else value
        except (UsageError, TypeError) as error:
            raise CheckpointError(f"{path} was modified: its settings are invalid: {error}") from None
        if not isinstance(values[name], get_origin(kind) or kind):
            raise CheckpointError(f"{path} was modified: its {name} is not of type {getattr(kind, '__name__', kind)}")
    return Checkpoint(**values)


def unsaveable_part(checkpoint: Checkpoint) -> str | None:
    """Return the name of the part that can't be saved and loaded, or None; takes as long as saving."""
    for name, description in _USER_PARTS.items():
        file = io.BytesIO()
        try:
            torch.save(getattr(checkpoint, name), file)
            file.seek(0)
            torch.load(file, map_location="cpu", weights_only=True)
        except Exception:  # a user's objects can raise anything
            return description
    return None


_ADDED: Mapping[str, Any] = {"run_uid": "", "task": {}, "unsaved": []}
"""Values of the fields that checkpoints of earlier versions do not have."""

_USER_PARTS = {
    "lr_control": "the schedule's state_dict()",
    "model": "the model's state_dict()",
    "buffers": "the model's buffers",
    "optimizer": "the optimizer's state_dict()",
    "task": "the task's state_dict()",
}
"""The parts that may contain a user's objects."""


def _load(path: Path) -> Any:
    try:
        # torch.load does not verify the checksums that torch.save writes
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise CheckpointError(f"{path} is damaged: its checksums don't match its content")
        return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path} contains objects other than tensors, numbers and strings: it is not a checkpoint of lrtui, or was "
            "modified. No code in it was run"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror or error}") from None
    except Exception as error:  # for a damaged file torch and zipfile can raise anything
        raise CheckpointError(f"{path} is damaged, or not a checkpoint: {' '.join(str(error).split())[:200]}") from None


class _File:
    """A new file for `torch.save` that only its owner can read, synced to disk by `save`."""

    def __init__(self, path: Path) -> None:
        self._file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")  # noqa: SIM115
        self._error: OSError | None = None

    def save(self, record: dict[str, Any]) -> None:
        try:
            torch.save(record, self)  # type: ignore[arg-type]  # only write and flush are called
        except RuntimeError as error:
            # torch continues after a failed write, and then reports a wrong position in the file
            raise self._error or error from None
        self._file.flush()
        os.fsync(self._file.fileno())

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self._error = error
            raise

    def flush(self) -> None:
        self._file.flush()

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _sync_folder(folder: Path) -> None:
    """Sync the new name to disk as well; Windows, where folders can't be opened, does so by itself."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
