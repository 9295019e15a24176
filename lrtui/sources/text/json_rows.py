"""Lines of JSON objects as rows of numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import numpy as np

from lrtui.run.minmax_pyramid import Floats
from lrtui.sources.text.metric_names import PHASE_NAMES, TEST_PHASES, TIME_NAMES, plain_name
from lrtui.sources.text.printed_dict import printed_dict
from lrtui.sources.text.row_steps import Rows
from lrtui.sources.text.table_series import Table

MAX_DEPTH = 8
"""Levels of nested objects that are read."""

_LONGEST_LIST = 64
_MOST_NAMES = 10_000
"""Names in a block of lines; a file with more has names without end."""

_SETTINGS = frozenset({"config", "args", "hparams", "hyperparameters", "env_info"})
"""Nested objects that have settings, not values; RLlib writes them in every line."""

JSON_ERRORS = (ValueError, RecursionError)
"""What parsing raises for text that is no JSON."""


def json_object(line: str) -> dict[str, Any] | None:
    """Return the object at the end of a line, which may have a time or a level before it; None for other lines.

    A dict that Python printed is an object, too.

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
        value = printed_dict(text) if text[1:2] == "'" and text.endswith("}") else None
        if value is not None or is_after_text:
            return value
        raise
    return value if isinstance(value, dict) else None


def json_objects(texts: list[str]) -> list[dict[str, Any]] | None:
    """Return the objects of lines that are all objects; None if they have to be read one by one."""
    # parsing many lines at once takes half the time
    try:
        records = json.loads(f"[{','.join(texts)}]")
    except JSON_ERRORS:
        return None
    is_sound = len(records) == len(texts) and all(type(record) is dict for record in records)
    return records if is_sound else None


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
        """Number of rows."""
        self._columns: dict[str, tuple[list[int], list[float]]] = {}
        self._parts: dict[str, list[tuple[list[int], list[float]]]] = {}

    def add_all(self, records: list[dict[str, Any]]) -> None:
        """Add objects as the next rows."""
        start = self.count
        alike: dict[tuple[str, ...], list[int]] = {}
        for row, record in enumerate(records, start):
            alike.setdefault(tuple(record), []).append(row)
        others: list[int] = []
        for names, rows in alike.items():
            # a third of the time of adding them one by one
            if len(rows) == 1 or not self._add_alike(names, rows, [records[row - start] for row in rows]):
                others += rows
        for row in sorted(others):
            self.count = row
            self.add(records[row - start])
        self.count = start + len(records)

    def add(self, record: Mapping[str, Any]) -> None:
        """Add an object as the next row."""
        columns, count = self._columns, self.count
        phase = _test_phase(record)
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
            if column[0] and column[0][-1] == count:
                column[1][-1] = value
            else:
                column[0].append(count)
                column[1].append(value)
        self.count += 1

    def table(self) -> Table:
        """Return the columns."""
        for name, column in self._columns.items():
            self._parts.setdefault(name, []).append(column)
        self._columns = {}
        return {name: _joined(parts) for name, parts in self._parts.items()}

    def _add_alike(self, names: tuple[str, ...], rows: list[int], records: list[dict[str, Any]]) -> bool:
        """Add objects that have the same names, if they have nothing but numbers; return whether they have."""
        columns = [[record[name] for record in records] for name in names]
        if len(names) > _MOST_NAMES or any(not set(map(type, values)) <= {float, int} for values in columns):
            return False
        for name, values in zip(names, columns, strict=True):
            self._parts.setdefault(name, []).append((rows, values))
        return True


def _joined(parts: list[tuple[list[int], list[float]]]) -> tuple[Rows, Floats]:
    """Return the rows that have a number, in order, and these numbers."""
    rows = np.array([row for rows, _ in parts for row in rows] if len(parts) > 1 else parts[0][0], dtype=np.int64)
    values = np.concatenate([_floats(values) for _, values in parts])
    if len(parts) > 1:
        order = np.argsort(rows, kind="stable")
        rows, values = rows[order], values[order]
    return rows, values


def _numbers(record: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, float]]:
    """Yield the numbers in an object; true, false and text are none."""
    for key, value in record.items():
        kind = type(value)
        if kind is float or kind is int:
            yield prefix + key, value
        elif kind is dict:
            if depth < MAX_DEPTH and key not in _SETTINGS:
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
