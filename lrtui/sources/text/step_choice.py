"""Which column of a text log says the step of a row."""

from __future__ import annotations

from lrtui.sources.text.metric_names import EPOCH_NAMES, STEP_NAMES, plain_name
from lrtui.sources.text.row_steps import Counted

_RANK = {name: rank for rank, name in enumerate((*STEP_NAMES, *EPOCH_NAMES))}

_LEAST_SHARE = 3
"""A column with less than a third of the rows of the fullest one is in a few rows only, such as a last summary."""


class StepChoice:
    """Chooses the column of the step by its name, and by the number of rows that have it.

    The choice follows from what was counted, not from the order in which it was.

    Args:
        known: the column of the step; empty to choose one.
    """

    def __init__(self, known: str = "") -> None:
        self._known = known
        self.name: str | None = None
        """The column of the step, which may be that of the epoch; None if values are counted."""
        self.epoch_name: str | None = None
        self._counts: dict[str, tuple[int, int]] = {}
        self._refused: set[str] = set()
        self._was_step: dict[str, bool] = {}

    @property
    def counted(self) -> Counted:
        """What the steps are."""
        if self.name is None:
            return "values"
        return "epochs" if plain_name(self.name) in EPOCH_NAMES else "steps"

    def is_step(self, name: str) -> bool:
        """Return whether a column has steps, so that it is no series of its own."""
        if self._known:
            return name == self._known
        return plain_name(name) in STEP_NAMES and (name == self.name or self._is_usable(name))

    def refuse(self, name: str) -> None:
        """Do not use this column: its values are in no order."""
        self._refused.add(name)

    def add(self, name: str, rows: int, whole: int) -> None:
        """Count rows that have not been counted yet.

        Args:
            name: the column.
            rows: number of rows that have a value.
            whole: number of those whose value is a whole number.
        """
        if plain_name(name) in _RANK:
            before = self._counts.get(name, (0, 0))
            self._counts[name] = (before[0] + rows, before[1] + whole)

    def changes(self) -> bool:
        """Choose, and return whether the choice differs from the last one."""
        before = self.name, self.epoch_name
        if self._known:
            self.name = None if self._known in self._refused else self._known
            return before != (self.name, self.epoch_name)
        usable = {name: rows for name, (rows, _) in self._counts.items() if rows and self._is_usable(name)}
        most = max(usable.values(), default=0)
        often = [name for name, rows in usable.items() if rows * _LEAST_SHARE >= most]
        self.name = min(often, key=_rank, default=None)
        epochs = [name for name in self._counts if plain_name(name) in EPOCH_NAMES]
        self.epoch_name = min(epochs, key=_rank, default=None)
        # both: the second one notes what it saw
        return self._steps_change() | ((self.name, self.epoch_name) != before)

    def _steps_change(self) -> bool:
        """Return whether a column that was a series is none, or the other way round."""
        before = self._was_step
        self._was_step = {name: self.is_step(name) for name in self._counts}
        return any(before[name] != self._was_step[name] for name in before)

    def _is_usable(self, name: str) -> bool:
        rows, whole = self._counts.get(name, (0, 0))
        # a damaged line is no reason against a column
        return name not in self._refused and whole * 10 >= rows * 9


def _rank(name: str) -> tuple[int, str]:
    return _RANK[plain_name(name)], name
