"""Values of many series that a log holds one by one, gathered into arrays."""

from __future__ import annotations

from array import array
from math import nan

import numpy as np

from lrtui.sources.log import Points, Restart
from lrtui.text.format import printable

MOST_SERIES = 2_000
LONGEST_NAME = 200
LARGEST_STEP = 2**62


class LoggedValues:
    """Gathers values as they are read; bounded in the number and names of series, which a hostile file makes up."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._left_out: set[str] = set()
        self._items: list[Points | Restart] = []
        self._columns: dict[str, tuple[array[int], array[float], array[float]]] = {}

    @property
    def trouble(self) -> str:
        """Which series are left out, as a part of a sentence; empty if none."""
        if not self._left_out:
            return ""
        more = "or more " if len(self._left_out) == MOST_SERIES else ""
        return f"{len(self._left_out):,} {more}series beyond the first {MOST_SERIES:,} are left out"

    def add(self, name: str, step: int, value: float, time: float = nan) -> None:
        """Add a value, unless it belongs to a series beyond the limit."""
        shown = self._names.get(name) or self._named(name)
        if not shown:
            return
        column = self._columns.get(shown)
        if column is None:
            column = self._columns[shown] = (array("q"), array("d"), array("d"))
        column[0].append(step)
        column[1].append(value)
        column[2].append(time)

    def restart(self, step: int) -> None:
        """Say that the run went back to an earlier step."""
        self._flush()
        self._items.append(Restart(step))

    def take(self) -> list[Points | Restart]:
        """Return what was added since the last call."""
        self._flush()
        items, self._items = self._items, []
        return items

    def _named(self, name: str) -> str:
        if len(self._names) < MOST_SERIES:
            self._names[name] = shown = printable(name[:LONGEST_NAME])[:LONGEST_NAME]
            return shown
        if len(self._left_out) < MOST_SERIES:
            self._left_out.add(name[:LONGEST_NAME])
        return ""

    def _flush(self) -> None:
        for name, (steps, values, times) in self._columns.items():
            self._items.append(Points(name, np.array(steps, np.int64), np.array(values, float), np.array(times, float)))
        self._columns = {}
