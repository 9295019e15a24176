"""Test results for schedules that follow a metric in a preview: from a file, from a recorded run, or none."""

from __future__ import annotations

import csv
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lrtui.cli.recorded_run import RecordedRun, Results
from lrtui.cli.terminal import print_prose
from lrtui.run.errors import UsageError
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import counted

EXPECTED = "expected a number per line, a CSV with a header (loss, accuracy ...), or the output of lrtui train --json"

MAX_BYTES = 100_000_000
"""Maximum size of a file. All events of a run of a million steps take more, but its eval_done lines suffice."""


def results_for(
    schedules: Sequence[Schedule], epochs: int, path: str | None, recorded: RecordedRun | None
) -> dict[str, Results]:
    """Return results by the metric that a schedule follows; print on standard error what is missing.

    Args:
        epochs: epochs of the preview.
        path: path of a file with results, or None.
        recorded: a run with results, or None.

    Raises:
        UsageError: for a file that can't be read, or that no schedule needs.
    """
    results: dict[str, Results] = {}
    for schedule in schedules:
        metric = schedule.metric
        if metric is None:
            continue
        if recorded is not None:
            results[metric], source = recorded.results, recorded.title
        elif path is not None:
            results[metric], source = results.get(metric) or read_results(path, metric), path
        else:
            text = (
                f"follows the test {metric}, which a preview does not have: shown as if the metric always improved; "
                "give --run RUN or --metrics FILE"
            )
            print_prose(f"{schedule}: {text}", sys.stderr)
            continue
        given = len(results[metric])
        if given < epochs:
            text = f"{source} has results for {given:,} of {counted(epochs, 'epoch')}; after them the schedule is held"
            print_prose(f"{schedule}: {text}", sys.stderr)
    if path is not None and not results:
        raise UsageError("--metrics is for schedules that follow a metric, and none of these does")
    return results


def read_results(path: str, metric: str) -> list[dict[str, float]]:
    """Return the test results in a file, one mapping per epoch.

    Args:
        path: a number per line (values of the metric), a CSV whose header names the values, or the JSON lines of a
            run, of which the tests at the end of each epoch are used.
        metric: what the schedule follows.

    Raises:
        UsageError: for a file that can't be read or lacks the metric; names the line.
    """
    try:
        if Path(path).stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} is larger than {MAX_BYTES // 1_000_000} MB")
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise UsageError(f"{path[:200]} can't be read: {error}") from None
    numbered = [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise UsageError(f"{path} is empty; {EXPECTED}")
    first = numbered[0][1]
    if first.startswith("{"):
        results = _results_of_run(path, numbered)
    elif _number(first) is not None:
        results = [{metric: _required_number(path, number, line)} for number, line in numbered]
    else:
        results = _results_of_table(path, lines)
    if not results:
        raise UsageError(f"{path} contains no results; {EXPECTED}")
    for epoch, result in enumerate(results, start=1):
        if metric not in result:
            known = ", ".join(result) or "nothing"
            raise UsageError(f"{path}: the results of epoch {epoch} have no {metric}, only {known}; {EXPECTED}")
    return results


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _required_number(path: str, number: int, text: str) -> float:
    value = _number(text)
    if value is None:
        raise UsageError(f"{path}, line {number}: {text[:40]!r} is not a number")
    return value


def _results_of_table(path: str, lines: Sequence[str]) -> list[dict[str, float]]:
    header = next(iter(lines), "")
    delimiter = max(",;\t", key=header.count)
    reader = csv.DictReader(lines, skipinitialspace=True, delimiter=delimiter)
    names = [name.strip() for name in reader.fieldnames or []]
    if not all(names) or any(_number(name) is not None for name in names) or header.startswith("["):
        raise UsageError(f"{path}, line 1: not a header; {EXPECTED}")
    reader.fieldnames = names
    rows = []
    for row in reader:
        # columns that are not numbers, such as dates, are ignored: no schedule follows them
        values = {name: _number(value) for name, value in row.items() if isinstance(value, str)}
        rows.append({name: value for name, value in values.items() if value is not None})
    return rows


def _results_of_run(path: str, numbered: Iterable[tuple[int, str]]) -> list[dict[str, float]]:
    """Return the last test of each epoch, without tests on demand and those of averaged weights."""
    results: list[dict[str, float]] = []
    on_demand, latest = False, None
    for number, line in numbered:
        try:
            record: Any = json.loads(line)
        except (ValueError, RecursionError):
            raise UsageError(f"{path}, line {number}: not a JSON object; {EXPECTED}") from None
        kind = record.get("event") if isinstance(record, Mapping) else None
        if kind == "evaluation_started":
            on_demand = bool(record.get("command") or record.get("periodic"))
        elif kind == "eval_done" and not record.get("averaged") and not on_demand:
            latest = _values(record)
        elif kind == "epoch_done" and latest is not None:
            results.append(latest)
            latest = None
    if latest is not None:
        results.append(latest)
    if not results:
        raise UsageError(f"{path} contains no test results (eval_done); {EXPECTED}")
    return results


def _values(record: Mapping[str, Any]) -> dict[str, float]:
    metrics = record.get("metrics")
    values = {"loss": record.get("loss", math.nan), "accuracy": record.get("accuracy")}
    if isinstance(metrics, Mapping):
        values |= dict(metrics)
    # null is a value that is not finite, except for the accuracy of a task that has none
    named = {str(name): math.nan if value is None and name != "accuracy" else value for name, value in values.items()}
    return {name: float(value) for name, value in named.items() if isinstance(value, (int, float))}
