"""The recorded run that a command looks at: one of a store, or the log of another program."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrtui.cli.stored_runs import find, folder_of, reading, title_of
from lrtui.run.errors import StoreError, UsageError
from lrtui.run.events import RunStarted
from lrtui.run.spec import RunSpec
from lrtui.text.format import counted, printable

if TYPE_CHECKING:
    from lrtui.run.feed import FeedItem
    from lrtui.run.recorded_curve import RecordedCurve
    from lrtui.run.state import RunState

Results = Sequence[Mapping[str, float]]
"""Test results by name, one mapping per epoch."""

MAX_NAMED = 8
"""Maximum number of logs that a message names."""

AT_ONCE = 1_000_000
"""Steps of a log that are taken at once."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """A run that has been recorded.

    Args:
        title: what it is, for messages: `run #3 "baseline"`, `runs/exp1`.
        state: its state.
        started: its first event.
        results: results of the test at the end of each epoch.
        curve: the lrs that it has recorded; None if only its results were read.
        number: its number in the store; None for a log.
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
        run: its id or name, or `last`; or the path of a log.
        store: store of `--store`.
        with_curve: whether to read the lr of every step of a stored run, which takes 1 s per million.

    Raises:
        UsageError: for a run that does not exist or has not started.
        StoreError: if the store can't be read.
    """
    try:
        # the name of an imported run looks like a path
        return _read_stored(run, store, with_curve=with_curve)
    except (StoreError, UsageError) as error:
        if not os.path.exists(run):
            kind = UsageError if os.sep in run else type(error)
            raise kind(f"{error}; as the path of a log, {printable(run)} does not exist") from None
    return _read_log(Path(run))


def _read_stored(run: str, store: str | None, *, with_curve: bool) -> RecordedRun:
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
        curve = curve_of_items(state, items, is_over=not stored.is_live) if with_curve else None
        if curve is not None and stored.logged_lrs is not None:
            curve = curve.as_logged(stored.logged_lrs)
    title = f"run {title_of(stored)}"
    if state.started is None:
        raise UsageError(f"{title} has not started: the length of its epochs is unknown")
    return RecordedRun(
        title=title,
        state=state,
        started=state.started,
        results=recorded_results([*before, state]),
        curve=curve,
        number=stored.id,
        is_live=stored.is_live,
    )


def _read_log(path: Path) -> RecordedRun:
    """Return the run of the only log at a path; imports no torch."""
    # takes 0.1 s with numpy
    from lrtui.run.recorded_curve import curve_of_items
    from lrtui.run.state import RunState
    from lrtui.schedules.simulate import recorded_results
    from lrtui.sources.log_curve import curve_of_log
    from lrtui.sources.log_feed import LogFeed
    from lrtui.sources.source import open_logs

    name = printable(str(path))
    (source,) = open_logs([path])
    try:
        runs = source.runs()
        while not runs and not source.is_read:
            runs = source.runs()
        keys = [str(run.id.key) for run in runs]
        if len(keys) != 1:
            shown = ", ".join(printable(key) for key in sorted(keys)[:MAX_NAMED])
            more = f" and {len(keys) - MAX_NAMED} more" if len(keys) > MAX_NAMED else ""
            what = (
                f"{counted(len(keys), 'log')}, name one of them: {shown}{more}"
                if keys
                else "no log that lrtui can read"
            )
            raise UsageError(f"{name} holds {what}{f' ({source.trouble})' if source.trouble else ''}")
        # the values of a log without a feed are not kept
        feed = source.feed(keys[0])
        (summary,) = source.read_all()
        state = RunState()
        items: list[FeedItem] = []
        while new := feed.take(AT_ONCE):
            state.fold(new)
            items += new
        if state.started is None:
            raise UsageError(f"{name} has no values yet{f': {source.trouble}' if source.trouble else ''}")
        is_over = not summary.is_live
        if isinstance(feed, LogFeed):
            curve = curve_of_log(source.log(keys[0]), state.total_steps, is_over=is_over)
        else:
            curve = curve_of_items(state, items, is_over=is_over)
    finally:
        source.close()
    return RecordedRun(
        title=name,
        state=state,
        started=state.started,
        results=recorded_results([state]),
        curve=curve,
        number=None,
        is_live=not is_over,
    )
