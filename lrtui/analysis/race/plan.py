"""What a race is to do, and how far it has come: all that goes on needs beside the runs in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from lrtui.analysis.race.entrant import Entrant
from lrtui.run.event_json import plain, spec_from_json
from lrtui.run.spec import RunSpec
from lrtui.store.liveness import ProcessIdentity

VERSION = 1
"""Of the form that plans are written down in."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a race: an entrant with a seed.

    Args:
        entrant: its index in the plan.
    """

    entrant: int
    seed: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """An entrant that the rule has taken out of the race.

    Args:
        seed: of the run that was stopped.
        epoch: after whose end.
        step: that the run had reached.
        reason: in words.
    """

    seed: int
    epoch: int
    step: int
    reason: str


@dataclass(slots=True)
class RacePlan:
    """A race: every entrant runs with every seed.

    Args:
        number: of the race in its store.
        created: seconds since 1970.
        entrants: in the order they were given; the first is what the others are measured against.
        seeds: of the runs.
        common: the settings that all runs share; schedule, seed and name are each run's own.
        processes: how many runs go on at once; 1 is this process alone.
        threads: that torch computes with in each process; None for its own choice.
        stops: whether the rule takes hopeless entrants out.
        target: that the time is taken to; None for the default one.
        runs: ids of the runs that were begun.
        rulings: by the entrant's index.
        process: that the race goes on in, or went on in last; with the time of its last sign of life.
    """

    number: int
    created: float
    entrants: tuple[Entrant, ...]
    seeds: tuple[int, ...]
    common: RunSpec
    processes: int = 1
    threads: int | None = None
    stops: bool = True
    target: float | None = None
    runs: dict[Cell, int] = field(default_factory=dict)
    rulings: dict[int, Ruling] = field(default_factory=dict)
    process: ProcessIdentity | None = None
    heartbeat: float = 0.0

    @property
    def cells(self) -> list[Cell]:
        """All runs of the race, seed by seed: what has been run can be compared early."""
        return [Cell(entrant, seed) for seed, entrant in product(self.seeds, range(len(self.entrants)))]

    @property
    def title(self) -> str:
        """What the race is called."""
        return f"race {self.number}" + (f" {self.common.name}" if self.common.name else "")

    def spec(self, cell: Cell) -> RunSpec:
        """Return the settings of one of its runs."""
        return self.entrants[cell.entrant].spec(self.common, cell.seed, self.run_name(cell))

    def run_name(self, cell: Cell) -> str:
        """Return what one of its runs is called in the store."""
        return f"{self.title}: {self.entrants[cell.entrant].label} seed {cell.seed}"

    def is_same_race(self, other: RacePlan) -> bool:
        """Say whether the other one was asked for in the same words."""
        asked = ("entrants", "seeds", "common", "processes", "stops", "target")
        return all(getattr(self, name) == getattr(other, name) for name in asked)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        record = {name: getattr(self, name) for name in self.__slots__ if name not in ("runs", "rulings")}
        runs = [{"entrant": cell.entrant, "seed": cell.seed, "run": run} for cell, run in self.runs.items()]
        return {"version": VERSION, **plain(record), "runs": runs, "rulings": plain(self.rulings)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> RacePlan:
        """Return what `to_json` made the record from.

        Raises:
            KeyError, TypeError, ValueError, LrtuiError: for a record that is none.
        """
        if record["version"] != VERSION:
            raise ValueError(f"it is of version {record['version']}, and this lrtui reads {VERSION}")
        values = {name: record[name] for name in cls.__slots__ if name in record}
        process = record["process"]
        return cls(
            **values
            | {
                "entrants": tuple(Entrant.from_json(entrant) for entrant in record["entrants"]),
                "seeds": tuple(record["seeds"]),
                "common": spec_from_json(record["common"]),
                "runs": {Cell(run["entrant"], run["seed"]): run["run"] for run in record["runs"]},
                "rulings": {int(index): Ruling(**ruling) for index, ruling in record["rulings"].items()},
                "process": None if process is None else ProcessIdentity(**process),
            }
        )
