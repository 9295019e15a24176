"""Values of many series that a log holds one by one, gathered into arrays."""

from __future__ import annotations

from array import array
from math import nan

import numpy as np

from lrtui.sources.log import Points, Restart
from lrtui.sources.named_series import NamedSeries

LARGEST_STEP = 2**62


class LoggedValues:
    """Gathers values as they are read, with names that can be shown and for a limited number of series."""

    def __init__(self) -> None:
        self._names = NamedSeries()
        self._items: list[Points | Restart] = []
        self._columns: dict[str, tuple[array[int], array[float], array[float]]] = {}

    @property
    def trouble(self) -> str:
        """Which series are left out, as a sentence; empty if none."""
        return self._names.trouble

    def add(self, name: str, step: int, value: float, time: float = nan) -> None:
        """Add a value, unless it belongs to a series beyond the limit."""
        shown = self._names.name(name)
        if shown is None:
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

    def _flush(self) -> None:
        for name, (steps, values, times) in self._columns.items():
            self._items.append(Points(name, np.array(steps, np.int64), np.array(values, float), np.array(times, float)))
        self._columns = {}
