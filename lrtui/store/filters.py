"""Filters of a list of runs: `cosine accuracy>0.9 state=done`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lrtui.run.errors import UsageError
from lrtui.run.events import GLYPHS
from lrtui.schedules.arguments import did_you_mean
from lrtui.store.columns import Column, column_named, value_text
from lrtui.store.reader import StoredRun

FORM = "a filter is COLUMN, one of = != > >= < <= ~ (contains), and a value, such as accuracy>0.9; or a plain word"

WORD_COLUMNS = ("id", "name", "note", "state", "schedule", "optimizer", "task")
"""Columns that a plain word is looked for in."""

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}

SIGNS = "=!<>~"

_START = re.compile(r"(?:^|(?<=\s))(?P<name>[A-Za-z_-]+)\s*(?P<sign>>=|<=|!=|==|=|>|<|~)\s*")
_QUOTED = re.compile(r'(?<=[=<>~])(\s*)"([^"]*)"')
_BRACKETS = re.compile(r"[(\[{][^()\[\]{}]*[)\]}]")


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one column.

    Args:
        sign: a comparison, or `~` for contains.
        value: a number, a moment in seconds since 1970, or text.
    """

    column: Column
    sign: str
    value: Any

    def matches_run(self, run: StoredRun) -> bool:
        """Return whether the run meets the filter; a run without the value only meets `!=`."""
        return self.matches_value(self.column.value(run))

    def matches(self, value_of: Callable[[str], object]) -> bool:
        """Return whether a run meets the filter, given a function that returns the run's value of a column."""
        return self.matches_value(value_of(self.column.name))

    def matches_value(self, found: Any) -> bool:
        """Return whether a value of the column meets the filter."""
        # NaN counts as no value: neither a comparison nor its opposite holds
        if found is None or found != found:
            return self.sign == "!="
        if self.sign == "~":
            return str(self.value).lower() in value_text(self.column, found).lower()
        if self.column.kind == "text":
            found = value_text(self.column, found)
        return ORDERS[self.sign](found, self.value)


@dataclass(frozen=True, slots=True)
class WordFilter:
    """The condition that a text column contains a word."""

    word: str

    def matches_run(self, run: StoredRun) -> bool:
        """Return whether the run meets the filter."""
        return self.matches(lambda name: column_named(name).value(run))

    def matches(self, value_of: Callable[[str], object]) -> bool:
        """Return whether a run meets the filter, given a function that returns the run's value of a column."""
        values = (value_of(name) for name in WORD_COLUMNS)
        return any(value is not None and self.word.lower() in str(value).lower() for value in values)


def read_filters(texts: Sequence[str]) -> list[Filter | WordFilter]:
    """Return the filters; one argument can hold several, separated by spaces, and a filter can span several.

    Words before the first column are looked for in the columns with text.

    Raises:
        UsageError: for an unknown column, or a value that the column can't have.
    """
    text = " ".join(texts).strip()
    # spaces in quotes and brackets separate nothing: schedule~StepLR(step_size=3, gamma=0.5)
    masked = _QUOTED.sub(lambda match: f'{match[1]}"{"·" * len(match[2])}"', text)
    while match := _BRACKETS.search(masked):
        masked = masked[: match.start()] + "·" * len(match[0]) + masked[match.end() :]
    starts = list(_START.finditer(masked))
    words = text[: starts[0].start() if starts else len(text)].split()
    if wrong := next((word for word in words if word[0] in SIGNS), None):
        raise UsageError(f"{wrong[:60]!r} is not a filter; {FORM}")
    ends = [*(start.start() for start in starts[1:]), len(text)]
    conditions = [
        _filter(start["name"], start["sign"], text[start.end() : end].strip())
        # without a filter there is one end, and no start
        for start, end in zip(starts, ends, strict=False)
    ]
    return [*map(WordFilter, words), *conditions]


def _filter(name: str, sign: str, text: str) -> Filter:
    column = column_named(name)
    sign = "=" if sign == "==" else sign
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    elif not text:
        raise UsageError(f"{name}{sign} has no value; {FORM}")
    if sign == "~":
        return Filter(column, sign, text)
    if column.kind == "number":
        return Filter(column, sign, _number(column, text))
    if column.kind == "moment":
        return Filter(column, sign, _moment(column, text))
    if sign not in ("=", "!="):
        raise UsageError(f"{column.name} is text; compare it with =, != or ~, not {sign}")
    if column.name == "state" and text not in GLYPHS:
        raise UsageError(f"unknown state {text[:40]!r}{did_you_mean(text, GLYPHS)}")
    return Filter(column, sign, text)


def _number(column: Column, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value:
        raise UsageError(f"{column.name} takes a number, not {text[:40]!r}")
    return value


def _moment(column: Column, text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"{column.name} takes a date, such as 2026-11-25 or 2026-11-25T08:00, not {text[:40]!r}"
        ) from None
