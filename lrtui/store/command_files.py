"""Commands and answers as files in a run's folder, for stores on network file systems.

SQLite's locks can't be trusted there. Each sender, and each process of a run, appends to a file that nobody else
writes, one JSON object per line, so that no two hosts write to one file. A line counts once it ends.
"""

from __future__ import annotations

import json
import os
import stat
import uuid
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrtui.run.errors import StoreError
from lrtui.store.reader import checkpoint_folder

COMMANDS, ANSWERS = "commands-*.jsonl", "answers-*.jsonl"
"""Patterns of the names of the files in a run's folder."""

MAX_BYTES = 1_000_000
"""Size of a file of commands from which on it is not read: no command is that long."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a command.

    Args:
        obeyed: whether the command was carried out; None if the run did not answer.
        text: what was done, or why the command was refused.
    """

    obeyed: bool | None
    text: str


class CommandFiles:
    """The commands that were sent to one run in files, and its answers; for the process of the run.

    Args:
        store: folder of the store.
        run: the run's id.
    """

    def __init__(self, store: Path, run: int) -> None:
        self._folder = checkpoint_folder(store, run)
        self._answers: Path | None = None

    def waiting(self) -> list[tuple[str, str]]:
        """Return the id and the text of all commands in files that this user alone can write, oldest first.

        Raises:
            OSError: if the folder can't be read.
        """
        if not is_owners(self._folder, stat.S_ISDIR):
            return []
        found = [line for path in self._folder.glob(COMMANDS) for line in _lines(path)]
        known: dict[str, tuple[float, str]] = {}
        for line in found:
            key, text, sent = line.get("id"), line.get("command"), line.get("sent")
            if isinstance(key, str) and isinstance(text, str) and isinstance(sent, (int, float)):
                known.setdefault(key, (float(sent), text))
        return [(key, text) for key, (_, text) in sorted(known.items(), key=lambda item: item[1][0])]

    def answer(self, answers: Sequence[tuple[str, bool, str]]) -> None:
        """Append answers: the id of a command, whether it was carried out, and the text.

        Raises:
            OSError: if the file can't be written.
        """
        if answers:
            lines = [{"id": key, "obeyed": obeyed, "answer": text} for key, obeyed, text in answers]
            if self._answers is None or not self._answers.exists():
                self._answers = _new_file(self._folder, ANSWERS)
            _append(self._answers, lines)


class SentCommand:
    """A command that was sent in a file; for its sender.

    Args:
        store: folder of the store.
        run: the run's id.
        command: its text.
        sent: when, in seconds since 1970.

    Raises:
        StoreError: if it can't be written.
    """

    def __init__(self, store: Path, run: int, command: str, sent: float) -> None:
        self._folder = checkpoint_folder(store, run)
        self._id = uuid.uuid4().hex
        try:
            self._path = _new_file(self._folder, COMMANDS)
            _append(self._path, [{"id": self._id, "sent": sent, "command": command}])
        except OSError as error:
            raise StoreError(f"{self._folder} can't be written: {error.strerror or error}") from None

    def answer(self) -> Answer | None:
        """Return the answer of the run; None if there is none yet."""
        for path in self._folder.glob(ANSWERS):
            for line in _lines(path, limit=None):
                if line.get("id") == self._id and isinstance(line.get("answer"), str):
                    return Answer(bool(line.get("obeyed")), line["answer"])
        return None

    def withdraw(self) -> None:
        """Remove the file: nobody waits for an answer."""
        with suppress(OSError):
            self._path.unlink()


def forget_commands(store: Path, run: int) -> None:
    """Remove the commands that were sent to an earlier process of the run."""
    for path in checkpoint_folder(store, run).glob(COMMANDS):
        with suppress(OSError):
            path.unlink()


def is_owners(path: Path, is_kind: Any = stat.S_ISREG) -> bool:
    """Return whether only this user can write to a file or folder, which is no link.

    Args:
        is_kind: takes the mode, and returns whether it is of the right kind.
    """
    try:
        found = path.lstat()
    except OSError:
        return False
    is_private = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return is_kind(found.st_mode) and is_private and (not hasattr(os, "geteuid") or found.st_uid == os.geteuid())


def _new_file(folder: Path, pattern: str) -> Path:
    """Create a file of its own, readable by its owner only."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / pattern.replace("*", uuid.uuid4().hex)
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    return path


def _append(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Append lines to a file that exists, and wait until they are on disk."""
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0))
    try:
        # an interrupted line must not continue with another one
        if (size := os.fstat(descriptor).st_size) and not _ends_with_newline(path, size):
            text = b"\n" + text
        while text:
            text = text[os.write(descriptor, text) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _ends_with_newline(path: Path, size: int) -> bool:
    with path.open("rb") as file:
        file.seek(size - 1)
        return file.read(1) == b"\n"


def _lines(path: Path, limit: int | None = MAX_BYTES) -> Iterator[dict[str, Any]]:
    """Yield the objects in the complete lines of a file of this user's; what can't be read is passed over."""
    if not is_owners(path):
        return
    try:
        with path.open("rb") as file:
            if limit is not None and os.fstat(file.fileno()).st_size > limit:
                return
            *complete, _ = file.read().split(b"\n")
    except OSError:
        # withdrawn by its sender meanwhile
        return
    for line in complete:
        with suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict):
                yield value
