"""The columns of a list of runs: what lists show, sort by, filter by and print as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

from lrtui.run.errors import UsageError
from lrtui.run.event_json import plain
from lrtui.run.spec import RunSpec, is_number
from lrtui.schedules.arguments import did_you_mean
from lrtui.store.reader import StoredRun

Kind = Literal["number", "text", "moment"]


@dataclass(frozen=True, slots=True)
class Column:
    """One value of each run.

    Args:
        name: its name, as in JSON, filters and `--sort`.
        kind: how it is compared; a moment is seconds since 1970.
        value: returns None for a run without it.
    """

    name: str
    kind: Kind
    value: Callable[[StoredRun], Any]


def epochs_of(run: StoredRun) -> int | None:
    """Return how many epochs the run has; None if that is not known yet, or the script of the run does not say it."""
    is_unknown = run.spec.epochs_follow or (run.spec.is_attached and run.total_steps is None)
    return None if is_unknown else run.spec.epochs


def epochs_done(run: StoredRun) -> int:
    """Return how many epochs the run has completed."""
    if not run.total_steps:
        if not run.spec.is_attached or run.epoch is None:
            return 0
        # the epoch of the last step is not over yet
        return run.epoch - 1 if run.is_live else run.epoch
    if run.total_steps % run.spec.epochs:
        # the last epoch is a part of one, and the length of the others is not stored
        return run.spec.epochs if run.step >= run.total_steps else max(0, (run.epoch or 1) - 1)
    return run.step // max(1, run.total_steps // run.spec.epochs)


def _of_run(name: str, kind: Kind = "number") -> Column:
    return Column(name, kind, lambda run: getattr(run, name))


def _of_spec(name: str, kind: Kind) -> Column:
    def value(run: StoredRun) -> Any:
        if run.spec.is_attached and name == "epochs":
            return epochs_of(run)
        return getattr(run.spec, name) if name in run.spec.known else None

    return Column(name, kind, value)


def _columns() -> dict[str, Column]:
    columns = [
        # the order of the first ones is a contract: other programs read them from the JSON
        _of_run("id"),
        _of_run("name", "text"),
        _of_run("state", "text"),
        _of_run("schedule", "text"),
        _of_spec("epochs", "number"),
        _of_run("step"),
        _of_run("best_accuracy"),
        _of_run("parent"),
        _of_run("best_epoch"),
        _of_run("accuracy"),
        _of_run("test_loss"),
        _of_run("loss"),
        _of_run("lr"),
        _of_run("best_loss"),
        _of_run("best_metric", "text"),
        _of_run("best_mode", "text"),
        _of_run("best_value"),
        Column("epochs_done", "number", epochs_done),
        _of_run("total_steps"),
        _of_run("first_step"),
        _of_run("seconds"),
        _of_run("created", "moment"),
        _of_run("finished", "moment"),
        Column("device", "text", lambda run: run.device or (None if run.spec.is_attached else run.spec.device)),
        Column("data", "text", lambda run: run.data or None),
        _of_run("versions", "text"),
        _of_run("git_commit", "text"),
        _of_run("command_line", "text"),
        _of_run("directory", "text"),
        _of_run("note", "text"),
        _of_run("error", "text"),
        _of_run("output", "text"),
        Column("log", "text", lambda run: None if run.log is None else plain(run.log)),
    ]
    known = {column.name: column for column in columns}
    for item in fields(RunSpec):
        if item.name not in known:
            known[item.name] = _of_spec(item.name, "number" if is_number(item) else "text")
    return known


COLUMNS = _columns()

ALIASES = {"best": "best_value", "time": "seconds", "done": "epochs_done"}
"""Short names of columns, as in the headings of the list."""


def column_named(text: str) -> Column:
    """Return the column.

    Raises:
        UsageError: for an unknown one; lists the known ones, and the nearest.
    """
    name = text.lower().replace("-", "_")
    name = ALIASES.get(name, name)
    if name in COLUMNS:
        return COLUMNS[name]
    known = [*COLUMNS, *ALIASES]
    # the hint may be the list of all names already
    hint, every = did_you_mean(name, known), f"available: {', '.join(known)}"
    raise UsageError(f"unknown column {text[:60]!r}{hint}" + ("" if every in hint else f" {every.capitalize()}"))


def values_of(run: StoredRun) -> dict[str, Any]:
    """Return all columns, by name."""
    return {name: column.value(run) for name, column in COLUMNS.items()}


def record_of(run: StoredRun) -> dict[str, Any]:
    """Return all columns as JSON values; non-finite numbers are None."""
    return {name: plain(column.value(run)) for name, column in COLUMNS.items()}


def value_text(column: Column, value: Any) -> str:
    """Return a column's value as one line of text."""
    if column.kind == "moment":
        return datetime.fromtimestamp(value).isoformat(" ", "seconds")
    if isinstance(value, (list, tuple)):
        return ("; " if column.name == "at" else " ").join(map(str, value))
    return ", ".join(f"{key} {item}" for key, item in value.items()) if isinstance(value, dict) else str(value)
