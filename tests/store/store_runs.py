"""Stores events as a run of this process would, and reads them back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from waiting import SECONDS

from lrtui.run.commands import Command
from lrtui.run.events import Event
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.store import run_rows
from lrtui.store.connection import open_for_reading
from lrtui.store.recorder import Recorder
from lrtui.store.rows import RowMaker
from lrtui.store.step_rows import BlockSummaries
from lrtui.store.store_feed import StoreFeed
from lrtui.store.writer import Writer


def ignore(_: object) -> None:
    """Take a message or a command, and do nothing."""


def new_recorder(writer: Writer, spec: RunSpec | None = None, receive: Callable[[Command], None] = ignore) -> Recorder:
    """Return the recorder of a new run."""
    run = writer.call(lambda connection: run_rows.insert(connection, spec or RunSpec(), {}))
    recorder = Recorder(run, writer, RowMaker(run, BlockSummaries()), receive)
    writer.add(recorder)
    return recorder


def store_events(folder: Path, events: Iterable[Event], spec: RunSpec | None = None) -> int:
    """Store a whole run; return its id."""
    trouble: list[str] = []
    writer = Writer(folder, trouble.append)
    recorder = new_recorder(writer, spec)
    for event in events:
        recorder.publish(event)
    assert recorder.commit(SECONDS), trouble
    assert writer.close(SECONDS)
    assert not trouble
    return recorder.run


def stored(folder: Path, run: int = 1, in_full: int | None = None) -> RunState:
    """Return the state of a stored run."""
    connection = open_for_reading(folder)
    state = RunState()
    state.fold(StoreFeed(connection, run, in_full).take())
    connection.close()
    return state


def folded(events: Iterable[Event]) -> RunState:
    """Return the fold of the events."""
    state = RunState()
    state.fold(events)
    return state
