"""A stored run as the ground that a schedule is laid over: its length, its optimizer, what its tests said."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from lrtui.cli.runs.opened_store import find, folder_of, reading, title_of
from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec, option_words

TOLD_BY_THE_RUN = ("task", "batch_size", "accumulate", "train_samples", "batches_per_epoch")
"""Words that say how long an epoch is."""


@dataclass(frozen=True, slots=True)
class RecordedRun:
    """What a schedule is held against.

    Args:
        title: what the run is called.
        spec: its settings.
        batches_per_epoch: optimizer steps an epoch.
        results: of the tests at its epochs' ends, the first epoch's first.
    """

    title: str
    spec: RunSpec
    batches_per_epoch: int
    results: Sequence[Mapping[str, float]]


def add_run_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the run, and the one that says where it is kept."""
    words = "a stored run (an id, a name, or last): its length, optimizer and test results, in place of other options"
    parser.add_argument("--run", metavar="RUN", help=words)
    parser.add_argument("--store", metavar="DIR", help="where that is kept (default: LRTUI_STORE, or .lrtui here)")


def read_recorded_run(namespace: argparse.Namespace) -> RecordedRun | None:
    """Return the run that the words name; None where they name none.

    Raises:
        UsageError: for a run that is not there or has not started, or words that contradict it.
        StoreError: where the store can't be read.
    """
    if namespace.run is None:
        if namespace.store is not None:
            raise UsageError("--store says where the run of --run is kept; name one")
        return None
    for name in TOLD_BY_THE_RUN:
        if getattr(namespace, name, None) is not None:
            raise UsageError(f"how long an epoch is comes from the run of --run: leave {option_words(name)} out")
    if namespace.metrics is not None:
        raise UsageError("test results come from a run (--run) or a file (--metrics), not from both")
    with reading(folder_of(namespace.store)) as connection:
        run = find(connection, namespace.run)
        # numpy takes 60 ms to import, and help needs none
        from lrtui.schedules.simulate import recorded_results
        from lrtui.store.ancestry import ancestors, story_of

        state = story_of(connection, run.id)
        before = [ancestor.state for ancestor in ancestors(connection, run.id)]
    title, started = f"run {title_of(run)}", state.started
    if started is None:
        raise UsageError(f"{title} has not started: how long its epochs are is not known")
    return RecordedRun(title, started.spec, started.batches_per_epoch, recorded_results([*before, state]))


def settings_of(recorded: RecordedRun) -> dict[str, Any]:
    """Return the run's settings by name, in place of the user's own."""
    return {item.name: getattr(recorded.spec, item.name) for item in fields(RunSpec)}
