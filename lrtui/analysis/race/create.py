"""How a race begins: anew, or where the same one broke off."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace

from lrtui.analysis.race.entrant import Entrant
from lrtui.analysis.race.plan import RacePlan
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.results import open_cells, read_results
from lrtui.run.errors import StoreError
from lrtui.run.spec import RunSpec

DEFAULT_SEEDS = 5


def new_plan(
    entrants: Sequence[Entrant],
    common: RunSpec,
    files: PlanFiles,
    *,
    seeds: int = DEFAULT_SEEDS,
    processes: int = 1,
    stops: bool = True,
    target: float | None = None,
) -> RacePlan:
    """Return the plan of a race that is not written down yet.

    Args:
        entrants: the first is what the others are measured against.
        common: settings of all runs; its seed is the first one.
        files: where it will be kept.
        seeds: how many.
        processes: how many runs go on at once.
        stops: whether the rule takes hopeless entrants out.
        target: that the time is taken to.
    """
    return RacePlan(
        number=0,
        created=time.time(),
        entrants=tuple(entrants),
        seeds=tuple(range(common.seed, common.seed + seeds)),
        # every run has its own of these, and the place is the race's whatever directory it goes on from
        common=replace(common, schedule=RunSpec().schedule, store=str(files.folder)),
        processes=processes,
        threads=threads_for(processes),
        stops=stops,
        target=target,
    )


def broken_off(files: PlanFiles, plan: RacePlan) -> RacePlan | None:
    """Return the newest race of the same words, where it is not over; None where there is none.

    Raises:
        StoreError: where the store can't be read.
    """
    for number in reversed(files.numbers()):
        try:
            other = files.load(number)
        except StoreError:
            continue  # a damaged plan is told when it is asked for
        if other.is_same_race(plan):
            return other if has_more(files, other) else None
    return None


def has_more(files: PlanFiles, plan: RacePlan) -> bool:
    """Say whether a race has runs left that are not done.

    Raises:
        StoreError: where the store can't be read.
    """
    return bool(open_cells(plan, read_results(files.folder, plan)))


def threads_for(processes: int) -> int | None:
    """Return how many threads each of so many processes computes with; None for torch's own choice."""
    return None if processes == 1 else max(1, (os.cpu_count() or 1) // processes)
