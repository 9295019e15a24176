"""What a checkpoint file is: tensors and plain values, so that reading one never runs anything that is in it."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, get_origin, get_type_hints

import torch

from lrtui.run.errors import CheckpointError, UsageError
from lrtui.run.event_json import plain, spec_from_json
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import UNFINISHED

KIND = "lrtui checkpoint"
FORMAT = 1
"""Grows when a checkpoint holds something that an older lrtui would pass over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """All that is needed to go on from between two steps as if nothing had been.

    Made by `TrainingState.capture`, whose live tensors it shares: it is written before anything else happens.

    Args:
        spec: the run's settings, as RunStarted has them.
        seq: of the last event told before it.
        step: optimizer steps done.
        seconds: on the run's clock.
        progress: of the epoch under way, the random states at its start included.
        model: its `state_dict()`.
        buffers: of the model, those that its `state_dict()` leaves out.
        optimizer: its `state_dict()`.
        lr_control: schedule, scale, what can be undone.
        averaging: the averaged model; empty where nothing is averaged.
        gradient_scaler: its `state_dict()`; empty except for fp16.
        random: the random states of the moment.
        script: lines of the run's script that are still to be done.
        replay: lines of what a person did in a story put aside, still to be done.
        epoch_ends: seq of each checkpoint of an epoch's end, the oldest first.
        sizes: of the data, in samples and in optimizer steps.
        versions: what else the numbers depend on: torch, numpy, threads, processor, device.
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


def save_checkpoint(checkpoint: Checkpoint, path: Path, *, check: bool = False) -> None:
    """Write the file, durably: after a crash there is either all of it under that name, or nothing.

    Args:
        check: read it again before it gets its name.

    Raises:
        OSError: where the disk does not take it.
        CheckpointError: where it could not be read again.
        Exception: whatever pickling something of a user's own raises.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with _File(unfinished) as file:
            file.save({"kind": KIND, "format": FORMAT, **_record(checkpoint)})
        if check:
            load_checkpoint(unfinished)
        os.replace(unfinished, path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def load_checkpoint(path: Path) -> Checkpoint:
    """Return what the file holds, on the CPU; nothing of it is executed.

    Raises:
        CheckpointError: for a file that is not there, damaged, tampered with, or a newer lrtui's.
    """
    record = _load(path)
    if not isinstance(record, dict) or record.get("kind") != KIND:
        raise CheckpointError(f"{path} is no checkpoint of lrtui")
    number = record.get("format")
    if not isinstance(number, int) or number > FORMAT:
        raise CheckpointError(
            f"{path} was written by a newer lrtui (format {number}; this one reads up to {FORMAT}): upgrade lrtui"
        )
    values: dict[str, Any] = {}
    for name, kind in get_type_hints(Checkpoint).items():
        value = record.get(name)
        try:
            values[name] = spec_from_json(value) if kind is RunSpec and isinstance(value, Mapping) else value
        except (UsageError, TypeError) as error:
            raise CheckpointError(f"{path} was tampered with: its settings can't be: {error}") from None
        if not isinstance(values[name], get_origin(kind) or kind):
            raise CheckpointError(f"{path} was tampered with: its {name} is no {getattr(kind, '__name__', kind)}")
    return Checkpoint(**values)


def unsaveable_part(checkpoint: Checkpoint) -> str | None:
    """Return what can't be written or read again, in words, or None; takes as long as writing."""
    for name, words in _PARTS.items():
        file = io.BytesIO()
        try:
            torch.save(getattr(checkpoint, name), file)
            file.seek(0)
            torch.load(file, map_location="cpu", weights_only=True)
        except Exception:  # a user's own objects can raise anything
            return words
    return None


_PARTS = {
    "lr_control": "the schedule's state_dict()",
    "model": "the model's state_dict()",
    "buffers": "the model's buffers",
    "optimizer": "the optimizer's state_dict()",
}
"""What comes out of a user's hands."""


def _record(checkpoint: Checkpoint) -> dict[str, Any]:
    values = {item.name: getattr(checkpoint, item.name) for item in fields(checkpoint)}
    return {**values, "spec": plain(checkpoint.spec)}


def _load(path: Path) -> Any:
    try:
        # torch does not look at the checksums that it writes
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                raise CheckpointError(f"{path} is damaged: its checksums do not fit what is in it")
        return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path} holds something else than tensors, numbers and texts: lrtui did not write it, or not like this. "
            "Nothing of it was run"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{path} can't be read: {error.strerror or error}") from None
    except Exception as error:  # a damaged file can make torch and zipfile raise anything
        raise CheckpointError(f"{path} is damaged, or no checkpoint: {' '.join(str(error).split())[:200]}") from None


class _File:
    """A new file for `torch.save`, for its owner alone, and on disk once it is closed."""

    def __init__(self, path: Path) -> None:
        self._file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")  # noqa: SIM115
        self._fault: OSError | None = None

    def save(self, record: dict[str, Any]) -> None:
        try:
            torch.save(record, self)  # type: ignore[arg-type]  # it needs write and flush alone
        except RuntimeError as error:
            # torch goes on after a write that failed, and then tells of the wrong place in the file
            raise self._fault or error from None
        self._file.flush()
        os.fsync(self._file.fileno())

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self._fault = error
            raise

    def flush(self) -> None:
        self._file.flush()

    def __enter__(self) -> _File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _sync_folder(folder: Path) -> None:
    """Have the new name on disk, too; Windows, where folders can't be opened, does that by itself."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
