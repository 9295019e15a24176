"""Races that are not finished."""

from __future__ import annotations

from lrtui.analysis.race.plan import RacePlan
from lrtui.analysis.race.plan_files import PlanFiles
from lrtui.analysis.race.results import open_cells, read_results
from lrtui.run.errors import StoreError


def find_unfinished(files: PlanFiles, plan: RacePlan) -> RacePlan | None:
    """Return the newest race with the same entrants and settings if it is not done, else None.

    Raises:
        StoreError: if the store can't be read.
    """
    for number in reversed(files.numbers()):
        try:
            other = files.load(number)
        except StoreError:
            continue  # a damaged plan is reported when it is used
        if other.is_same_race(plan):
            return other if has_open_runs(files, other) else None
    return None


def has_open_runs(files: PlanFiles, plan: RacePlan) -> bool:
    """Return whether a race has runs that are not done.

    Raises:
        StoreError: if the store can't be read.
    """
    return bool(open_cells(plan, read_results(files.folder, plan)))
