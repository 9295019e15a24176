"""Trains the forty runs of known kind and keeps their events: `python tests/analysis/advice/record_runs.py [NAME ...]`.

What is kept is rounded to what the rules can tell apart, so that forty runs take a few hundred kilobytes. With
`--seed N` nothing is kept: the runs are trained from other weights, and what the rules say of them is printed.
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

from advice_verdict import judge
from driving import run_events
from known_runs import KNOWN_RUNS, KnownRun
from recordings import place_of
from small_tasks import TASKS

from lrtui.run.event_json import event_to_json
from lrtui.run.events import Event

DIGITS = {"loss": 4, "accuracy": 5, "seconds": 3, "seconds_taken": 2, "samples_per_second": 3}
"""Significant digits that are kept; of an lr all are."""


def train_known_run(kind: KnownRun, seed: int) -> list[Event]:
    """Return all that the run says."""
    return run_events(replace(kind.spec, seed=seed), task=TASKS[kind.task]())


def keep(kind: KnownRun, events: Iterable[Event]) -> Path:
    """Write a run's events, one JSON object a line."""
    lines = [json.dumps(_rounded(event_to_json(event, exact=True)), separators=(",", ":")) for event in events]
    path = place_of(kind.name)
    # without a date, so that the same run is the same file
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    return path


def _rounded(record: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.{DIGITS[name]}g}") if name in DIGITS and isinstance(value, float) else value
        for name, value in record.items()
    }


def main() -> None:
    """Record, or judge runs from other weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="which runs (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights; what is kept has 0")
    given = parser.parse_args()
    for kind in KNOWN_RUNS:
        if given.names and kind.name not in given.names:
            continue
        events = train_known_run(kind, given.seed)
        if given.seed == 0:
            path = keep(kind, events)
            print(f"{path.name}: {len(events):,} events, {path.stat().st_size:,} bytes", flush=True)
        else:
            print(f"{kind.name}: {judge(kind, events).words}", flush=True)


if __name__ == "__main__":
    main()
