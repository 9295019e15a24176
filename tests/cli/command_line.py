"""Runs commands on a store and records runs in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from recorded_runs import recorded_run
from store_runs import store_events

from lrtui.__main__ import main
from lrtui.run.events import EvalDone, Event, RunStarted
from lrtui.run.spec import RunSpec
from lrtui.store import run_rows
from lrtui.store.connection import transaction


@dataclass(frozen=True)
class Answer:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


class CommandLine:
    """Runs commands on a store."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def __call__(self, *arguments: str) -> Answer:
        self._capsys.readouterr()
        status = main([*arguments, "--store", str(self.folder)])
        printed = self._capsys.readouterr()
        return Answer(status, printed.out, printed.err)

    def record(self, steps: int = 100, *, name: str | None = None, edit: Any = None, **settings: Any) -> int:
        """Record a run of two epochs or more; return its id.

        Args:
            edit: returns the event to store in place of each event.
            settings: settings of the run, or of `recorded_run`.
        """
        of_recording = {
            key: settings.pop(key) for key in ("switch_at", "nudge_at", "outcome", "groups") if key in settings
        }
        spec = RunSpec(name=name, **settings)
        events = recorded_run(steps, spec.epochs, **of_recording)
        events = [replace(event, spec=spec) if isinstance(event, RunStarted) else event for event in events]
        run = store_events(self.folder, map(edit, events) if edit else events, spec)
        if "outcome" not in of_recording:
            self.mark_lost(run)
        return run

    def mark_lost(self, run: int) -> None:
        """Make the run's process a dead one, instead of this process."""
        with transaction(self.folder) as connection:
            connection.execute("UPDATE runs SET pid_started = 'never' WHERE id = ?", (run,))

    def branch(self, parent: int, file: str, step: int = 50) -> int:
        """Record a run that branched from another's checkpoint; return its id."""
        with transaction(self.folder) as connection:
            run = run_rows.insert(connection, RunSpec(), {}, parent=parent, first_step=step, branched_from=file)
            # done: as this process is alive, so the run would be
            connection.execute("UPDATE runs SET state = 'done' WHERE id = ?", (run,))
        return run


def without_accuracy(event: Event) -> Event:
    """Replace the accuracy of a result by a metric of the task."""
    if isinstance(event, EvalDone):
        return replace(event, accuracy=None, metrics={"mae": event.loss / 2})
    return event
