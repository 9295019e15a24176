"""The rows of runs, as values."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrtui.run.checkpoint_name import CHECKPOINT_NAME
from lrtui.run.commands import INTERRUPTED
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.run.event_json import spec_from_json
from lrtui.run.events import LIVE, Mode, Status
from lrtui.run.source import LogDescription, RecognizedSeries
from lrtui.run.spec import RunSpec
from lrtui.store.connection import readable_errors
from lrtui.store.liveness import ProcessIdentity, is_alive
from lrtui.store.location import CHECKPOINTS, DATABASE, store_option
from lrtui.store.migrations import has_owners

LAST = "last"
"""Stands for the newest run."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """The row of a run.

    Args:
        id: its number.
        created: seconds since 1970.
        state: the current state; `lost` if its process died without a last event.
        schedule: the current one, filled in; before the run started, that of the settings.
        step: optimizer steps done.
        total_steps: total steps of the whole run; None before it started.
        seconds: training time.
        loss: loss of the last batch, or of the last one with a loss; None if there is none, or it is NaN.
        lr: lr of the last step, of the first parameter group; None before the first step.
        test_loss: loss of the last test; `accuracy` is of the same test.
        parent: id of the run that it branched from.
        first_step: steps done when it started; not 0 for a branch.
        best_loss: lowest finite test loss of a run without accuracy.
        best_metric: the metric that the task names as `best`; None if it names none.
        best_mode: `max` or `min`, whether a high or a low value of it is better.
        best_value: its best finite value; without such a metric, the best accuracy. `best_epoch` is its epoch.
        data: name, source, where, and the number of samples under `train` and `test`.
        versions: versions of Python and packages by name, and digests of the user's files by path.
        command_line: `sys.argv` of its process.
        uid: unique among all stores, and also in the run's checkpoints; empty for a run of an earlier lrtui.
        owner: token of the recording that may write the run; empty for a run of an earlier lrtui.
        output: file with the output of the command that the run is part of, relative to the store's folder; None if
            `lrtui run` did not start it.
        log: the log that the run was imported from; None for a run that lrtui has recorded.
        logged_lrs: the steps at which that log has an lr, for `RecordedCurve.as_logged`; None for every step.
    """

    id: int
    name: str | None
    note: str
    created: float
    spec: RunSpec
    state: Status
    schedule: str
    epoch: int
    step: int
    total_steps: int | None
    seconds: float
    loss: float | None
    lr: float | None
    test_loss: float | None
    accuracy: float | None
    best_accuracy: float | None
    best_epoch: int | None
    best_loss: float | None
    best_metric: str | None
    best_mode: Mode | None
    best_value: float | None
    parent: int | None
    first_step: int
    device: str | None
    data: Mapping[str, str | int]
    versions: Mapping[str, str]
    git_commit: str | None
    command_line: Sequence[str]
    directory: str
    finished: float | None
    error: str | None
    uid: str
    owner: str
    process: ProcessIdentity
    heartbeat: float
    output: str | None
    log: LogDescription | None = None
    logged_lrs: Mapping[str, Any] | None = None

    @property
    def is_live(self) -> bool:
        """Whether the run is still training."""
        return self.state in LIVE

    @property
    def title(self) -> str:
        """The run's number, and its name if it has one."""
        return f"#{self.id} {self.name}" if self.name else f"#{self.id}"


_COLUMNS = (
    "id, name, note, created, spec, state, schedule, epoch, step, total_steps, seconds, loss, test_loss, accuracy, "
    "best_accuracy, best_epoch, parent, first_step, device, data, versions, git_commit, command_line, directory, "
    "finished, error, machine, pid, pid_started, heartbeat, lr, best_loss, uid, owner, resuming, "
    "best_metric, best_mode, best, at"
)


