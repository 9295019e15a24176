"""Captures what the process and its children write to standard output and error while the cockpit is on screen."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from textual.app import App
from textual.driver import Driver

from lrtui.text.format import counted, printable
from lrtui.tui.terminal_rescue import TerminalRescue

if TYPE_CHECKING:
    from typing_extensions import Buffer

MAX_READ = 1 << 18
"""Maximum number of bytes per call of `take`; older ones are left out, since the log would drop them at once."""

MAX_LINE = 8192
"""Bytes after which a line is cut, as binary data has no line ends."""

PARTIAL_SECONDS = 1.0
"""Seconds after which a line without an end is returned if it has not grown."""

BAR_SECONDS = 10.0
"""The same for a progress bar, which overwrites its line with carriage returns until it is complete."""

FREED_BYTES = 1 << 20
"""Bytes that have been read before their memory is freed."""

# escape sequences of colours and cursor movements, of window titles, and of two characters
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-Z\\^-~])")

# from Linux's linux/falloc.h: FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
_FREE = 3


class CapturedOutput:
    """Redirects the descriptors 1 and 2, where they are a terminal, to a file in memory, and returns its lines.

    Native code, Python's `print` and child processes such as data workers write there. A file, not a pipe: a pipe that
    is full blocks a library that writes while it holds the GIL, which the reader needs; and a child that outlives this
    process would be killed by SIGPIPE. The last output of a process that is killed, such as the message of an abort, is
    printed by `TerminalRescue`.

    Args:
        seconds: a clock.
    """

    def __init__(self, seconds: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._file = -1
        self._saved: dict[int, int] = {}
        """Copies of the descriptors that are redirected."""
        self._position = self._freed = 0
        self._partial, self._grown_at = b"", 0.0

    def start(self) -> None:
        """Redirect the descriptors; does nothing if they are redirected already."""
        if self._saved:
            return
        if self._file < 0:
            self._file = _memory_file()
        _flush()
        for number in (1, 2):
            # a descriptor that the user has redirected is left alone
            if os.isatty(number):
                self._saved[number] = os.dup(number)
                os.dup2(self._file, number)

    def stop(self) -> None:
        """Restore the descriptors; does nothing if they are not redirected."""
        _flush()
        while self._saved:
            number, copy = self._saved.popitem()
            os.dup2(copy, number)
            os.close(copy)

    def terminal_file(self, file: TextIO) -> TextIO:
        """Return a file that writes to the same terminal as `file` whether or not its descriptor is redirected."""
        buffer = io.BufferedWriter(_TerminalFile(os.dup(file.fileno()), "w"))
        return io.TextIOWrapper(buffer, encoding=file.encoding, errors=file.errors, newline="\n")

    @property
    def file(self) -> int:
        """Descriptor of the file that the output goes to; -1 before the first `start`."""
        return self._file

    def take(self, *, is_final: bool = False) -> list[str]:
        """Return the new lines, without escape sequences; of a line with carriage returns only its last state.

        Args:
            is_final: whether to return a last line without an end as well.
        """
        chunk, skipped = self._read()
        if chunk:
            self._grown_at = self._seconds()
        *ended, partial = (self._partial + chunk).split(b"\n")
        is_bar = b"\r" in partial
        if is_bar:
            # earlier states of the bar are not needed
            partial = partial[max(0, partial.rstrip(b"\r").rfind(b"\r")) :]
        has_waited = self._seconds() - self._grown_at >= (BAR_SECONDS if is_bar else PARTIAL_SECONDS)
        if is_final or has_waited or len(partial) > MAX_LINE:
            ended, partial = [*ended, partial], b""
        self._partial = partial
        lines = [line for line in map(_line_text, ended) if line]
        return [f"{counted(skipped, 'byte')} of output left out", *lines] if skipped else lines

    def _read(self) -> tuple[bytes, int]:
        """Return the new bytes, and how many before them were left out."""
        if self._file < 0:
            return b"", 0
        size = os.fstat(self._file).st_size
        # a shell's `> /dev/stderr` empties the file
        self._position = 0 if size < self._position else self._position
        skipped = max(0, size - self._position - MAX_READ)
        start = self._position + skipped
        chunk = os.pread(self._file, size - start, start)
        self._position = start + len(chunk)
        if self._position - self._freed > FREED_BYTES:
            _free(self._file, self._position)
            self._freed = self._position
        return chunk, skipped


def capturing(kind: type[Driver], output: CapturedOutput) -> type[Driver]:
    """Return a driver class that captures output while the screen is shown; one without an output file is unchanged."""

    class Capturing(kind):  # type: ignore[misc, valid-type]
        """A driver that writes to the terminal while the descriptors of standard output and error are redirected."""

        def __init__(self, app: App[Any], *args: Any, **options: Any) -> None:
            super().__init__(app, *args, **options)
            # these are private to Textual
            file: TextIO | None = getattr(self, "_file", None)
            self._captured = output if file is not None else None
            self._rescue: TerminalRescue | None = None
            if file is not None:
                self._file = output.terminal_file(file)
                self._terminal = self._file.fileno()
                # Textual's own capture drops what Python code prints
                app._capture_stdout, app._capture_stderr = sys.__stdout__, sys.__stderr__  # type: ignore[assignment]

        def start_application_mode(self) -> None:
            if self._captured is not None:
                self._captured.start()
            super().start_application_mode()
            if self._captured is not None and self._rescue is None:
                self._rescue = TerminalRescue(self._terminal, self._captured.file)

        def close(self) -> None:
            # the last escape sequences are written here, in another thread
            super().close()
            if self._captured is not None:
                self._captured.stop()
            if self._rescue is not None:
                self._rescue.close()
                self._rescue = None

    return Capturing


class _TerminalFile(io.FileIO):
    """A terminal; what is written after it has been closed is discarded.

    An error would end Textual's writer thread, and the event loop would then block as soon as its queue is full, before
    it could handle SIGHUP.
    """

    def write(self, data: Buffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return memoryview(data).nbytes


def _memory_file() -> int:
    """Return a descriptor of an empty file without a name."""
    try:
        # Linux; no file system can be full
        file = os.memfd_create("lrtui-output")
    except (AttributeError, OSError):
        with tempfile.TemporaryFile() as temporary:
            file = os.dup(temporary.fileno())
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
    return file


def _free(file: int, size: int) -> None:
    """Free the memory of the first `size` bytes of a file in memory; its length stays the same."""
    if sys.platform == "linux":
        ctypes.CDLL(None).fallocate(file, _FREE, ctypes.c_int64(0), ctypes.c_int64(size))


def _line_text(line: bytes) -> str:
    """Return the last state of a line as text that is safe to print."""
    text = _ESCAPES.sub("", line.decode(errors="replace")).rstrip()
    return printable(text.rpartition("\r")[2].expandtabs(4))


def _flush() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            # a full disk or a closed terminal must not keep the cockpit from ending
            with suppress(OSError, ValueError):
                stream.flush()
