"""Test results from a file, for schedules that follow them."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lrtui.run.errors import UsageError

FORMS = "expected a number a line, a CSV with a header (loss, accuracy ...), or what lrtui train --json printed"

LARGEST = 100_000_000
"""Bytes; a run of a million steps as JSON has more, and has to be reduced to its eval_done lines first."""


def read_results(path: str, metric: str) -> list[dict[str, float]]:
    """Return the test results of each epoch by name, the first epoch's first.

    Args:
        path: a number a line (each is taken for the metric), a CSV whose header names the figures, or the JSON lines
            of a recorded run: of these the tests at the end of each epoch.
        metric: what the schedule follows.

    Raises:
        UsageError: for a file that can't be read or does not have the metric; names the line.
    """
    try:
        if Path(path).stat().st_size > LARGEST:
            raise UsageError(f"{path} is larger than {LARGEST // 1_000_000} MB")
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{path[:200]} can't be read: {error}") from None
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise UsageError(f"{path} is empty; {FORMS}")
    first = numbered[0][1]
    if first.startswith("{"):
        results = _of_run(path, numbered)
    elif _number(first) is not None:
        results = [{metric: _number_or_refuse(path, number, line)} for number, line in numbered]
    else:
        results = _of_table(path, lines)
    if not results:
        raise UsageError(f"{path} has no results in it; {FORMS}")
    for row, result in enumerate(results, start=1):
        if metric not in result:
            known = ", ".join(result) or "nothing"
            raise UsageError(f"{path}: the results of epoch {row} have no {metric}, only {known}; {FORMS}")
    return results


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _number_or_refuse(path: str, number: int, text: str) -> float:
    value = _number(text)
    if value is None:
        raise UsageError(f"{path}, line {number}: {text[:40]!r} is no number")
    return value


def _of_table(path: str, lines: Sequence[str]) -> list[dict[str, float]]:
    header = next(iter(lines), "")
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(lines, skipinitialspace=True, delimiter=delimiter)
    names = [name.strip() for name in reader.fieldnames or []]
    if not all(names) or any(_number(name) is not None for name in names) or header.startswith("["):
        raise UsageError(f"{path}, line 1: this is no header; {FORMS}")
    reader.fieldnames = names
    rows = []
    for row in reader:
        # what is no number, such as a date, is no figure that a schedule could follow
        figures = {name: _number(value) for name, value in row.items() if isinstance(value, str)}
        rows.append({name: value for name, value in figures.items() if value is not None})
    return rows


def _of_run(path: str, numbered: Iterable[tuple[int, str]]) -> list[dict[str, float]]:
    """Return the result that each epoch ended with: the last test before the epoch is done, of the model itself."""
    results: list[dict[str, float]] = []
    on_demand, latest = False, None
    for number, line in numbered:
        try:
            record: Any = json.loads(line)
        except (ValueError, RecursionError):
            raise UsageError(f"{path}, line {number}: this is no JSON object; {FORMS}") from None
        kind = record.get("event") if isinstance(record, Mapping) else None
        if kind == "evaluation_started":
            on_demand = bool(record.get("command"))
        elif kind == "eval_done" and not record.get("averaged") and not on_demand:
            latest = _figures(record)
        elif kind == "epoch_done" and latest is not None:
            results.append(latest)
            latest = None
    if latest is not None:
        results.append(latest)
    if not results:
        raise UsageError(f"{path} has no test results (eval_done) in it; {FORMS}")
    return results


def _figures(record: Mapping[str, Any]) -> dict[str, float]:
    metrics = record.get("metrics")
    figures = {"loss": record.get("loss", math.nan), "accuracy": record.get("accuracy")}
    if isinstance(metrics, Mapping):
        figures |= dict(metrics)
    named = {str(name): math.nan if value is None and name != "accuracy" else value for name, value in figures.items()}
    return {name: float(value) for name, value in named.items() if isinstance(value, (int, float))}
