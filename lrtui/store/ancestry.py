"""The runs that a branch goes back to, each up to the checkpoint where the next one began."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from lrtui.run.state import RunState
from lrtui.store.store_feed import StoreFeed

MOST_GENERATIONS = 100
"""That are read: far more than anybody branches."""


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A run that another one goes back to.

    Args:
        number: its id.
        state: as it was when the other one began; of its steps only what they add up to.
    """

    number: int
    state: RunState


def ancestors(connection: sqlite3.Connection, run: int) -> list[Ancestor]:
    """Return the parents of a run, the oldest first; those before one that was deleted are not found.

    Raises:
        sqlite3.Error: where the store can't be read.
    """
    found: list[Ancestor] = []
    while len(found) < MOST_GENERATIONS:
        row = connection.execute("SELECT parent, branched_from FROM runs WHERE id = ?", (run,)).fetchone()
        # a checkpoint's name begins with the number of the last event that was told before it
        told = str(row[1] or "").split("/")[-1].split("-")[0] if row else ""
        if not row or row[0] is None or not told.isdigit():
            break
        run = int(row[0])
        found.append(Ancestor(run, story_of(connection, run, int(told))))
    return found[::-1]


def story_of(connection: sqlite3.Connection, run: int, until: int | None = None) -> RunState:
    """Return what a run's events add up to; of its steps only their sums are read.

    Args:
        until: number of the last event that counts; None for all.

    Raises:
        sqlite3.Error: where the store can't be read.
    """
    state = RunState()
    state.fold(StoreFeed(connection, run, in_full=0, until=until).take())
    return state