def _runs(connection: sqlite3.Connection) -> str:
    """Return the rows of runs as a table expression, with the lr of the last step and the best results."""
    lr = "(SELECT lr FROM batches WHERE run = runs.id AND NOT superseded ORDER BY seq DESC LIMIT 1) AS lr"
    # a store of an earlier schema in a read-only folder is not migrated
    missing = "" if has_owners(connection) else ", '' AS uid, '' AS owner, 0 AS resuming"
    # a number that is not finite is text in JSON
    best_loss = """
        (SELECT CASE WHEN max(accuracy IS NOT NULL) THEN NULL
            ELSE min(CASE WHEN typeof(loss) IN ('real', 'integer') THEN loss END) END
        FROM evaluations WHERE run = runs.id AND NOT averaged) AS best_loss
    """
    started = "FROM events WHERE run = runs.id AND kind = 'run_started' AND NOT superseded ORDER BY seq DESC LIMIT 1"
    objective = ", ".join(
        f"(SELECT json_extract(body, '$.{name}') {started}) AS best_{key}" for name, key in _OBJECTIVE
    )
    rows = f"SELECT *, {lr}, {best_loss}, {objective}{missing} FROM runs"
    best = ", ".join(f"({_BEST.format(column)}) AS {name}" for column, name in (("value", "best"), ("epoch", "at")))
    return f"(SELECT *, {best} FROM ({rows}) AS with_objective)"


_BEST = """
    SELECT {} FROM (
        SELECT epoch, seq, best_mode AS mode, CASE best_metric WHEN 'loss' THEN loss WHEN 'accuracy' THEN accuracy
            ELSE (SELECT value FROM json_each(metrics) WHERE key = best_metric) END AS value
        FROM evaluations
        WHERE best_metric IS NOT NULL AND run = with_objective.id AND NOT averaged
    )
    WHERE typeof(value) IN ('real', 'integer')
    ORDER BY CASE mode WHEN 'max' THEN -value ELSE value END, seq LIMIT 1
"""
"""A column of the best test of a run whose task names a metric as best."""

_OBJECTIVE = (("best", "metric"), ("mode", "mode"))
"""The fields of RunStarted that say which result is the best, and the names of their columns."""


def all_runs(connection: sqlite3.Connection) -> list[StoredRun]:
    """Return all runs, newest first."""
    with readable_errors(database_path(connection)):
        return [_run(row) for row in connection.execute(f"SELECT {_COLUMNS} FROM {_runs(connection)} ORDER BY id DESC")]


def find_run(connection: sqlite3.Connection, name: str) -> StoredRun:
    """Return a run by its id, with or without #, by its name (the newest of that name), or `last`.

    Raises:
        UsageError: if there is none; names the existing ones.
    """
    number = name.removeprefix("#")
    # an id has at most 64 bits; -1 is no run's
    run = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else -1
    with readable_errors(database_path(connection)):
        if name == LAST:
            condition, values = "1", ()
        elif run >= 0:
            condition, values = "id = ? OR name = ?", (run, name)  # type: ignore[assignment]
        else:
            condition, values = "name = ?", (name,)  # type: ignore[assignment]
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM {_runs(connection)} WHERE {condition} ORDER BY id = ? DESC, id DESC LIMIT 1",
            (*values, run),
        ).fetchall()
        if rows:
            return _run(rows[0])
        known = connection.execute("SELECT id, name FROM runs ORDER BY id DESC LIMIT 8").fetchall()
    if not known:
        raise UsageError("the store has no runs yet")
    newest = ", ".join(f"{each}" + (f" {repr(title)[1:-1]}" if title else "") for each, title in known)
    raise UsageError(f"there is no run {name[:60]!r}; a run is an id, a name or {LAST}; the newest are {newest}")


def reload(
    connection: sqlite3.Connection, run: int, processes: dict[ProcessIdentity, bool] | None = None
) -> StoredRun | None:
    """Return a run as it is now; None if it was deleted.

    Args:
        processes: whether processes of this machine are alive, as far as that was found out before.
    """
    with readable_errors(database_path(connection)):
        row = connection.execute(f"SELECT {_COLUMNS} FROM {_runs(connection)} WHERE id = ?", (run,)).fetchone()
    return None if row is None else _run(row, processes)


