"""Starts the processes of rank_scenarios.py, and reads what they recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from lrtui.run.events import Event
from lrtui.store.connection import open_for_reading
from lrtui.store.reader import all_runs
from lrtui.store.run_export import stored_events

Scenarios = dict[str, dict[str, dict[str, Any]]]


def run_scenarios(names: list[str], folder: Path) -> Scenarios:
    """Return what each rank of each scenario saw, by the scenario's name and the rank.

    Args:
        folder: where they put their files.
    """
    script = Path(__file__).with_name("rank_scenarios.py")
    process = subprocess.run(
        [sys.executable, script, folder, *names],
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=600,
        check=True,
    )
    ended: Scenarios = json.loads(process.stdout)
    failures = [
        (name, rank, seen) for name, ranks in ended.items() for rank, seen in ranks.items() if "failure" in seen
    ]
    assert not failures
    return ended


def events_of(folder: Path) -> list[Event]:
    """The events of the only run of a store."""
    connection = open_for_reading(folder)
    try:
        assert len(all_runs(connection)) == 1
        return list(stored_events(connection, 1))
    finally:
        connection.close()
