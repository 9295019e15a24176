"""A log format whose logs are kept in memory: a file of the name NAME.mem stands for the log `LOGS[path]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lrtui.sources.log import FoundLog, LogFacts, LogFormat, LogPart, LogReader, Points, Restart

Item = Points | Restart


def points(name: str, steps: Sequence[int], values: Sequence[float], times: Sequence[float] | None = None) -> Points:
    return Points(
        name,
        np.array(steps, dtype=np.int64),
        np.array(values, dtype=np.float64),
        np.full(len(steps), np.nan) if times is None else np.array(times, dtype=np.float64),
    )


@dataclass
class MemoryLog:
    """What a log holds: items in the order in which they were written."""

    items: list[Item] = field(default_factory=list)
    facts: LogFacts | None = None
    sample: list[Item] | None = None
    trouble: str = ""
    version: int = 0
    """Increased when the log is rewritten."""
    most: int = 1_000_000
    """Maximum number of items per reading."""
    openings: int = 0

    def add(
        self, name: str, steps: Sequence[int], values: Sequence[float], times: Sequence[float] | None = None
    ) -> None:
        self.items.append(points(name, steps, values, times))

    def rewrite(self, *items: Item) -> None:
        self.items, self.version = list(items), self.version + 1


class MemoryReader:
    """Reads a log in memory."""

    def __init__(self, log: MemoryLog) -> None:
        self.log, self.trouble = log, ""
        self._next, self._version, self._facts = 0, log.version, None
        log.openings += 1

    def has_news(self) -> bool:
        log = self.log
        return (self._next, self._version, self._facts) != (len(log.items), log.version, log.facts)

    def read(self, seconds: float) -> LogPart:
        log, from_start = self.log, self._version != self.log.version
        if from_start:
            self._next, self._version = 0, log.version
        items = log.items[self._next : self._next + log.most]
        self._next += len(items)
        facts = log.facts if log.facts != self._facts else None
        self._facts, self.trouble = log.facts, log.trouble
        return LogPart(items, facts, from_start, self._next < len(log.items))

    def sample(self) -> LogPart | None:
        return None if self.log.sample is None else LogPart(self.log.sample, self.log.facts)

    def close(self) -> None:
        pass


class MemoryFormat(LogFormat):
    """Finds files of the name NAME.mem."""

    name = "memory"

    def __init__(self) -> None:
        self.logs: dict[Path, MemoryLog] = {}

    def find(self, folder: Path, names: Sequence[str]) -> Sequence[FoundLog]:
        return [FoundLog(self.name, folder / name) for name in names if name.endswith(".mem")]

    def open(self, log: FoundLog) -> LogReader:
        return MemoryReader(self.logs.setdefault(log.path, MemoryLog()))

    def create(self, path: Path) -> MemoryLog:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
        self.logs[path] = MemoryLog()
        return self.logs[path]
