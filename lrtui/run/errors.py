"""All errors that lrtui raises, as one tree, and descriptions of errors in the user's code.

    LrtuiError               exit 1: the run or the data failed
    ├── UsageError           exit 2: a usage error
    │   ├── NotationError    in a schedule or an optimizer, with its position
    │   └── DeviceError      an unavailable device
    ├── StoreError           a store that can't be opened, read or written
    ├── CheckpointError      a missing, damaged or manipulated checkpoint
    ├── DataError            data that is missing, truncated or corrupt
    ├── TaskError            a mistake in the user's own task
    └── Stopped              raised out of `optimizer.step()` of a script whose run was stopped

A message says what is wrong, where, and what to do; it is shown to the user without a traceback.
"""

from __future__ import annotations

import inspect
import re
import traceback
from pathlib import Path
from typing import Any


class LrtuiError(Exception):
    """Base class of the errors that are reported to the user without a traceback."""


class UsageError(LrtuiError):
    """An invalid argument of the command line or value of a form (exit 2)."""


class NotationError(UsageError):
    """A schedule or optimizer that can't be read or built.

    Args:
        message: what is wrong and what to write instead, in one sentence.
        text: the notation as the user wrote it.
        position: offset of the error in `text`, in characters; None if there is no single one.
        field: name of the argument with the error; a form shows the message under its field.
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
        """Return the notation, cut to `width` columns, and below it a caret at the error and the message."""
        if self.position is None or not self.text:
            return self.message
        position = min(max(self.position, 0), len(self.text))
        start = max(0, position - width // 2)
        excerpt = "".join(c if c.isprintable() else " " for c in self.text[start : start + width])
        return f"{excerpt}\n{' ' * (position - start)}^ {self.message}"


class DeviceError(UsageError):
    """A requested device that is not available."""


class StoreError(LrtuiError):
    """A store that can't be opened, read or written."""


class CheckpointError(LrtuiError):
    """A missing, damaged or manipulated checkpoint."""


class DataError(LrtuiError):
    """Missing, truncated or corrupt data, or data of the wrong shape."""


class TaskError(LrtuiError):
    """A mistake in the user's task."""


class Stopped(LrtuiError):  # noqa: N818 - what a command asked for, not an error
    """A stop command for the run that a script has attached; raised out of `optimizer.step()`."""


_LRTUI_FOLDER = str(Path(__file__).parents[1])
_WORKERS = re.compile(r"Caught .* in DataLoader worker.*?\nOriginal (?P<traceback>Traceback.*)", re.DOTALL)
_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')


_INTERACTIVE = ("<ipython-input", "<python-input", "<stdin>")
"""What stands for a file where code was typed in; other names in angle brackets stand for generated code."""


def _is_user_code(file: str) -> bool:
    if file.startswith("<"):
        return file.startswith(_INTERACTIVE)
    return "site-packages" not in file and not file.startswith(_LRTUI_FOLDER)


def describe_exception(error: BaseException) -> str:
    """Return the error in one line, with the line of the user's code that caused it.

    This is the innermost line outside of lrtui and installed packages, or the innermost of all if there is none.
    """
    text = f"{type(error).__name__}: {' '.join(str(error).split())}"
    if worker := _WORKERS.match(str(error)):
        # a DataLoader worker sends its traceback as text
        lines = _FRAME.findall(worker["traceback"])
        place = next((f" ({f}, line {n}, in {name})" for f, n, name in reversed(lines) if _is_user_code(f)), "")
        return f"{worker['traceback'].strip().splitlines()[-1]}{place}"
    if isinstance(error, SyntaxError):
        return text  # the message of a SyntaxError ends with file and line
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return text
    user_frames = [frame for frame in frames if _is_user_code(frame.filename)]
    frame = (user_frames or list(frames))[-1]
    return f"{text} ({frame.filename}, line {frame.lineno}, in {frame.name})"


def source_location(function: Any) -> str:
    """Return ` (file, line)` of the definition of a function or class; empty if its source is not available."""
    try:
        return f" ({inspect.getsourcefile(function)}, line {inspect.getsourcelines(function)[1]})"
    except (OSError, TypeError):
        return ""


def describe_shape(value: Any) -> str:
    """Return type and shape of a value for a message: `float32 (64, 10)`, `dict of ids: int64 (64, 7)`, `tuple of
    ...`."""
    try:
        text = f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    except (AttributeError, TypeError, RuntimeError):  # no array, or one without a shape such as a nested tensor
        pass
    else:
        layout = str(getattr(value, "layout", "strided")).removeprefix("torch.")
        is_meta = str(getattr(value, "device", "")) == "meta"
        return f"{'' if layout == 'strided' else f'{layout} '}{text}{' on the device meta' if is_meta else ''}"
    if isinstance(value, dict):
        return "dict of " + ", ".join(f"{key}: {describe_shape(item)}" for key, item in list(value.items())[:4])
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__} of {len(value)}: " + ", ".join(describe_shape(item) for item in value[:4])
    return type(value).__name__
