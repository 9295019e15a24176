"""An entrant of a race: a schedule, and its optimizer if that differs from the race's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lrtui.run.errors import NotationError, UsageError
from lrtui.run.spec import RunSpec
from lrtui.schedules.notation import parse_optimizer, parse_schedule

_ON = re.compile(r"\)\s+on\s+(?=[A-Za-z_])")


@dataclass(frozen=True, slots=True)
class Entrant:
    """One schedule of a race.

    Args:
        schedule: notation.
        optimizer: notation; None for the optimizer of the race.
        at: `--at` commands in addition to those of the race.
        title: name to show instead of the notation.
    """

    schedule: str
    optimizer: str | None = None
    at: tuple[str, ...] = ()
    title: str | None = None

    @property
    def label(self) -> str:
        """Its name in tables, also part of the names of its runs."""
        if self.title is not None:
            return self.title
        return f"{self.schedule} on {self.optimizer}" if self.optimizer else self.schedule

    def spec(self, common: RunSpec, seed: int, name: str) -> RunSpec:
        """Return the settings of its run with a seed.

        Args:
            common: settings that all runs of the race share.
            seed: of weights, data order and dropout.
            name: of the run.
        """
        return replace(
            common,
            schedule=self.schedule,
            optimizer=self.optimizer or common.optimizer,
            seed=seed,
            name=name,
            at=(*common.at, *self.at),
        )

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Entrant:
        """Return the entrant of a JSON record."""
        return cls(record["schedule"], record["optimizer"], tuple(record["at"]), record["title"])


def parse_entrant(text: str) -> Entrant:
    """Return the entrant that the text describes: `SCHEDULE`, or `SCHEDULE on OPTIMIZER`.

    Raises:
        NotationError: if the schedule or the optimizer can't be parsed.
        UsageError: if `on` is followed by no optimizer.
    """
    parts = _ON.split(text, maxsplit=1)
    if len(parts) == 2:
        schedule, optimizer = f"{parts[0]})", parts[1]
        return Entrant(str(parse_schedule(schedule)), str(parse_optimizer(optimizer)))
    try:
        return Entrant(str(parse_schedule(text)))
    except NotationError as error:
        if re.search(r"\)\s+on\b", text):
            raise UsageError(f"expected an optimizer after `on`, such as Adam(lr=0.001), in {text[:80]!r}") from None
        raise error


def check_entrants(entrants: list[Entrant]) -> None:
    """Check the entrants of a race.

    Raises:
        UsageError: for fewer than two entrants, or a duplicate.
    """
    if len(entrants) < 2:
        raise UsageError(
            'a race needs at least two schedules: lrtui race "ExponentialLR(gamma=0.1)" "OneCycleLR(max_lr=0.003)"'
        )
    for index, entrant in enumerate(entrants):
        if entrant in entrants[:index]:
            raise UsageError(f"{entrant.label} is given twice; each schedule runs once per seed")
