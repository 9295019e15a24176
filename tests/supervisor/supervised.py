"""Commands that a supervisor of this process runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from waiting import SECONDS, wait_for

from lrtui.run.events import Event
from lrtui.run.feed import OutputLines, StepBlock
from lrtui.store.connection import open_for_reading
from lrtui.store.location import DATABASE
from lrtui.store.reader import StoredRun, all_runs
from lrtui.store.source import FeedWithOutput
from lrtui.store.store_feed import StoreFeed
from lrtui.supervisor.command_process import Ended
from lrtui.supervisor.command_run import spec_of
from lrtui.supervisor.supervisor import Supervisor

BARE_PYTHON = (sys.executable, "-I", "-S", "-c")
"""A Python that starts in 15 ms."""


def supervise(
    folder: Path | None, command: Sequence[str], meanwhile: Callable[[Supervisor], object] | None = None
) -> Ended:
    """Run a command to its end.

    Args:
        meanwhile: called in another thread.
    """
    supervisor = Supervisor(command, folder, spec_of(command, None))
    thread = threading.Thread(target=meanwhile, args=(supervisor,)) if meanwhile is not None else None
    if thread is not None:
        thread.start()
    ended = supervisor.supervise()
    if thread is not None:
        thread.join(2 * SECONDS)
    return ended


def stored_runs(folder: Path) -> list[StoredRun]:
    """Return the runs of a store, newest first."""
    if not (folder / DATABASE).exists():
        return []
    connection = open_for_reading(folder)
    try:
        return all_runs(connection)
    finally:
        connection.close()


def items_of(folder: Path, run: int) -> tuple[list[Event], list[StepBlock], list[str]]:
    """Return the events, the steps and the output of a run."""
    connection = open_for_reading(folder)
    try:
        items = FeedWithOutput(StoreFeed(connection, run, in_full=None), folder).take()
    finally:
        connection.close()
    return (
        [item for item in items if isinstance(item, Event)],
        [item for item in items if isinstance(item, StepBlock)],
        [line for item in items if isinstance(item, OutputLines) for line in item.lines],
    )


def wait_for_run(folder: Path, condition: Callable[[StoredRun], bool]) -> StoredRun:
    """Wait until the newest run fulfils a condition, and return it."""
    [run] = wait_for(lambda: [run for run in stored_runs(folder)[:1] if condition(run)], lambda: stored_runs(folder))
    return run
