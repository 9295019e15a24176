"""Rows of a text log as series: at which step each row is, and where the run went back."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lrtui.run.minmax_pyramid import Floats
from lrtui.sources.log import Points, Restart
from lrtui.sources.named_series import NamedSeries
from lrtui.sources.text.metric_names import EPOCH_NAMES, plain_name
from lrtui.sources.text.steps_within_epochs import StepsWithinEpochs, filled

Rows = NDArray[np.int64]
Columns = Mapping[str, tuple[Rows, Floats]]
"""For each series, the rows that have a value, and these values."""

Counted = Literal["steps", "epochs", "values"]

LARGEST_STEP = 2.0**62
MAX_RESTARTS = 1_000
"""Returns to an earlier step that are believed; the steps of a log with more of them are in no order."""


class RowSteps:
    """Places the rows of a log, block by block, at steps; the result does not depend on the blocks.

    Args:
        counted: what the steps are: a column of steps, the epochs, or the number of values so far.
    """

    def __init__(self, counted: Counted = "steps") -> None:
        self.counted = counted
        self.names = NamedSeries()
        """The names of the series."""
        self.is_unordered = False
        """Whether the steps, or epochs, are of no use: they go back all the time, or many rows have the same epoch."""
        self._last = 0
        self._last_of: dict[str, int] = {}
        self._count_of: dict[str, int] = {}
        self._repeats_of: dict[str, int] = {}
        self._restarts = 0
        self._within_epochs = StepsWithinEpochs()

    @property
    def has_steps_of_run(self) -> bool:
        """Whether the rows say at which step of the whole run they are."""
        return self.counted == "steps" and not self._within_epochs.is_within

    def start_again(self) -> list[Points | Restart]:
        """Return what a repeated header means: where values are counted, they are counted from 0 again."""
        if self.counted != "values" or not any(self._count_of.values()):
            return []
        self._last, self._count_of = 0, dict.fromkeys(self._count_of, 0)
        return [Restart(0)]

    def place(
        self, count: int, steps: Floats | None, epochs: Floats | None, times: Floats | None, columns: Columns
    ) -> list[Points | Restart]:
        """Return the values of these rows as series.

        Args:
            count: number of rows.
            steps: the step, or epoch, of each row, a whole number; NaN in rows without one. None if values are counted.
            epochs: the epoch of each row; NaN in rows without one.
            times: in seconds since 1970; NaN in rows without one.
            columns: the values.
        """
        if not count:
            return []
        columns = self._limited(columns)
        restarts: list[tuple[int, int]] = []
        if self.counted == "values" or steps is None:
            placed = self._count(count, columns)
        elif self.counted == "epochs":
            placed = filled(steps, float(self._last)).astype(np.int64)
        else:
            placed = self._within_epochs.add(steps, epochs)
        if self.counted != "values":
            restarts = self._find_restarts(placed, columns)
        self._last = int(placed[-1])
        for name, (rows, _) in columns.items():
            self._count_of[name] += len(rows)
        return _split(placed, np.full(count, np.nan) if times is None else times, columns, restarts)

    def _limited(self, columns: Columns) -> dict[str, tuple[Rows, Floats]]:
        kept: dict[str, tuple[Rows, Floats]] = {}
        for name, column in columns.items():
            if not len(column[0]):
                continue
            shown = self.names.name(name)
            if shown is not None:
                self._count_of.setdefault(shown, 0)
                kept[shown] = column
        return kept

    def _count(self, count: int, columns: Columns) -> Rows:
        placed = np.zeros(count, dtype=np.int64)
        placed[0] = self._last
        for name, (rows, _) in columns.items():
            # a line of a test, which has the epoch as well, is at the last step of training
            if plain_name(name) not in EPOCH_NAMES:
                placed[rows] = np.maximum(placed[rows], self._count_of[name] + np.arange(len(rows)))
        return np.maximum.accumulate(placed)

    def _find_restarts(self, placed: Rows, columns: Columns) -> list[tuple[int, int]]:
        """Return the rows at which a series goes back, with the steps that it goes back to."""
        # each series by itself: a test may be logged after the next training steps
        candidates: list[tuple[int, str, int, int, int, int]] = []
        for name, (rows, _) in columns.items():
            steps = placed[rows]
            last = self._last_of.get(name, int(steps[0]) - 1)
            before = np.concatenate(([last], steps[:-1]))
            is_back = steps <= before if self.counted == "epochs" else steps < before
            for index in np.flatnonzero(is_back).tolist():
                row_before = int(rows[index - 1]) if index else -1
                candidates.append((int(rows[index]), name, int(steps[index]), row_before, int(before[index]), index))
        candidates.sort()
        restarts: list[tuple[int, int]] = []
        for row, name, step, row_before, last, index in candidates:
            last = _superseded(last, row_before, restarts)
            if step < last:
                restarts.append((row, step))
            elif step == last:
                repeats = self._repeats_of[name] = self._repeats_of.get(name, 0) + 1
                distinct = self._count_of[name] + index + 1 - repeats
                self.is_unordered |= repeats > 1 + distinct / 2
            self.is_unordered |= self._restarts + len(restarts) > MAX_RESTARTS
            if self.is_unordered:
                return []
        self._restarts += len(restarts)
        for name, (rows, _) in columns.items():
            self._last_of[name] = _superseded(int(placed[rows[-1]]), int(rows[-1]), restarts)
        if restarts:
            lowest = min(step for _, step in restarts) - 1
            for name in self._last_of.keys() - columns.keys():
                self._last_of[name] = min(self._last_of[name], lowest)
        return restarts


def _superseded(last: int, row: int, restarts: list[tuple[int, int]]) -> int:
    """Return the last step of a series after the restarts that followed this row."""
    for restart_row, step in reversed(restarts):
        if restart_row <= row:
            break
        last = min(last, step - 1)
    return last


def _split(placed: Rows, times: Floats, columns: Columns, restarts: list[tuple[int, int]]) -> list[Points | Restart]:
    items: list[Points | Restart] = []
    starts = [0, *(row for row, _ in restarts), len(placed)]
    for part, (start, end) in enumerate(pairwise(starts)):
        if part:
            items.append(Restart(restarts[part - 1][1]))
        for name, (rows, values) in columns.items():
            first, last = (0, len(rows)) if not restarts else np.searchsorted(rows, (start, end)).tolist()
            if first < last:
                own = rows[first:last]
                items.append(Points(name, placed[own], values[first:last], times[own]))
    return items
