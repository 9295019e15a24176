"""The lines that are added to a text file, read by offset and in blocks."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from lrtui.sources.log_file import opened, read_bytes, signature
from lrtui.sources.text.line_trouble import LineTrouble
from lrtui.text.format import counted

BLOCK_BYTES = 512 << 10
LONGEST_LINE = 1 << 20
"""Bytes of the longest line that is kept; longer ones are no lines of numbers."""

QUIET_SECONDS = 2.0
"""A file that has not changed for so long may have ended without a line break."""

_HEAD_BYTES, _TAIL_BYTES = 1024, 256
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class LineBlock:
    """New lines of a file.

    Args:
        data: complete lines, each with "\\n" as its line break.
        first_line: number of the first of them, from 1.
        open_line: what follows the last line break; empty unless the end of the file was reached.
        is_quiet: whether the file has not changed for QUIET_SECONDS, so that `open_line` may be its last line.
        from_start: whether the file is read from its start again, because it is another one or was rewritten.
        has_more: whether there is more to read now.
    """

    data: bytes = b""
    first_line: int = 1
    open_line: bytes = b""
    is_quiet: bool = False
    from_start: bool = False
    has_more: bool = False


class LineTail:
    """Reads a text file from its start, then what is added to it.

    Args:
        path: the file; it need not exist yet, and may be replaced, truncated or rewritten at any time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._error = ""
        self._seen: tuple[int, int, int, int] | None = None
        self._changed_at = 0.0
        self._has_started = False
        self._lines = LineTrouble(path)
        self._forget()

    @property
    def trouble(self) -> str:
        """What can't be read; empty if everything can."""
        holes = f"{self._path} has {counted(self._holes, 'NUL byte')} as after a crash, left out."
        return " ".join(filter(None, (self._error, str(self._lines), holes if self._holes else "")))

    def has_news(self) -> bool:
        """Return whether `read` may return something new; costs one look at the file's size and time."""
        try:
            status = os.stat(self._path)
        except OSError:
            return self._seen is not None or not self._error
        return signature(status) != self._seen or bool(self._carry and not self._was_offered and self._is_quiet(status))

    def read(self) -> LineBlock:
        """Return new lines, at most those in the next BLOCK_BYTES."""
        try:
            with opened(self._path) as (handle, status):
                return self._read(handle, status)
        except OSError as error:
            return self._failed(error.strerror or str(error))

    def take_open(self) -> None:
        """Take the open line as complete; if it grows after all, the file is read from its start again."""
        self._carry, self._is_open_taken = b"", True
        self._line += 1

    def read_again(self) -> None:
        """Start at the beginning of the file at the next call of `read`."""
        self._forget()

    def _forget(self) -> None:
        self._position, self._line = 0, 1
        self._head, self._tail, self._carry = b"", b"", b""
        self._is_skipping = self._is_open_taken = self._was_offered = self._has_return = False
        self._holes = 0
        self._lines.clear()

    def _failed(self, reason: str) -> LineBlock:
        self._error, self._seen = f"{self._path} can't be read: {reason}.", None
        return LineBlock()

    def _read(self, handle: int, status: os.stat_result) -> LineBlock:
        now = signature(status)
        if now != self._seen:
            self._changed_at, self._was_offered = time.monotonic(), False
        is_other_file = self._seen is not None and now[:2] != self._seen[:2]
        self._seen, self._error = now, ""
        from_start = self._has_started and (is_other_file or self._is_rewritten(handle, status.st_size))
        if from_start:
            self._forget()
        self._has_started = True
        os.lseek(handle, self._position, os.SEEK_SET)
        raw = read_bytes(handle, BLOCK_BYTES)
        if self._is_open_taken and not self._accepts(raw):
            # the open line went on
            self._forget()
            os.lseek(handle, 0, os.SEEK_SET)
            raw, from_start = read_bytes(handle, BLOCK_BYTES), True
        self._position += len(raw)
        if len(self._head) < _HEAD_BYTES:
            self._head = (self._head + raw)[:_HEAD_BYTES]
        self._tail = (self._tail + raw)[-_TAIL_BYTES:]
        if self._head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            self._error = f"{self._path} can't be read: its text is UTF-16, not UTF-8."
            return LineBlock(from_start=from_start)
        first_line = self._line
        data = self._complete(raw)
        has_more = len(raw) == BLOCK_BYTES
        is_quiet = self._is_quiet(status)
        self._was_offered = is_quiet and not has_more
        open_line = b"" if has_more or self._is_skipping or self._is_open_taken else self._carry
        if self._line == 1:
            open_line = b"" if _BOM.startswith(open_line) else open_line.removeprefix(_BOM)
        return LineBlock(data, first_line, open_line, is_quiet, from_start, has_more)

    def _is_quiet(self, status: os.stat_result) -> bool:
        # a file server's clock may be wrong
        return time.time() - status.st_mtime > QUIET_SECONDS or time.monotonic() - self._changed_at > QUIET_SECONDS

    def _is_rewritten(self, handle: int, size: int) -> bool:
        if size < self._position:
            return True
        os.lseek(handle, 0, os.SEEK_SET)
        if read_bytes(handle, len(self._head)) != self._head:
            return True
        os.lseek(handle, self._position - len(self._tail), os.SEEK_SET)
        return read_bytes(handle, len(self._tail)) != self._tail

    def _accepts(self, raw: bytes) -> bool:
        """Return whether the file goes on with a line break, which ends the line that was taken."""
        text = self._carry + b"\r" * self._has_return + raw.replace(b"\0", b"")
        return not text or text.startswith((b"\n", b"\r"))

    def _complete(self, raw: bytes) -> bytes:
        """Return the lines that end in these bytes, and keep the rest."""
        if b"\0" in raw:
            self._holes += raw.count(b"\0")
            raw = raw.replace(b"\0", b"")
        raw = self._with_line_breaks(raw)
        if self._is_skipping:
            end = raw.find(b"\n")
            if end < 0:
                return b""
            raw, self._is_skipping = raw[end:], False
        data = self._carry + raw
        if self._is_open_taken:
            break_end = data.find(b"\n") + 1
            if not break_end:
                self._carry = data
                return b""
            data, self._is_open_taken = data[break_end:], False
        end = data.rfind(b"\n") + 1
        data, self._carry = data[:end], data[end:]
        data = self._without_long_lines(data)
        if self._line == 1:
            data = data.removeprefix(_BOM)
        self._line += data.count(b"\n")
        if len(self._carry) > LONGEST_LINE:
            self._note_long_line(self._line)
            self._carry, self._is_skipping = b"", True
        return data

    def _with_line_breaks(self, raw: bytes) -> bytes:
        """Return the bytes with "\\n" for all line breaks, those by which a progress bar goes back included."""
        if self._has_return:
            raw = b"\r" + raw
        # the other half may follow
        self._has_return = raw.endswith(b"\r")
        if b"\r" not in raw:
            return raw
        if self._has_return:
            raw = raw[:-1]
        return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _without_long_lines(self, data: bytes) -> bytes:
        """Return the lines with empty ones in place of those above the limit."""
        start, kept = 0, []
        while len(data) - start > LONGEST_LINE:
            end = data.rfind(b"\n", start, start + LONGEST_LINE + 1) + 1
            if end:
                kept.append(data[start:end])
                start = end
            else:
                self._note_long_line(self._line + sum(part.count(b"\n") for part in kept))
                start = data.find(b"\n", start)
                kept.append(b"\n")
                start += 1
        return b"".join([*kept, data[start:]]) if kept else data

    def _note_long_line(self, line: int) -> None:
        self._lines.add(line, f"it is longer than {LONGEST_LINE >> 20} MB")
