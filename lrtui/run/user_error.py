"""A mistake in the user's own code, told by the line that it is in."""

from __future__ import annotations

import inspect
import re
import traceback
from pathlib import Path
from typing import Any

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
