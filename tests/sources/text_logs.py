"""Text logs in tests: what a reader makes of a file, at once or while it grows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lrtui.sources.log import FoundLog, LogFormat, LogPart, LogReader, Points, Restart

Series = dict[str, list[tuple[int, float | str]]]


class SeriesSoFar:
    """The series of a log after all that was read of it; superseded values are taken out."""

    def __init__(self) -> None:
        self.series: Series = {}
        self.times: dict[str, list[float]] = {}

    def add(self, part: LogPart) -> None:
        if part.from_start:
            self.series = {}
        for item in part.items:
            if isinstance(item, Restart):
                for name, points in self.series.items():
                    self.series[name] = [point for point in points if point[0] < item.step]
            else:
                assert isinstance(item, Points)
                assert len(item.steps) == len(item.values) == len(item.times) > 0
                # NaN equals itself as text
                values = (value if value == value else "nan" for value in item.values.tolist())
                self.series.setdefault(item.name, []).extend(zip(item.steps.tolist(), values, strict=True))
                self.times.setdefault(item.name, []).extend(item.times.tolist())

    def read_all(self, reader: LogReader) -> Series:
        """Read until there is no more, and return the series."""
        for _ in range(1000):
            part = reader.read(1.0)
            self.add(part)
            if not part.has_more:
                break
        else:
            raise AssertionError("the log never ends")
        # a restart may leave nothing of a series
        return {name: points for name, points in self.series.items() if points}


def reader_of(log_format: type[LogFormat], path: Path) -> LogReader:
    return log_format().open(FoundLog(log_format.name, path))


def read(log_format: type[LogFormat], path: Path) -> Series:
    """Return the series of a finished log."""
    make_old(path)
    return SeriesSoFar().read_all(reader_of(log_format, path))


def read_text(log_format: type[LogFormat], path: Path, text: str | bytes) -> Series:
    """Write a log, and return its series."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read(log_format, path)


def read_while_it_grows(
    log_format: type[LogFormat], path: Path, data: bytes, sizes: Sequence[int], log_path: Path | None = None
) -> Series:
    """Return the series of a log that is read each time it has grown to one of these sizes, and at its end.

    Args:
        log_path: what identifies the log, if it isn't the file.
    """
    path.write_bytes(b"")
    reader, so_far = reader_of(log_format, log_path or path), SeriesSoFar()
    with path.open("ab") as file:
        before = 0
        for size in (*sizes, len(data)):
            file.write(data[before:size])
            file.flush()
            before = size
            so_far.read_all(reader)
    make_old(path)
    return so_far.read_all(reader)


def trouble_of(log_format: type[LogFormat], path: Path) -> str:
    """Return what can't be read of a finished log."""
    make_old(path)
    reader = reader_of(log_format, path)
    while reader.read(1.0).has_more:
        pass
    return reader.trouble


def make_old(path: Path) -> None:
    """Let a file be one that has not changed for an hour."""
    if path.is_file():
        hour_ago = path.stat().st_mtime - 3600
        os.utime(path, (hour_ago, hour_ago))
