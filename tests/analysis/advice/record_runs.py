"""Trains the runs of known_runs.txt and records their events: `python tests/analysis/advice/record_runs.py [NAME ...]`.

Figures are rounded to the precision that the rules need, so that all recordings take a few hundred kilobytes. With
`--seed N` nothing is recorded: the runs are trained from other weights, and the verdict on the advice is printed.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from advice_verdict import verdict_on
from known_runs import KNOWN_RUNS, KnownRun
from recordings import recording_path
from small_tasks import TASKS
from training_runs import run_events

from lrtui.run.event_json import event_to_json
from lrtui.run.events import Event

DIGITS = {"loss": 4, "accuracy": 5, "seconds": 3, "seconds_taken": 2, "samples_per_second": 3}
"""Significant digits per field; an lr keeps all of them."""


def train_known_run(known: KnownRun, seed: int) -> list[Event]:
    """Return the run's events."""
    return run_events(replace(known.spec, seed=seed), task=TASKS[known.task]())


def record(known: KnownRun, events: Iterable[Event]) -> Path:
    """Write a run's events, one JSON object per line, and return the file."""
    lines = [json.dumps(_rounded(event_to_json(event, exact=True)), separators=(",", ":")) for event in events]
    path = recording_path(known.name)
    # without a date, so that the same run gives the same file
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return path


def _rounded(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.{DIGITS[name]}g}") if name in DIGITS and isinstance(value, float) else value
        for name, value in record.items()
    }


def main() -> None:
    """Record the runs, or print the verdict on runs from other weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="names of runs (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the weights; recordings use 0")
    options = parser.parse_args()
    for known in KNOWN_RUNS:
        if options.names and known.name not in options.names:
            continue
        events = train_known_run(known, options.seed)
        if options.seed == 0:
            path = record(known, events)
            print(f"{path.name}: {len(events):,} events, {path.stat().st_size:,} bytes", flush=True)
        else:
            print(f"{known.name}: {verdict_on(known, events).summary}", flush=True)


if __name__ == "__main__":
    main()
