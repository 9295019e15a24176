"""The output of a command that `lrtui run` started: a bounded file in the store's folder, written by one process."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lrtui.text.format import counted, printable

VARIABLE = "LRTUI_COMMAND_OUTPUT"
"""The environment variable that tells a command, and a script attached in it, where its output is."""

FOLDER = "output"

MAX_BYTES = 8 << 20
"""Size at which a file of output is put aside, in bytes; the one put aside before it is dropped."""

MAX_READ = 1 << 20
"""Bytes that are read at once; older ones are left out, since no log has as many lines."""

MAX_OPEN_ROWS = 4
"""Unfinished lines, such as progress bars, that are shown."""

MAX_OPEN_BYTES = 1 << 15
"""Bytes of them that are read."""


def output_path(folder: Path, run: int) -> Path:
    """Return the file with the output of the command that a run stands for.

    Args:
        folder: folder of the store.
    """
    return folder / FOLDER / f"{run}.log"


def recorded_path(folder: Path, path: Path) -> str:
    """Return the path as a run records it: relative to the store's folder, which may be moved, if it is there."""
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def inherited_output(folder: Path) -> str | None:
    """Return the file of the output of the command that this process is a part of, as its runs record it.

    None if `lrtui run` did not start it.
    """
    text = os.environ.get(VARIABLE)
    return recorded_path(folder, Path(text)) if text else None


def earlier_part(path: Path) -> Path:
    """Return the file that output is put aside in."""
    return path.with_name(f"{path.name}.1")


def open_rows_path(path: Path) -> Path:
    """Return the file with the lines that are not finished, such as a progress bar."""
    return path.with_name(f"{path.name}.open")


def unused_files(folder: Path, used: Collection[str | None]) -> list[Path]:
    """Return the files of output that no run refers to.

    Args:
        folder: folder of the store.
        used: the outputs that runs record.
    """
    found = sorted((folder / FOLDER).glob("*.log*"))
    # the parts of an output have its name and an ending
    return [path for path in found if f"{FOLDER}/{path.name.partition('.log')[0]}.log" not in used]


class OutputFile:
    """Writes output; readable by its owner only. After an error nothing more is written.

    Args:
        path: the file, which is emptied.
        max_bytes: size at which it is put aside.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path, self.trouble = path, ""
        """`trouble` says why the output can't be written; empty while it can."""
        self._max_bytes = max_bytes
        self._file = -1
        self._size = self._lines = self._lines_aside = self._dropped = 0
        self._open_rows: Sequence[str] = ()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            earlier_part(path).unlink(missing_ok=True)
            self._open()
        except OSError as error:
            self._note(error)

    def write(self, lines: Iterable[str]) -> None:
        """Append lines."""
        texts = [line.encode(errors="replace") + b"\n" for line in lines]
        if not texts or self._file < 0:
            return
        try:
            while texts:
                fitting, size = 0, self._size
                while fitting < len(texts) and (size + len(texts[fitting]) <= self._max_bytes or not size):
                    size += len(texts[fitting])
                    fitting += 1
                if not fitting:
                    self._put_aside()
                    continue
                os.write(self._file, b"".join(texts[:fitting]))
                self._size, self._lines = size, self._lines + fitting
                texts = texts[fitting:]
        except OSError as error:
            self._note(error)

    def show_open_rows(self, rows: Sequence[str]) -> None:
        """Replace the lines that are not finished."""
        if rows == self._open_rows or self._file < 0:
            return
        self._open_rows = list(rows)
        target = open_rows_path(self.path)
        partial = target.with_name(f"{target.name}.part")
        try:
            partial.write_text("\n".join(rows[-MAX_OPEN_ROWS:]), encoding="utf-8", errors="replace")
            partial.replace(target)
        except OSError as error:
            self._note(error)

    def close(self) -> None:
        """Close the file."""
        self.show_open_rows([])
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        self._file = os.open(self.path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        self._size = self._lines = 0

    def _put_aside(self) -> None:
        os.close(self._file)
        self._file = -1
        self.path.replace(earlier_part(self.path))
        self._dropped, self._lines_aside = self._dropped + self._lines_aside, self._lines
        self._open()
        if self._dropped:
            note = f"[lrtui: the first {counted(self._dropped, 'line')} of the output were dropped]\n".encode()
            os.write(self._file, note)
            self._size += len(note)

    def _note(self, error: OSError) -> None:
        self.trouble = f"the output can't be written to {self.path}: {error.strerror or error}"
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class OutputReader:
    """Reads a file of output while it grows; keeps no file open.

    Args:
        path: the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file_id: tuple[int, int] | None = None
        self._position = 0

    def take(self) -> list[str]:
        """Return the lines that have come since the last call; the newest of a long file on the first."""
        earlier: list[str] = []
        with _opened(self._path) as file:
            if file < 0:
                return []
            found = os.fstat(file)
            if (found.st_dev, found.st_ino) != self._file_id:
                # put aside since the last call, or seen for the first time
                if self._file_id is not None or found.st_size < MAX_READ:
                    earlier = self._take_earlier()
                self._file_id, self._position = (found.st_dev, found.st_ino), 0
            lines, self._position = _read_lines(file, self._position)
        return earlier + lines

    def open_rows(self) -> list[str]:
        """Return the lines that are not finished."""
        with _opened(open_rows_path(self._path)) as file:
            text = os.read(file, MAX_OPEN_BYTES).decode(errors="replace") if file >= 0 else ""
        return [printable(line) for line in text.splitlines()]

    def _take_earlier(self) -> list[str]:
        """Return what has not been read of the part that was put aside."""
        with _opened(earlier_part(self._path)) as file:
            if file < 0:
                return []
            found = os.fstat(file)
            is_known = (found.st_dev, found.st_ino) == self._file_id
            return _read_lines(file, self._position if is_known else 0)[0]


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a regular file within the block; yield its descriptor, or -1 if there is none, as a fifo would block."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        yield -1
        return
    try:
        yield file if stat.S_ISREG(os.fstat(file).st_mode) else -1
    finally:
        os.close(file)


def _read_lines(file: int, start: int) -> tuple[list[str], int]:
    """Return the complete lines from a position on, at most MAX_READ bytes, the newest; and the new position."""
    size = os.fstat(file).st_size
    skipped = max(0, size - start - MAX_READ)
    chunk = os.pread(file, max(0, size - start - skipped), start + skipped)
    end = chunk.rfind(b"\n") + 1
    lines = [printable(line) for line in chunk[:end].decode(errors="replace").split("\n")[:-1]]
    if skipped:
        # the first one may be a part
        lines[:1] = [f"[lrtui: {counted(skipped, 'byte')} of output left out]"]
    return lines, start + skipped + end
