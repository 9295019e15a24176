"""The plan of a race: its entrants and seeds, the runs started so far, and the entrants stopped."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from lrtui.distributed.engine_settings import THIS_PROCESS, EngineSettings
from lrtui.run.errors import NotationError, UsageError
from lrtui.run.event_json import plain, spec_from_json
from lrtui.run.spec import RunSpec, named_schedule
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.schedule import check_trainable
from lrtui.store.liveness import ProcessIdentity
from lrtui.text.format import counted, figure

DEFAULT_SEEDS = 5

MAX_RUNS = 10_000
"""Maximum number of runs of a race, since its plan lists every run."""

MAX_PROCESSES = 256
"""Maximum number of runs at the same time; each process takes some 0.5 GB of memory."""

VERSION = 1
"""Version of the JSON format."""

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
            seed: seed for the weights, the data order and dropout.
            name: name of the run.
        """
        return replace(
            common,
            schedule=named_schedule(self.schedule, common.task),
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
        UsageError: for fewer than two entrants, a duplicate, or a schedule that only a script has.
    """
    for entrant in entrants:
        check_trainable(parse_schedule(entrant.schedule))
    if len(entrants) < 2:
        raise UsageError(
            'a race needs at least two schedules: lrtui race "ExponentialLR(gamma=0.1)" "OneCycleLR(max_lr=0.003)"'
        )
    for index, entrant in enumerate(entrants):
        if entrant in entrants[:index]:
            raise UsageError(f"{entrant.label} is given twice; each schedule runs once per seed")


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a race: an entrant with a seed.

    Args:
        entrant: index in the plan.
    """

    entrant: int
    seed: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """The decision to stop an entrant.

    Args:
        seed: seed of the run that was stopped.
        epoch: the epoch after which it was stopped.
        step: the step that the run had reached.
        reason: the reason, as a sentence.
    """

    seed: int
    epoch: int
    step: int
    reason: str


@dataclass(slots=True)
class RacePlan:
    """A race: every entrant runs with every seed.

    Args:
        number: the race's number in its store.
        created: seconds since 1970.
        entrants: the entrants in the given order; the first is the baseline that the others are compared with.
        seeds: seeds of the runs.
        common: settings that all runs share, apart from schedule, seed and name.
        engine: what starts the runs, and how many at a time.
        threads: torch threads of each process of a run; None for torch's default, in this process.
        stops: whether to stop hopeless entrants.
        target: metric value to reach; the race measures how long each run takes. None for the default.
        runs: ids of the runs started so far.
        rulings: decisions to stop, by the entrant's index.
        process: the process that runs the race, or ran it last.
        heartbeat: time of its last sign of life.
    """

    number: int
    created: float
    entrants: tuple[Entrant, ...]
    seeds: tuple[int, ...]
    common: RunSpec
    engine: EngineSettings = THIS_PROCESS
    threads: int | None = None
    stops: bool = True
    target: float | None = None
    runs: dict[Cell, int] = field(default_factory=dict)
    rulings: dict[int, Ruling] = field(default_factory=dict)
    process: ProcessIdentity | None = None
    heartbeat: float = 0.0

    @property
    def cells(self) -> list[Cell]:
        """All runs of the race, seed by seed, so that finished runs can be compared early."""
        return [Cell(entrant, seed) for seed, entrant in product(self.seeds, range(len(self.entrants)))]

    @property
    def title(self) -> str:
        """Number and name of the race."""
        return f"race {self.number}" + (f" {self.common.name}" if self.common.name else "")

    def spec(self, cell: Cell) -> RunSpec:
        """Return the settings of one of its runs."""
        return self.entrants[cell.entrant].spec(self.common, cell.seed, self.run_name(cell))

    def run_name(self, cell: Cell) -> str:
        """Return the name of one of its runs in the store."""
        return f"{self.title}: {self.entrants[cell.entrant].label} seed {cell.seed}"

    def is_same_race(self, other: RacePlan) -> bool:
        """Return whether the other race has the same entrants and settings."""
        compared = ("entrants", "seeds", "common", "engine", "stops", "target")
        return all(getattr(self, name) == getattr(other, name) for name in compared)

    def to_json(self) -> dict[str, Any]:
        """Return the plan as plain JSON values."""
        record = {name: getattr(self, name) for name in self.__slots__ if name not in ("runs", "rulings")}
        runs = [{"entrant": cell.entrant, "seed": cell.seed, "run": run} for cell, run in self.runs.items()]
        return {"version": VERSION, **plain(record), "runs": runs, "rulings": plain(self.rulings)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> RacePlan:
        """Return the plan of a record that `to_json` returned.

        Raises:
            KeyError, TypeError, ValueError, LrtuiError: if the record is not a plan.
        """
        if record["version"] != VERSION:
            raise ValueError(f"it has version {record['version']}; this lrtui reads version {VERSION}")
        values = {name: record[name] for name in cls.__slots__ if name in record}
        process = record["process"]
        # plans of an earlier lrtui have the number of processes of this machine
        engine = record.get("engine", {"jobs": record.get("processes", 1)})
        return cls(
            **values
            | {
                "entrants": tuple(Entrant.from_json(entrant) for entrant in record["entrants"]),
                "seeds": tuple(record["seeds"]),
                "common": spec_from_json(record["common"]),
                "engine": EngineSettings.from_json(engine),
                "runs": {Cell(run["entrant"], run["seed"]): run["run"] for run in record["runs"]},
                "rulings": {int(index): Ruling(**ruling) for index, ruling in record["rulings"].items()},
                "process": None if process is None else ProcessIdentity(**process),
            }
        )


def accuracy_refusal(target: float | None) -> str:
    """Return why a target can't be one of accuracy, which decides the race if the task has it; empty if it can."""
    if target is None or 0 <= target <= 1:
        return ""
    return f"the target {figure(target)} is not an accuracy, which is between 0 and 1 and decides the race of this task"


def new_plan(
    entrants: Sequence[Entrant],
    common: RunSpec,
    folder: Path,
    *,
    seeds: int = DEFAULT_SEEDS,
    engine: EngineSettings = THIS_PROCESS,
    stops: bool = True,
    target: float | None = None,
) -> RacePlan:
    """Return the plan of a new race, not saved yet.

    Args:
        entrants: the entrants; the first is the baseline that the others are compared with.
        common: settings of all runs; its seed is the first one.
        folder: folder of the store that keeps it.
        seeds: number of seeds.
        engine, stops, target: as in `RacePlan`.

    Raises:
        UsageError: for more than MAX_RUNS runs or MAX_PROCESSES at a time, or seeds beyond the largest.
    """
    if seeds * len(entrants) > MAX_RUNS:
        raise UsageError(
            f"{counted(seeds, 'seed')} for {counted(len(entrants), 'schedule')} are too many runs for one race; "
            f"at most {MAX_RUNS:,}"
        )
    if engine.jobs > MAX_PROCESSES:
        raise UsageError(f"{counted(engine.jobs, 'process')} are too many; at most {MAX_PROCESSES}")
    # of another task it is not known before its first test whether it has an accuracy
    if common.task == RunSpec().task and (refusal := accuracy_refusal(target)):
        raise UsageError(refusal)
    # RunSpec raises UsageError if the last seed is too large
    replace(common, seed=common.seed + seeds - 1)
    return RacePlan(
        number=0,
        created=time.time(),
        entrants=tuple(entrants),
        seeds=tuple(range(common.seed, common.seed + seeds)),
        # each run has its own schedule; the store stays the same if the race is resumed from another directory
        common=replace(common, schedule=RunSpec().schedule, store=str(folder)),
        engine=engine,
        threads=engine.threads(common.nproc),
        stops=stops,
        target=target,
    )
