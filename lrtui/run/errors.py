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
