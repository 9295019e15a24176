"""Whether a stored run takes commands, and why not."""

from __future__ import annotations

import sqlite3

from lrtui.store.reader import StoredRun, reload
from lrtui.text.format import printable


class Presence:
    """Whether a run still takes commands, looked at again and again while somebody waits for its answer."""

    def __init__(self, run_id: int) -> None:
        self.reason: str | None = None
        """Why it takes none any more."""
        self._run_id = run_id

    def reason_it_left(self, connection: sqlite3.Connection) -> str | None:
        """Return why the run takes no commands any more, at the second look that finds it so."""
        before, self.reason = self.reason, why_not(reload(connection, self._run_id), self._run_id)
        # the run's end and its last answers are written at once, maybe between a look for the answer and this one
        return self.reason if before is not None else None


def why_not(run: StoredRun | None, run_id: int) -> str | None:
    """Return why the run takes no commands and what can be done; None where it does."""
    if run is None:
        return f"run #{run_id} was deleted"
    if run.is_live:
        return None
    title = printable(run.title)
    match run.state:
        case "done":
            return f"{title} is done and takes no commands; lrtui resume {run_id} --epochs N makes it longer"
        case "lost":
            return f"{title} is lost: its process died; lrtui resume {run_id} goes on from its last checkpoint"
    return f"{title} is {run.state} and takes no commands; lrtui resume {run_id} goes on from its last checkpoint"
