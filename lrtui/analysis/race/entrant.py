"""Who takes part in a race: a schedule, and the optimizer that it goes with where that is not the race's own."""

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
    """One of the schedules of a race.

    Args:
        schedule: notation.
        optimizer: notation; None for the race's own.
        at: lines of a script, as `--at` takes them, beside those of the race.
        title: what it is called in place of its notation.
    """

    schedule: str
    optimizer: str | None = None
    at: tuple[str, ...] = ()
    title: str | None = None

    @property
    def label(self) -> str:
        """What it is called in tables and in the names of its runs."""
        if self.title is not None:
            return self.title
        return f"{self.schedule} on {self.optimizer}" if self.optimizer else self.schedule

    def spec(self, common: RunSpec, seed: int, name: str) -> RunSpec:
        """Return the settings of its run with a seed.

        Args:
            common: those that all runs of the race share.
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
        """Return what `plain` made the record from."""
        return cls(record["schedule"], record["optimizer"], tuple(record["at"]), record["title"])


def parse_entrant(text: str) -> Entrant:
    """Return the entrant that the words stand for: `SCHEDULE`, or `SCHEDULE on OPTIMIZER`.

    Raises:
        NotationError: for a schedule or an optimizer that can't be read.
    """
    parts = _ON.split(text, maxsplit=1)
    if len(parts) == 2:
        schedule, optimizer = f"{parts[0]})", parts[1]
        return Entrant(str(parse_schedule(schedule)), str(parse_optimizer(optimizer)))
    try:
        return Entrant(str(parse_schedule(text)))
    except NotationError as error:
        if re.search(r"\)\s+on\b", text):
            raise UsageError(f"after `on` comes an optimizer, such as Adam(lr=0.001), in {text[:80]!r}") from None
        raise error


def check_entrants(entrants: list[Entrant]) -> None:
    """Refuse what is no race.

    Raises:
        UsageError: for fewer than two entrants, or one that is there twice.
    """
    if len(entrants) < 2:
        raise UsageError(
            'a race takes two schedules or more: lrtui race "ExponentialLR(gamma=0.1)" "OneCycleLR(max_lr=0.003)"'
        )
    for index, entrant in enumerate(entrants):
        if entrant in entrants[:index]:
            raise UsageError(f"{entrant.label} is there twice; each schedule races once, with every seed")
