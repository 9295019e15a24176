"""The events of an attached run that no store records."""

from __future__ import annotations

from lrtui.attached.attach import DisabledRun
from lrtui.attached.run import AttachedRun
from lrtui.run.events import Event


def see_events(run: AttachedRun | DisabledRun, events: list[Event]) -> AttachedRun:
    """Let the run append its events to a list; return the run."""
    assert isinstance(run, AttachedRun)
    run._publisher.log.is_kept = True
    run._reporter.feed.listener = events.append
    return run
