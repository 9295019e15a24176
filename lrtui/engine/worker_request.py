"""What the driver asks a worker to do, as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lrtui.run import errors
from lrtui.run.command_json import command_from_json, command_to_json
from lrtui.run.errors import LrtuiError, NotationError, UsageError
from lrtui.run.event_json import plain, spec_from_json
from lrtui.run.spec import RunSpec
from lrtui.training.checkpoint.files import ResumePoint


@dataclass(frozen=True, slots=True)
class WorkerRequest:
    """A run for a worker.

    Args:
        spec: its settings.
        number: its number, for the name of a thread.
        next_seq: sequence number of the first event.
        resume_point: where it resumes or branches; None for a new run.
        checkpoints: folder of its checkpoints; None if it saves none.
        run_uid: uid of the run, written to its checkpoints.
        directory: working directory; None where the worker has files of its own.
        path: `sys.path` of the driver, likewise empty.
        sends_files: whether the worker has files of its own: then it sends the checkpoints, and gets the one that it
            resumes from.
    """

    spec: RunSpec
    number: int
    next_seq: int = 0
    resume_point: ResumePoint | None = None
    checkpoints: Path | None = None
    run_uid: str = ""
    directory: Path | None = None
    path: tuple[str, ...] = ()
    sends_files: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the request as plain JSON values."""
        point = self.resume_point
        return {
            "spec": plain(self.spec),
            "number": self.number,
            "next_seq": self.next_seq,
            "resume_point": None if point is None else _point_to_json(point),
            "checkpoints": _text(self.checkpoints),
            "run_uid": self.run_uid,
            "directory": _text(self.directory),
            "path": list(self.path),
            "sends_files": self.sends_files,
        }

    @classmethod
    def of_json(cls, record: Mapping[str, Any]) -> WorkerRequest:
        """Return the request that `to_json` made the record from."""
        point = record["resume_point"]
        return cls(
            spec=spec_from_json(record["spec"]),
            number=record["number"],
            next_seq=record["next_seq"],
            resume_point=None if point is None else _point_from_json(point),
            checkpoints=_path(record["checkpoints"]),
            run_uid=record["run_uid"],
            directory=_path(record["directory"]),
            path=tuple(record["path"]),
            sends_files=record["sends_files"],
        )

    def with_checkpoint_in(self, folder: Path) -> WorkerRequest:
        """Return the request with its checkpoints in another folder, the one that it resumes from included."""
        point = self.resume_point
        if point is not None:
            point = replace(point, checkpoint=folder / point.checkpoint.name)
        return replace(self, resume_point=point, checkpoints=None if self.checkpoints is None else folder)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _point_to_json(point: ResumePoint) -> dict[str, Any]:
    commands = [command_to_json(command) for command in point.commands]
    return {**plain(replace(point, commands=())), "checkpoint": str(point.checkpoint), "commands": commands}


def _point_from_json(record: Mapping[str, Any]) -> ResumePoint:
    return ResumePoint(
        **{
            **record,
            "checkpoint": Path(record["checkpoint"]),
            "replay": tuple(record["replay"]),
            "commands": tuple(command_from_json(command) for command in record["commands"]),
        }
    )


# -- the error that a run ended with ----------------------------------------------------------------------------------


def error_to_json(error: LrtuiError) -> dict[str, Any]:
    """Return an error as plain JSON values."""
    record: dict[str, Any] = {"kind": type(error).__name__, "text": str(error), "usage": isinstance(error, UsageError)}
    if isinstance(error, NotationError):
        record["notation"] = [error.text, error.position, error.field]
    return record


def error_from_json(record: Mapping[str, Any]) -> LrtuiError:
    """Return the error that `error_to_json` made the record from."""
    kind = getattr(errors, str(record["kind"]), None)
    if kind is NotationError:
        return NotationError(record["text"], *record["notation"])
    if not (isinstance(kind, type) and issubclass(kind, LrtuiError)):
        kind = UsageError if record["usage"] else LrtuiError
    return kind(record["text"])
