"""Rows of numbers by column name, as series: finds the step, the epoch and the time among the columns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lrtui.run.minmax_pyramid import Floats
from lrtui.sources.log import LogFacts, Points, Restart
from lrtui.sources.text.metric_names import TIME_NAMES, TOTAL_EPOCHS_NAMES, TOTAL_STEPS_NAMES, plain_name
from lrtui.sources.text.row_steps import LARGEST_STEP, Rows, RowSteps
from lrtui.sources.text.step_choice import StepChoice

Table = dict[str, tuple[Rows, Floats]]
"""For each column, the rows that have a number, and these numbers."""

# seconds since 1970 of 2001 and 2128; a smaller "time" is a duration
_FIRST_TIME, _LAST_TIME = 1e9, 5e9


class TableSeries:
    """Makes series of rows. The result depends on all rows, not on how they are split into blocks.

    Args:
        path: the file, for messages.
        step: the column of the step, which counts over the whole run; found by its name if empty.
    """

    def __init__(self, path: Path, step: str = "") -> None:
        self._path, self._step = path, step
        self.start()

    @property
    def trouble(self) -> str:
        """What is left out."""
        trouble = self._steps.names.trouble
        return f"{self._path}: {trouble[0].lower()}{trouble[1:]}" if trouble else ""

    @property
    def has_steps_of_run(self) -> bool:
        """Whether the rows say at which step of the whole run they are."""
        return self._steps.has_steps_of_run

    def start(self) -> None:
        """Forget everything."""
        self._choice = StepChoice(self._step)
        self._rows_counted = 0
        self.forget()

    def forget(self) -> None:
        """Forget all values, but not which column is the step."""
        self._rows = 0
        self._steps = RowSteps(self._choice.counted)
        self.facts: LogFacts | None = None

    def start_again(self) -> list[Points | Restart]:
        """Return what a repeated header means."""
        return self._steps.start_again()

    def add(self, count: int, table: Table) -> list[Points | Restart] | None:
        """Return the values of rows as series; None if all rows have to be added again.

        Args:
            count: number of rows.
            table: the columns; those that are steps, times and lengths are taken out.
        """
        # rows that were counted before are added again after `forget`
        new = max(0, self._rows_counted - self._rows)
        for name, (rows, values) in table.items():
            is_new = rows >= new
            self._choice.add(name, int(np.count_nonzero(is_new)), int(np.count_nonzero(is_new & _is_step(values))))
        is_first = self._rows == 0
        self._rows += count
        self._rows_counted = max(self._rows_counted, self._rows)
        if self._choice.changes():
            if not is_first:
                return None
            self._steps = RowSteps(self._choice.counted)
        steps = _column(count, table, self._choice.name, whole=True)
        epochs = None if self._step else _column(count, table, self._choice.epoch_name)
        times = self._take_times(count, table)
        self._take_lengths(table)
        series = {name: column for name, column in table.items() if not self._choice.is_step(name)}
        items = self._steps.place(count, steps, epochs, times, series)
        if self._steps.is_unordered and self._choice.name is not None:
            self._choice.refuse(self._choice.name)
            self._choice.changes()
            return None
        return items

    def _take_times(self, count: int, table: Table) -> Floats | None:
        times: Floats | None = None
        for name in [name for name in table if plain_name(name) in TIME_NAMES]:
            rows, values = table[name]
            seconds = np.where(values > 1000 * _FIRST_TIME, values / 1000, values)
            is_time = (seconds > _FIRST_TIME) & (seconds < _LAST_TIME)
            if is_time.any():
                times = np.full(count, np.nan) if times is None else times
                times[rows[is_time]] = seconds[is_time]
                table[name] = rows[~is_time], values[~is_time]
        return times

    def _take_lengths(self, table: Table) -> None:
        facts = self.facts or LogFacts()
        steps, epochs = facts.total_steps, facts.epochs
        for name in list(table):
            plain = plain_name(name)
            if plain in TOTAL_STEPS_NAMES or plain in TOTAL_EPOCHS_NAMES:
                values = table[name][1]
                values = values[_is_step(values) & (values > 0)]
                if not len(values):
                    continue
                del table[name]
                if plain in TOTAL_STEPS_NAMES:
                    steps = int(values[-1])
                else:
                    epochs = int(values[-1])
        if (steps, epochs) != (facts.total_steps, facts.epochs):
            self.facts = LogFacts(total_steps=steps, epochs=epochs)


def _is_step(values: Floats) -> NDArray[np.bool_]:
    # NaN differs from itself
    is_step: NDArray[np.bool_] = (np.floor(values) == values) & (np.abs(values) < LARGEST_STEP)
    return is_step


def _column(count: int, table: Table, name: str | None, *, whole: bool = False) -> Floats | None:
    """Return the number that each row has in a column, NaN where it has none; None if no column is named.

    Args:
        whole: whether a number that can't be a step is as good as none.
    """
    if name is None:
        return None
    column = np.full(count, np.nan)
    if name in table:
        rows, values = table[name]
        column[rows] = np.where(_is_step(values), values, np.nan) if whole else values
    return column
