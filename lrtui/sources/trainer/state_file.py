"""One `trainer_state.json`, read piece by piece: its history may be too large to be held as Python objects."""

from __future__ import annotations

import codecs
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lrtui.sources.log_file import opened, read_bytes

HISTORY = "log_history"

_CHUNK_BYTES = 1 << 20
_LONGEST_VALUE = 4 << 20
"""Characters of the longest value or entry of the history that is read."""
_HEAD_BYTES = 4096
_AFTER_VALUES = frozenset(",:]} \t\r\n")
_LONGEST_NUMBER_REST = 2
"""Characters that can follow a number and belong to it: "." or "e-"."""
_SPACE = re.compile(r"[ \t\r\n]*")
_GLOBAL_STEP = re.compile(rb'"global_step"\s*:\s*(\d{1,18})\b')


class UnreadableError(ValueError):
    """The file is cut off, changes while it is read, or is no JSON."""


def step_of(path: Path) -> int:
    """Return the step at which a file was written, which stands near its start; -1 if it does not.

    Raises:
        OSError: if the file can't be read.
    """
    with opened(path) as (handle, _):
        found = _GLOBAL_STEP.search(read_bytes(handle, _HEAD_BYTES))
    return int(found[1]) if found else -1


def state_parts(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield each key of a file with its value; the entries of the history one by one.

    Raises:
        UnreadableError: where the file can't be read on.
        OSError: if it can't be opened or read.
    """
    with _Text(path) as text:
        text.expect("{")
        has_history = False
        while text.peek() != "}":
            key = text.value()
            if not isinstance(key, str):
                raise UnreadableError("a key is not a text")
            text.expect(":")
            if key == HISTORY:
                has_history = True
                text.expect("[")
                while text.peek() != "]":
                    yield HISTORY, text.value()
                    if text.peek() != "]":
                        text.expect(",")
                text.expect("]")
            else:
                yield key, text.value()
            if text.peek() != "}":
                text.expect(",")
        if not has_history:
            raise UnreadableError(f"it has no {HISTORY}")


class _Text:
    """The text of a file around the place that is read."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._status = self._signature()
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._json = json.JSONDecoder()
        self._text = ""
        self._at = 0

    def __enter__(self) -> _Text:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _signature(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def _fill(self) -> bool:
        """Read more; return whether there was more."""
        raw = self._file.read(_CHUNK_BYTES)
        # Trainer writes into the file that is there, and digits of both could join to one number
        if self._signature() != self._status:
            raise UnreadableError("it changes while it is read")
        self._text = self._text[self._at :] + self._decoder.decode(raw, final=not raw)
        self._at = 0
        return bool(raw)

    def peek(self) -> str:
        """Return the next character that is no white space."""
        while True:
            match = _SPACE.match(self._text, self._at)
            self._at = match.end() if match else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                raise UnreadableError("it ends early")

    def expect(self, character: str) -> None:
        """Step over a character."""
        if (found := self.peek()) != character:
            raise UnreadableError(f"there is {found!r} where {character!r} should be")
        self._at += 1

    def value(self) -> Any:
        """Return the next JSON value."""
        self.peek()
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except RecursionError:
                raise UnreadableError("its values are nested too deeply") from None
            except ValueError as error:
                reason = getattr(error, "msg", str(error))
                if len(self._text) - self._at > _LONGEST_VALUE:
                    raise UnreadableError(f"a value has more than {_LONGEST_VALUE >> 20} MB, or is no JSON") from None
                if not self._fill():
                    raise UnreadableError(f"it ends early, or is no JSON: {reason}") from None
                continue
            # a number may go on in the next chunk: "1" or "1." of "1.5"
            is_ended = self._text[end : end + 1] in _AFTER_VALUES or len(self._text) - end > _LONGEST_NUMBER_REST
            if not is_ended and self._fill():
                continue
            self._at = end
            return value