def was_interrupted(connection: sqlite3.Connection, run: int) -> bool:
    """Return whether a signal or a closed terminal ended the run, and not the user."""
    with readable_errors(database_path(connection)):
        row = connection.execute(
            "SELECT 1 FROM events WHERE run = ? AND kind = 'notice' AND NOT superseded "
            "AND json_extract(body, '$.code') = ? LIMIT 1",
            (run, INTERRUPTED),
        ).fetchone()
    return row is not None


def stores_event(connection: sqlite3.Connection, run: int, seq: int) -> bool:
    """Return whether the run's event with this seq is stored and not superseded."""
    with readable_errors(database_path(connection)):
        return any(
            connection.execute(
                f"SELECT 1 FROM {table} WHERE run = ? AND seq = ? AND NOT superseded", (run, seq)
            ).fetchone()
            for table in ("batches", "events")
        )


def read_at_once(folder: Path, query: str, values: Sequence[object]) -> list[tuple[Any, ...]] | None:
    """Return the rows of a query; None if the store can't be read without waiting."""
    try:
        uri = f"{(folder / DATABASE).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=0.0)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.Error:
        return None


def refuse_live(run: StoredRun, folder: Path) -> None:
    """Refuse to resume a run that a process is training.

    Args:
        folder: folder of the store.

    Raises:
        UsageError: says which process, and what to do.
    """
    if run.is_live:
        raise UsageError(
            f"{run.title} is {run.state} in process {run.process.pid}. Stop it first: "
            f"lrtui send {run.id} stop{store_option(folder)}"
        )


def checkpoint_folder(folder: Path, run: int) -> Path:
    """Return the folder of a run's checkpoints."""
    return folder / CHECKPOINTS / str(run)


def has_checkpoint(folder: Path, run: int) -> bool:
    """Return whether a run has a checkpoint to be resumed from."""
    # globbing a missing folder finds nothing
    return any(CHECKPOINT_NAME.fullmatch(path.name) for path in checkpoint_folder(folder, run).glob("*.pt"))


def database_path(connection: sqlite3.Connection) -> Path:
    """Return the file of the database."""
    return Path(connection.execute("PRAGMA database_list").fetchone()[2])


def _run(row: Sequence[object], processes: dict[ProcessIdentity, bool] | None = None) -> StoredRun:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    process = ProcessIdentity(*(values.pop(name) for name in ("machine", "pid", "pid_started")))  # type: ignore[arg-type]
    try:
        spec = spec_from_json(json.loads(str(values["spec"])))
    except LrtuiError as error:
        raise LrtuiError(f"the settings of run {values['id']} can't be read: {error}") from None
    state = values["state"]
    is_claimed = bool(values.pop("resuming"))
    if is_claimed or state in LIVE:
        if not is_alive(process, float(values["heartbeat"]), found=processes):  # type: ignore[arg-type]
            state = "lost" if state in LIVE else state
        elif is_claimed:
            state = "waiting"
    data = json.loads(str(values["data"] or "{}"))
    values |= {
        "spec": spec,
        "state": state,
        "schedule": values["schedule"] or spec.schedule,
        # what records or imports a run adds them to the data
        "output": data.pop("output", None),
        "log": _log_of(data.pop("log", None)),
        "logged_lrs": data.pop("logged_lrs", None),
        "data": data,
        "versions": json.loads(str(values["versions"])),
        "command_line": json.loads(str(values["command_line"])),
    }
    best = values["best_accuracy"]
    if not (isinstance(best, (int, float)) and math.isfinite(best)):
        # older versions stored values that are not finite
        values |= {"best_accuracy": None, "best_epoch": None}
    best, epoch = values.pop("best"), values.pop("at")
    if values["best_metric"] is None:
        best, epoch = values["best_accuracy"], values["best_epoch"]
    values |= {"best_value": best, "best_epoch": epoch}
    return StoredRun(process=process, **values)  # type: ignore[arg-type]


def _log_of(values: Mapping[str, Any] | None) -> LogDescription | None:
    if values is None:
        return None
    recognized = tuple(RecognizedSeries(**found) for found in values["recognized"])
    return LogDescription(values["format"], values["path"], recognized, values["settings"])
