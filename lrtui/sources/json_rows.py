"""Lines of JSON objects as rows of numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from lrtui.run.minmax_pyramid import Floats
from lrtui.sources.metric_names import PHASE_NAMES, TEST_PHASES, TIME_NAMES, plain_name
from lrtui.sources.table_series import Table

MAX_DEPTH = 8
"""Levels of nested objects that are read."""

_LONGEST_LIST = 64
_MOST_NAMES = 10_000
"""Names in a block of lines; a file with more has names without end."""

JSON_ERRORS = (ValueError, RecursionError)
"""What parsing raises for text that is no JSON."""


def json_object(line: str) -> dict[str, Any] | None:
    """Return the object at the end of a line, which may have a time or a level before it; None for other lines.

    Raises:
        ValueError: if the line starts as an object but is none.
        RecursionError: if it is nested too deeply.
    """
    start = line.find("{")
    if start < 0:
        return None
    is_after_text = bool(line[:start].strip())
    text = line[start:].strip()
    if is_after_text and not text.endswith("}"):
        return None
    try:
        value = json.loads(text)
    except JSON_ERRORS:
        if is_after_text:
            return None
        raise
    return value if isinstance(value, dict) else None


def is_whole_object(line: bytes) -> bool:
    """Return whether a line without a line break is a whole JSON object."""
    if not line.rstrip().endswith(b"}"):
        return False
    try:
        return json_object(line.decode("utf-8", "replace")) is not None
    except JSON_ERRORS:
        return False


class JsonRows:
    """Collects the numbers in objects by name; the names of nested objects are joined with "/"."""

    def __init__(self) -> None:
        self.count = 0
        self._columns: dict[str, tuple[list[int], list[float]]] = {}

    def add_all(self, records: list[dict[str, Any]]) -> None:
        """Add objects as the next rows."""
        columns = _same_columns(records) if not self._columns else None
        if columns is not None:
            self._columns, self.count = columns, len(records)
            return
        for record in records:
            self.add(record)

    def add(self, record: Mapping[str, Any]) -> None:
        """Add an object as the next row; one without a number is left out."""
        columns, count = self._columns, self.count
        phase = _test_phase(record)
        is_row = False
        for name, value in _numbers(record, "", 0):
            if phase:
                # MMCV writes the number of test batches as "iter"
                if name == "iter" and "mode" in record:
                    continue
                name = _in_phase(phase, name)
            column = columns.get(name)
            if column is None:
                if len(columns) >= _MOST_NAMES:
                    continue
                column = columns[name] = ([], [])
            is_row = True
            if column[0] and column[0][-1] == count:
                column[1][-1] = value
            else:
                column[0].append(count)
                column[1].append(value)
        self.count += is_row

    def table(self) -> Table:
        """Return the columns."""
        return {
            name: (np.array(rows, dtype=np.int64), _floats(values)) for name, (rows, values) in self._columns.items()
        }


def _same_columns(records: list[dict[str, Any]]) -> dict[str, tuple[list[int], list[float]]] | None:
    """Return the columns of objects that all have the same names and nothing but numbers; None for others."""
    # a third of the time of adding them one by one
    keys = records[0].keys() if records else {}
    if not keys or len(keys) > _MOST_NAMES or any(record.keys() != keys for record in records):
        return None
    all_rows = list(range(len(records)))
    columns = {key: (all_rows, [record[key] for record in records]) for key in keys}
    has_others = any(not set(map(type, values)) <= {float, int} for _, values in columns.values())
    return None if has_others else columns


def _numbers(record: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, float]]:
    """Yield the numbers in an object; true, false and text are none."""
    for key, value in record.items():
        kind = type(value)
        if kind is float or kind is int:
            yield prefix + key, value
        elif kind is dict:
            if depth < MAX_DEPTH:
                yield from _numbers(value, f"{prefix}{key}/", depth + 1)
        elif kind is list:
            yield from _lrs(prefix + key, value)
        elif kind is str:
            number = _number_in(key, value, record)
            if number is not None:
                yield prefix + key, number


def _lrs(name: str, values: list[Any]) -> Iterator[tuple[str, float]]:
    """Yield the lrs of parameter groups, which scripts write as a list."""
    is_lr = {"lr", "lrs", "rate"} & set(re.findall(r"[a-z]+", name[-100:].lower()))
    if not is_lr or len(values) > _LONGEST_LIST:
        return
    for index, value in enumerate(values):
        if type(value) in (float, int):
            yield (name if len(values) == 1 else f"{name}/{index}"), value


def _number_in(key: str, text: str, record: Mapping[str, Any]) -> float | None:
    """Return the number that a text stands for: a time, or any number in a line of fairseq; None for other text."""
    if len(text) > 40:
        return None
    if plain_name(key[:100]) in TIME_NAMES:
        return seconds_of(text)
    if not any(name.endswith("num_updates") and type(value) is str for name, value in record.items()):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def seconds_of(text: str) -> float | None:
    """Return the seconds since 1970 of a time as ISO 8601 writes it; None for other text."""
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def _test_phase(record: Mapping[str, Any]) -> str:
    """Return the phase that a line is about if it is a test; empty otherwise."""
    for key in PHASE_NAMES:
        phase = record.get(key)
        if type(phase) is str and phase.lower() in TEST_PHASES:
            return phase.lower()
    return ""


def _in_phase(phase: str, name: str) -> str:
    """Return a name of a value that tells it from the same one of training."""
    words = re.findall(r"[a-z]+", plain_name(name[:200]))
    is_common = {"lr", "epoch", "step", "steps", "iter", "iteration", "time", "timestamp"} & set(words)
    return name if is_common or set(words) & set(TEST_PHASES) else f"{phase}/{name}"


def _floats(values: list[float]) -> Floats:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:
        return np.array([_as_float(value) for value in values])


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        # JSON has integers of any length
        return float("inf") if value > 0 else float("-inf")
