"""Makes series of the rows of a table of comma-separated values, or with another delimiter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lrtui.run.minmax_pyramid import Floats
from lrtui.sources.log import LogFacts, Points, Restart
from lrtui.sources.text.csv_cells import (
    Header,
    column_numbers,
    find_header,
    header_of,
    is_header_again,
    split_line,
    width,
)
from lrtui.sources.text.line_trouble import LineTrouble
from lrtui.sources.text.table_series import Table, TableSeries


class CsvParser:
    """Makes series of the rows of a table.

    Args:
        path: the file, for messages.
        step: the column of the step, which counts over the whole run; found by its name if empty.
    """

    def __init__(self, path: Path, step: str = "") -> None:
        self._path = path
        self._series = TableSeries(path, step)
        self._lines = LineTrouble(path)
        self._header: Header | None = None
        self._comment: list[str] = []
        self._has_no_header = False

    @property
    def facts(self) -> LogFacts | None:
        """What the rows say about the run."""
        return self._series.facts

    @property
    def trouble(self) -> str:
        """Which rows can't be read."""
        no_header = f"{self._path} can't be read: its first row has no names of columns." if self._has_no_header else ""
        return " ".join(filter(None, (no_header, str(self._lines), self._series.trouble)))

    @property
    def has_steps_of_run(self) -> bool:
        """Whether the lines say at which step of the whole run they are."""
        return self._series.has_steps_of_run

    def add(self, lines: bytes, first_line: int) -> list[Points | Restart] | None:
        """Return the values in rows; None if all rows have to be read again."""
        texts = lines.decode("utf-8", "replace").split("\n")
        texts.pop()
        if self._header is None:
            start = self._find_header(texts)
            texts, first_line = texts[start:], first_line + start
        if self._header is None or not texts:
            return []
        numbers = _all_numbers(texts, self._header)
        if numbers is not None:
            all_rows = np.arange(len(texts))
            names = self._header.names
            columns = {names[place]: (all_rows, numbers[:, place].copy()) for place in self._header.named}
            return self._series.add(len(texts), columns)
        items: list[Points | Restart] = []
        for rows in self._parts(texts, first_line, self._header):
            found = self._series.add(len(rows), self._table(rows)) if rows else self._series.start_again()
            if found is None:
                return None
            items += found
        return items

    def is_complete(self, line: bytes, is_quiet: bool) -> bool:
        """Return whether a last line without a line break is a whole row: its last number might go on."""
        if not is_quiet or self._header is None:
            return False
        cells = split_line(line.decode("utf-8", "replace"), self._header.delimiter)
        return len(cells) == len(self._header.names)

    def forget(self) -> None:
        """Forget all values."""
        self._series.forget()
        self._lines.clear()
        self._header, self._comment, self._has_no_header = None, [], False

    def start(self) -> None:
        """Forget everything."""
        self.forget()
        self._series.start()

    def _find_header(self, texts: Sequence[str]) -> int:
        """Look for the header; return the number of lines before the first row."""
        if self._has_no_header:
            return len(texts)
        lines, before = [*self._comment, *texts], len(self._comment)
        self._header, end = find_header(lines)
        self._has_no_header = self._header is None and end < len(lines)
        if self._header is None:
            self._comment = [text for text in lines if text.startswith("#")][-1:]
        return end - before

    def _parts(self, texts: Sequence[str], first_line: int, header: Header) -> Iterator[Sequence[str]]:
        """Yield rows that have the same header, which is set, and nothing where a header comes again."""
        start = 0
        for index, text in enumerate(texts):
            # most rows start with a digit
            is_header = not text[:1].isdigit() and is_header_again(text, header)
            if not is_header and width(text, header.delimiter) == len(header.names):
                continue
            if start < index:
                yield texts[start:index]
            start = index + 1
            if is_header:
                header = self._header = header_of(text, header.delimiter) or header
                yield []
            elif text.strip() and not text.startswith("#"):
                cells = width(text, header.delimiter)
                self._lines.add(first_line + index, f"it has {cells} cells where the header has {len(header.names)}")
        if start < len(texts):
            yield texts[start:]

    def _table(self, rows: Sequence[str]) -> Table:
        assert self._header is not None
        names, delimiter = self._header.names, self._header.delimiter
        if any('"' in row for row in rows):
            cells = [cell for row in rows for cell in split_line(row, delimiter)]
        else:
            cells = delimiter.join(rows).split(delimiter)
        all_rows = np.arange(len(rows))
        columns = ((names[place], cells[place :: len(names)]) for place in self._header.named)
        return {name: column_numbers(name, column, all_rows, delimiter == ";") for name, column in columns}


def _all_numbers(texts: Sequence[str], header: Header) -> Floats | None:
    """Return the numbers in rows without blanks, text and repeated headers; None for others."""
    if not any(texts):
        return None
    # a third of the time of splitting lines into cells
    try:
        numbers: Floats = np.loadtxt(texts, delimiter=header.delimiter, comments=None, ndmin=2)
    except ValueError:
        return None
    # it leaves blank lines out
    return numbers if numbers.shape == (len(texts), len(header.names)) else None
