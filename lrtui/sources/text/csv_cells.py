"""Cells of delimited text: the header of a table, and columns of cells as numbers."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrtui.run.minmax_pyramid import Floats
from lrtui.sources.named_series import MOST_SERIES
from lrtui.sources.text.json_rows import seconds_of
from lrtui.sources.text.metric_names import TIME_NAMES, is_of_a_run, plain_name
from lrtui.sources.text.row_steps import Rows

MAX_COLUMNS = 2 * MOST_SERIES
"""Columns that are read: series, and columns of text or without values."""

_DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Header:
    """The names of the columns of a table.

    Args:
        line: the line.
        names: the name of each column, no two of them equal; empty for a column without a name.
        delimiter: what separates cells.
    """

    line: str
    names: tuple[str, ...]
    delimiter: str

    @property
    def named(self) -> list[int]:
        """The places of the columns that are read: those with a name, as far as a run can have so many series."""
        return [place for place, name in enumerate(self.names) if name][:MAX_COLUMNS]


def header_of(line: str, delimiter: str = "") -> Header | None:
    """Return what a line says if it is a header: names of which none is a number; None for other lines.

    Args:
        line: the line; it may start with "#".
        delimiter: what separates cells; found by itself if empty.
    """
    text = line.lstrip("# \t\ufeff") if line.lstrip().startswith("#") else line.lstrip("\ufeff")
    options = [delimiter] if delimiter else sorted(_DELIMITERS, key=lambda sign: -len(split_line(text, sign)))
    cells = split_line(text, options[0])
    names = [cell.strip() for cell in cells]
    if not any(names) or any(number_of(name) is not None for name in names):
        return None
    seen: dict[str, int] = {}
    for place, name in enumerate(names):
        seen[name] = seen.get(name, -1) + 1
        if name and seen[name]:
            # as pandas names it
            names[place] = f"{name}.{seen[name]}"
    return Header(line, tuple(names), options[0])


def find_header(lines: Sequence[str]) -> tuple[Header | None, int]:
    """Return the header of a table, and how many lines end with it; None if the first row is none."""
    comment = None
    for index, line in enumerate(lines):
        if line.lstrip().startswith("#"):
            comment = line
        elif line.strip():
            header = header_of(line)
            if header is not None:
                return header, index + 1
            header = header_of(comment) if comment is not None else None
            # a comment is a header if it has as many names as the first row has cells
            is_above = header is not None and len(split_line(line, header.delimiter)) == len(header.names)
            return (header, index) if is_above else (None, index)
    return None, len(lines)


def split_line(line: str, delimiter: str) -> list[str]:
    """Return the cells of a line, which may be quoted."""
    if '"' not in line:
        return line.split(delimiter)
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def number_of(cell: str) -> float | None:
    """Return the number in a cell; None for blanks and text."""
    try:
        return float(cell)
    except ValueError:
        return None


def width(line: str, delimiter: str) -> int:
    """Return the number of cells in a line."""
    return line.count(delimiter) + 1 if '"' not in line else len(split_line(line, delimiter))


def is_header_again(line: str, header: Header) -> bool:
    """Return whether a line is the header of a table once more, or another one: names of values in place of numbers."""
    if line == header.line:
        return True
    first = line.lstrip()[:1]
    if not first or first in "+-.#" or line.startswith(header.delimiter):
        return False
    cells = split_line(line, header.delimiter)
    return all(number_of(cell) is None for cell in cells) and is_of_a_run(cells)


def column_numbers(name: str, cells: Sequence[str], all_rows: Rows, has_comma: bool) -> tuple[Rows, Floats]:
    """Return the rows that have a number, and these numbers.

    Args:
        name: name of the column; that of a time may have dates.
        cells: one per row.
        all_rows: the numbers of all rows.
        has_comma: whether numbers may have a decimal comma.
    """
    if has_comma:
        cells = [cell.replace(",", ".") for cell in cells]
    try:
        return all_rows, np.array(list(map(float, cells)))
    except ValueError:
        pass
    try:
        # most cells of a sparse table are blank
        return all_rows[np.array(list(map(bool, cells)))], np.array([float(cell) for cell in cells if cell])
    except ValueError:
        pass
    convert = _date_or_number if plain_name(name) in TIME_NAMES else number_of
    values = [convert(cell) for cell in cells]
    has_value = np.array([value is not None for value in values], dtype=bool)
    return all_rows[has_value], np.array([value for value in values if value is not None], dtype=np.float64)


def _date_or_number(cell: str) -> float | None:
    number = number_of(cell)
    return seconds_of(cell) if number is None else number
