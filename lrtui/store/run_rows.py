"""The statements that write a run's rows."""

from __future__ import annotations

import json
import math
import os
import platform
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import metadata
from itertools import chain
from typing import Any, get_args

import numpy as np

from lrtui.run.errors import UsageError
from lrtui.run.event_json import plain
from lrtui.run.events import Outcome
from lrtui.run.minmax_pyramid import BLOCK
from lrtui.run.spec import RunSpec
from lrtui.store.command_files import forget_commands
from lrtui.store.liveness import this_process
from lrtui.store.reader import database_path, refuse_live, reload
from lrtui.store.rows import COLUMNS, RowMaker, Rows
from lrtui.store.step_rows import LR_SERIES, METRIC_SERIES, BlockSummaries
from lrtui.store.store_feed import step_values

GIT_SECONDS = 2.0

GIT_FRESH_SECONDS = 1.0
"""Seconds for which a commit that was found is taken for the current one."""

_git_lock = threading.Lock()
_git_found: dict[str, tuple[str | None, float]] = {}
"""The commit that was found last, and when, by directory."""

ENDED = get_args(Outcome)
"""States of a run that has ended."""


def insert(
    connection: sqlite3.Connection,
    spec: RunSpec,
    files: Mapping[str, str],
    *,
    parent: int | None = None,
    first_step: int = 0,
    branched_from: str | None = None,
    uid: str = "",
    owner: str = "",
) -> int:
    """Add a new run of this process; return its id.

    Args:
        files: digests of the user's files that the run executes, by path.
        parent: id of the run that it branches from.
        first_step: optimizer steps done when it starts.
        branched_from: file name of the parent's checkpoint.
        uid: unique among all stores.
        owner: token of the recording that may write the run.
    """
    process, now = this_process(), time.time()
    cursor = connection.execute(
        """
        INSERT INTO runs (name, created, spec, parent, first_step, branched_from, step, versions, git_commit,
            command_line, directory, machine, pid, pid_started, heartbeat, uid, owner)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        (
            spec.name,
            now,
            json.dumps(plain(spec)),
            parent,
            first_step,
            branched_from,
            first_step,
            json.dumps({**versions(), **files}),
            None,
            json.dumps(sys.argv),
            os.getcwd(),
            process.machine,
            process.pid,
            process.started,
            now,
            uid,
            owner,
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python, lrtui, torch and numpy, without importing them."""
    found = {"python": platform.python_version()}
    for name in ("lrtui", "torch", "numpy"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


def git_commit() -> str | None:
    """Return the working directory's commit, with a + if files differ from it; None outside of a repository.

    Runs that start at the same time share one call of git.
    """
    directory = os.getcwd()
    with _git_lock:
        commit, at = _git_found.get(directory, (None, -math.inf))
        if time.monotonic() - at > GIT_FRESH_SECONDS:
            commit = _described_commit()
            _git_found.clear()
            _git_found[directory] = commit, time.monotonic()
        return commit


def _described_commit() -> str | None:
    command = ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def write(connection: sqlite3.Connection, held: Sequence[Rows]) -> None:
    """Write rows of any number of runs; those of one run are in their order."""
    for table, names in COLUMNS.items():
        places = ", ".join("?" * len(names.split(", ")))
        rows = chain.from_iterable(each.of_table(table) for each in held)
        connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows)
    summaries: dict[int, dict[str, Any]] = {}
    for each in held:
        summary = dict(each.summary)
        for name, value in summary.pop("settings", {}).items():
            connection.execute(
                "UPDATE runs SET spec = json_set(spec, ?, ?) WHERE id = ?", (f"$.{name}", value, each.run)
            )
        if summary.get("state") in ENDED:
            summary["finished"] = time.time()
        summaries.setdefault(each.run, {}).update(summary)
    # one statement for all runs that have the same new values
    by_columns: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for run, summary in summaries.items():
        if summary:
            by_columns.setdefault(tuple(summary), []).append((*summary.values(), run))
    for columns, values in by_columns.items():
        connection.executemany(_update(columns), values)


def update(connection: sqlite3.Connection, run: int, **values: object) -> None:
    """Set columns of a run's row."""
    connection.execute(_update(values), (*values.values(), run))


def _update(columns: Iterable[str]) -> str:
    return f"UPDATE runs SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?"


def write_heartbeats(connection: sqlite3.Connection, runs: Iterable[int]) -> None:
    """Write a heartbeat of runs: their process is alive."""
    connection.execute(
        "UPDATE runs SET heartbeat = ? WHERE id IN (SELECT value FROM json_each(?))", (time.time(), json.dumps([*runs]))
    )


def claim_run(connection: sqlite3.Connection, run: int, seen_owner: str, owner: str) -> dict[str, object]:
    """Make this process the only one that may write a stored run, unless another one has claimed it.

    The stored history stays as it is until `reopen_run`.

    Args:
        seen_owner: the owner when the resume was planned.
        owner: token of the new owner.

    Returns:
        The values that `release_run` restores.

    Raises:
        UsageError: if another process is training the run, or has trained it since the resume was planned.
    """
    stored = reload(connection, run)
    if stored is None:
        raise UsageError(f"run #{run} was deleted")
    refuse_live(stored, database_path(connection).parent)
    if stored.owner != seen_owner:
        raise UsageError(f"{stored.title} was resumed by another process at the same time: try again")
    columns = ("owner", "machine", "pid", "pid_started", "heartbeat")
    # commands sent to the previous process; later ones are for this process
    connection.execute("DELETE FROM inbox WHERE run = ? AND taken IS NULL", (run,))
    forget_commands(database_path(connection).parent, run)
    before = connection.execute(f"SELECT {', '.join(columns)} FROM runs WHERE id = ?", (run,)).fetchone()
    process = this_process()
    update(
        connection,
        run,
        owner=owner,
        resuming=1,
        machine=process.machine,
        pid=process.pid,
        pid_started=process.started,
        heartbeat=time.time(),
    )
    return dict(zip(columns, before, strict=True))


def release_run(connection: sqlite3.Connection, run: int, before: Mapping[str, object]) -> None:
    """Undo a claim, after a resume that was refused."""
    update(connection, run, resuming=0, **before)


def owners_of(connection: sqlite3.Connection, runs: Iterable[int]) -> dict[int, str]:
    """Return the token of each run's owner, by run; a run that was deleted is left out."""
    query = "SELECT id, owner FROM runs WHERE id IN (SELECT value FROM json_each(?))"
    return {run: str(owner) for run, owner in connection.execute(query, (json.dumps([*runs]),))}


def reopen_run(connection: sqlite3.Connection, run: int, step: int, seq: int) -> RowMaker:
    """Mark everything after a checkpoint as superseded, assign the run to this process, and return its row maker.

    Args:
        step: optimizer steps done at the checkpoint.
        seq: sequence number of the last event before the checkpoint.
    """
    following = "run = ? AND seq > ? AND NOT superseded"
    connection.execute(f"UPDATE batches SET superseded = 1 WHERE {following}", (run, seq))
    connection.execute(f"UPDATE events SET superseded = 1 WHERE {following}", (run, seq))
    # a number that is not finite is text in JSON
    best_accuracy, best_epoch = connection.execute(
        """
        SELECT accuracy, epoch FROM evaluations
        WHERE run = ? AND NOT averaged AND typeof(accuracy) IN ('real', 'integer')
        ORDER BY accuracy DESC, seq LIMIT 1
        """,
        (run,),
    ).fetchone() or (None, None)
    (schedule,) = connection.execute(
        """
        SELECT coalesce(json_extract(body, '$.schedule'), json_extract(body, '$.spec.schedule')) FROM events
        WHERE run = ? AND kind IN ('schedule_switched', 'run_started') AND NOT superseded
        ORDER BY kind = 'schedule_switched' DESC, seq DESC LIMIT 1
        """,
        (run,),
    ).fetchone() or (None,)
    process = this_process()
    update(
        connection,
        run,
        state="waiting",
        schedule=schedule,
        resuming=0,
        step=step,
        finished=None,
        error=None,
        best_accuracy=best_accuracy,
        best_epoch=best_epoch,
        machine=process.machine,
        pid=process.pid,
        pid_started=process.started,
        heartbeat=time.time(),
    )
    return RowMaker(run, _reopen_blocks(connection, run, step), best_accuracy)


def _reopen_blocks(connection: sqlite3.Connection, run: int, step: int) -> BlockSummaries:
    """Delete the blocks that reach beyond this step; return summaries that continue with the steps of the open one."""
    (first_step,) = connection.execute("SELECT first_step FROM runs WHERE id = ?", (run,)).fetchone()
    whole = (step - first_step) // BLOCK
    connection.execute("DELETE FROM blocks WHERE run = ? AND block >= ?", (run, whole))
    summaries = BlockSummaries(whole * BLOCK)
    rows = connection.execute(
        """
        SELECT seq, seconds, loss, lr FROM batches
        WHERE run = ? AND step >= ? AND step < ? AND NOT superseded ORDER BY seq
        """,
        (run, first_step + whole * BLOCK, step),
    ).fetchall()
    if not rows:
        return summaries
    places = {seq: place for place, (seq, *_) in enumerate(rows)}
    table = np.array(rows, dtype=np.float64)
    columns = {"seconds": table[:, 1], "loss": table[:, 2], LR_SERIES + "0": table[:, 3]}
    for seq, name, value in step_values(connection, run, min(places), max(places)):
        if seq in places:
            series = METRIC_SERIES + name if isinstance(name, str) else f"{LR_SERIES}{name}"
            column = columns.setdefault(series, np.full(len(rows), np.nan))
            column[places[seq]] = math.nan if value is None else value
    summaries.add(columns, len(rows))
    return summaries


def next_seq(connection: sqlite3.Connection, run: int) -> int:
    """Return the seq of the run's next event."""
    tables = ("batches", "events")
    last = [connection.execute(f"SELECT max(seq) FROM {table} WHERE run = ?", (run,)).fetchone()[0] for table in tables]
    return 1 + max(-1 if seq is None else int(seq) for seq in last)
