"""What a stored run said, read at once: for pages in words, and as JSON."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from lrtui.run.evaluations import epoch_means
from lrtui.run.event_json import event_to_json, plain
from lrtui.run.events import Event, Notice
from lrtui.run.state import RunState
from lrtui.store.columns import ListedRun, record_of
from lrtui.store.reader import StoredRun
from lrtui.store.store_feed import StoreFeed


@dataclass(frozen=True, slots=True)
class RunStory:
    """What a run said.

    Args:
        state: what that adds up to.
        notices: of at least warning level, in their order.
        branches: ids of the runs that branched from it.
    """

    state: RunState
    notices: tuple[Notice, ...]
    branches: tuple[int, ...]


def read_story(connection: sqlite3.Connection, run: StoredRun) -> RunStory:
    """Return what the run said up to now.

    Raises:
        sqlite3.Error: where the store can't be read.
    """
    story = StoreFeed(connection, run.id).take()
    state = RunState()
    state.fold(story)
    # a state's log is cut at its beginning; the story is not
    notices = tuple(part for part in story if isinstance(part, Notice) and part.level != "info")
    branches = connection.execute("SELECT id FROM runs WHERE parent = ? ORDER BY id", (run.id,)).fetchall()
    return RunStory(state, notices, tuple(run_id for (run_id,) in branches))


def story_record(listed: ListedRun, story: RunStory) -> dict[str, Any]:
    """Return all of it as plain JSON values: what the list has, and beyond that what the run said."""
    state = story.state
    started = state.started
    return {
        **record_of(listed),
        "branches": list(story.branches),
        "groups": list(started.group_names) if started else [],
        "parameter_count": started.parameter_count if started else None,
        "batches_per_epoch": started.batches_per_epoch if started else None,
        "best": _event_or_none(state.best),
        "last": _event_or_none(state.last_test),
        "averaged": _event_or_none(state.last_averaged),
        "lr_of_epochs": [{"epoch": done.epoch, "lrs": plain(done.lrs)} for done in state.epochs],
        "step_metrics_of_epochs": {
            name: [{"epoch": epoch, "mean": mean} for epoch, mean in epoch_means(state, name).items()]
            for name in sorted(state.metrics)
        },
        "evaluations": [event_to_json(result) for result in state.evaluations],
        "changes": [event_to_json(change) for change in state.changes],
        "refusals": [event_to_json(refusal) for refusal in state.refusals],
        "notices": [event_to_json(notice) for notice in story.notices],
    }


def _event_or_none(event: Event | None) -> dict[str, Any] | None:
    return None if event is None else event_to_json(event)
