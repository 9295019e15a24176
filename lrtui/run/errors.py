"""Every error that lrtui raises on purpose, as one tree.

    LrtuiError               exit 1: the run or the data failed
    ├── UsageError           exit 2: the words are off
    │   ├── NotationError    ... in a schedule or an optimizer, with the place of the fault
    │   └── DeviceError      ... a device that is not there
    ├── StoreError           a store that can't be opened, read or written
    ├── CheckpointError      a checkpoint that is not there, damaged, or was tampered with
    ├── DataError            data that is missing, truncated or corrupt
    └── TaskError            a mistake in the user's own task

A message says what is wrong, where, and what would be right; it is shown to the user as it is, without a traceback.
"""

from __future__ import annotations

import inspect
import re
import traceback
from pathlib import Path
from typing import Any


class LrtuiError(Exception):
    """The root of all errors that are the program's answer to the user, not a defect of the program."""


class UsageError(LrtuiError):
    """A word of the command line or of a form that can't be taken (exit 2)."""


class NotationError(UsageError):
    """A schedule or optimizer that can't be read or built.

    Args:
        message: what is wrong and what would be right, one sentence.
        text: the notation as the user wrote it.
        position: offset in `text` of the fault, in characters; None where it has no single place.
        field: name of the argument the fault belongs to, so that a form can show the message under its field.
    """

    def __init__(self, message: str, text: str = "", position: int | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.text = text
        self.position = position
        self.field = field

    def __str__(self) -> str:
        return self.message

    def explain(self, width: int = 100) -> str:
        """Return the message under the notation with a caret at the fault, the notation cut to `width` columns."""
        if self.position is None or not self.text:
            return self.message
        position = min(max(self.position, 0), len(self.text))
        start = max(0, position - width // 2)
        excerpt = "".join(c if c.isprintable() else " " for c in self.text[start : start + width])
        return f"{excerpt}\n{' ' * (position - start)}^ {self.message}"


class DeviceError(UsageError):
    """A device that was asked for and is not there."""


class StoreError(LrtuiError):
    """A store that can't be opened, read or written."""


class CheckpointError(LrtuiError):
    """A checkpoint that is not there, damaged, or was tampered with."""


class DataError(LrtuiError):
    """Data that is missing, truncated, corrupt or of the wrong shape."""


class TaskError(LrtuiError):
    """A mistake in a task, with what was expected of it."""


_OWN_FOLDER = str(Path(__file__).parents[1])
_WORKERS = re.compile(r"Caught .* in DataLoader worker.*?\nOriginal (?P<traceback>Traceback.*)", re.DOTALL)
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')


def _is_theirs(file: str) -> bool:
    return "site-packages" not in file and not file.startswith((_OWN_FOLDER, "<"))


def describe_exception(error: BaseException) -> str:
    """Return the error in one line, with the user's own line that led to it where there is one.

    The line named is the innermost one outside of lrtui and outside of installed packages; without one, the
    innermost of all. A syntax error names its own.
    """
    words = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if worker := _WORKERS.match(str(error)):
        # a data loader's worker process sends its traceback as text
        lines = _FRAME.findall(worker["traceback"])
        place = next((f" ({f}, line {n}, in {name})" for f, n, name in reversed(lines) if _is_theirs(f)), "")
        return f"{worker['traceback'].strip().splitlines()[-1]}{place}"
    if isinstance(error, SyntaxError):
        return words  # Python's words end with file and line
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return words
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    frame = (theirs or list(frames))[-1]
    return f"{words} ({frame.filename}, line {frame.lineno}, in {frame.name})"


def place_of(function: Any) -> str:
    """Return ` (file, line)` of a function's or class's definition, or nothing where it has none that can be read."""
    try:
        return f" ({inspect.getsourcefile(function)}, line {inspect.getsourcelines(function)[1]})"
    except (OSError, TypeError):
        return ""


def shape_words(value: Any) -> str:
    """Return what a value is, for a message: `float32 (64, 10)`, `dict of ids: int64 (64, 7)`, `tuple of ...`."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{str(dtype).removeprefix('torch.')} {tuple(shape)}"
    if isinstance(value, dict):
        return "dict of " + ", ".join(f"{key}: {shape_words(item)}" for key, item in list(value.items())[:4])
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__} of {len(value)}: " + ", ".join(shape_words(item) for item in value[:4])
    return type(value).__name__
