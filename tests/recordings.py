"""Reads the recorded runs with known advice, which tests/analysis/advice/record_runs.py trained."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from lrtui.run.event_json import event_from_json
from lrtui.run.events import EpochDone, Event, RunFinished

FOLDER = Path(__file__).parent / "analysis" / "advice" / "recorded"


def recording_path(name: str) -> Path:
    """Return the file of a recording."""
    return FOLDER / f"{name}.jsonl.gz"


def read_recording(name: str, *, epochs: int | None = None) -> list[Event]:
    """Return a recorded run's events.

    Args:
        name: name of the run.
        epochs: number of epochs to return, as if the run were still training; None for the whole run.
    """
    text = gzip.decompress(recording_path(name).read_bytes()).decode()
    events = [event_from_json(json.loads(line)) for line in text.splitlines()]
    if epochs is None:
        return events
    end = next(index for index, event in enumerate(events) if isinstance(event, EpochDone) and event.epoch == epochs)
    return events[: end + 1]


def ending(name: str) -> tuple[list[Event], RunFinished]:
    """Return the events of a recorded run without the last one, and the last one."""
    *events, last = read_recording(name)
    assert isinstance(last, RunFinished)
    return events, last
