"""Makes the small store of each released schema: run once, when a schema is released, and never again.

python tests/store/make_released.py
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from lrtui.run.events import Event, StepDone

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


def released_run(schema: int) -> list[Event]:
    """Return the run that the store of a schema holds: from schema 2 on its steps have metrics."""
    from recorded_runs import recorded_run

    events = recorded_run(120, groups=2, nudge_at=70, outcome="done")
    if schema < 2:
        return events
    return [
        replace(event, metrics={"grad_norm": event.loss / 3} if event.step % 2 else {})
        if isinstance(event, StepDone)
        else event
        for event in events
    ]


def main() -> None:
    from store_runs import store_events

    from lrtui.store.connection import open_for_writing
    from lrtui.store.location import DATABASE
    from lrtui.store.migrations import LATEST

    target = Path(__file__).parent / "released" / f"schema-{LATEST}.db"
    if target.exists():
        sys.exit(f"{target} is there: what was released stays as it is")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store_events(folder, released_run(LATEST))
        connection = open_for_writing(folder)
        connection.execute("PRAGMA journal_mode = DELETE").fetchone()
        connection.close()
        target.parent.mkdir(exist_ok=True)
        shutil.copy(folder / DATABASE, target)


if __name__ == "__main__":
    main()
