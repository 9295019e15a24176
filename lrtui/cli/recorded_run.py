"""The recorded run that a command looks at: one of a store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from lrtui.cli.stored_runs import find, folder_of, reading, title_of
from lrtui.run.errors import UsageError
from lrtui.run.events import RunStarted
from lrtui.run.spec import RunSpec

if TYPE_CHECKING:
    from lrtui.run.recorded_curve import RecordedCurve
    from lrtui.run.state import RunState

Results = Sequence[Mapping[str, float]]
"""Test results by name, one mapping per epoch."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run that has been recorded.

    Args:
        title: what it is, for messages: `run #3 "baseline"`.
        state: its state.
        started: its first event.
        results: results of the test at the end of each epoch.
        curve: the lrs that it has recorded; None if only its results were read.
        number: its number in the store.
        is_live: whether it is still training.
    """

    title: str
    state: RunState
    started: RunStarted
    results: Results
    curve: RecordedCurve | None
    number: int | None
    is_live: bool

    @property
    def spec(self) -> RunSpec:
        """Its settings."""
        return self.started.spec

    @property
    def settings(self) -> dict[str, Any]:
        """Its settings by name, in place of the user's defaults."""
        return {item.name: getattr(self.spec, item.name) for item in fields(RunSpec)}


def read_recorded_run(run: str, store: str | None, *, with_curve: bool) -> RecordedRun:
    """Return a recorded run.

    Args:
        run: its id or name, or `last`.
        store: store of `--store`.
        with_curve: whether to read the lr of every step, which takes 1 s per million.

    Raises:
        UsageError: for a run that does not exist or has not started.
        StoreError: if the store can't be read.
    """
    with reading(folder_of(store)) as connection:
        stored = find(connection, run)
        # numpy takes 60 ms to import, and --help does not need it
        from lrtui.run.recorded_curve import curve_of_items
        from lrtui.run.state import RunState
        from lrtui.schedules.simulate import recorded_results
        from lrtui.store.store_feed import StoreFeed, ancestors

        state = RunState()
        items = StoreFeed(connection, stored.id, in_full=None if with_curve else 0).take()
        state.fold(items)
        before = [ancestor.state for ancestor in ancestors(connection, stored.id)]
    title = f"run {title_of(stored)}"
    if state.started is None:
        raise UsageError(f"{title} has not started: the length of its epochs is unknown")
    return RecordedRun(
        title=title,
        state=state,
        started=state.started,
        results=recorded_results([*before, state]),
        curve=curve_of_items(state, items, is_over=not stored.is_live) if with_curve else None,
        number=stored.id,
        is_live=stored.is_live,
    )
