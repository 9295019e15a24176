"""At which step each call of wandb's `log` was: by the metric that a script counts its steps in, else by the call."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lrtui.sources.logged_values import LARGEST_STEP
from lrtui.sources.text.metric_names import STEP_NAMES, plain_name

CALLS = "_step"
"""The number that wandb gives each call; a script can give it instead."""

_STEP_WORDS = frozenset({"step", "steps", "iter", "iters", "iteration", "iterations", "update", "updates"})
_MOST_CHANGES = 10
"""How often the choice changes; each time the file is read again."""
_MOST_ALIKE = 50
"""Calls without a step, or at the same one, after which a metric that has more of them does not count steps."""


class OtherStepsError(Exception):
    """The steps of all calls are to be taken from another metric."""


class WandbSteps:
    """Chooses the metric that has the steps; raises `OtherStepsError` when the choice changes after the first call."""

    def __init__(self) -> None:
        self.name = CALLS
        """The metric; `CALLS` if none is usable."""
        self._defined = ""
        self._found: set[str] = set()
        self._refused: set[str] = {CALLS}
        self._changes = 0
        self.rewind()

    def rewind(self) -> None:
        """Start at the first call again; what was chosen is kept."""
        self.last = -1
        """The step of the last call."""
        self._is_next_file = False
        self._given = self._missing = self._repeated = 0

    def next_file(self) -> None:
        """Go on to the file of the run after it was resumed, which may go back."""
        self._is_next_file = True

    def define(self, name: str) -> None:
        """Prefer the metric that the script has named for the steps, unless it counts something else, as epochs."""
        if not self._defined and _STEP_WORDS.intersection(re.findall("[a-z]+", name.lower())):
            self._defined = name
            self._choose()

    def see(self, name: str) -> None:
        """Consider a metric."""
        if (plain_name(name) in STEP_NAMES or name == self._defined) and name not in self._found:
            self._found.add(name)
            self._choose()

    def place(self, row: Mapping[str, float], number: int | None) -> int | None:
        """Go to the step of a call, which is `last`, and return the step if the run went back to it, else None.

        Args:
            row: the numbers of the call.
            number: the number that wandb has given it, if it is not in the row.
        """
        value = row.get(self.name)
        if value is None and self.name == CALLS:
            value = number
        if value is None or not 0 <= value <= LARGEST_STEP or value != int(value):
            self._missing += 1
            if value is not None or self._missing > max(_MOST_ALIKE, 3 * self._given):
                self._refuse()
            self.last = max(self.last, 0)
            return None
        step, before = int(value), self.last
        self._given += 1
        self._repeated = self._repeated + 1 if step == before else 0
        goes_back = step < before or (self._is_next_file and step == before)
        if (goes_back and not self._is_next_file) or self._repeated > _MOST_ALIKE:
            # the number of the batch in its epoch, or a setting
            self._refuse()
        self.last, self._is_next_file = step, False
        return step if goes_back else None

    def _refuse(self) -> None:
        if self.name != CALLS:
            self._refused.add(self.name)
            self._choose()

    def _choose(self) -> None:
        usable = self._found - self._refused
        best = self._defined if self._defined in usable else min(usable, key=_rank, default=CALLS)
        if best != self.name and self._changes < _MOST_CHANGES:
            self._changes += 1
            self.name = best
            if self.last >= 0:
                raise OtherStepsError


def _rank(name: str) -> tuple[int, str]:
    plain = plain_name(name)
    return STEP_NAMES.index(plain) if plain in STEP_NAMES else len(STEP_NAMES), name
