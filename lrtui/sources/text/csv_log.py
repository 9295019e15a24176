"""Logs of comma-separated values, or with another delimiter: a header, and one row per step or epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lrtui.sources.log import FoundLog, LogFormat
from lrtui.sources.text.csv_cells import find_header, number_of, split_line
from lrtui.sources.text.csv_parser import CsvParser
from lrtui.sources.text.file_head import MAX_PER_FOLDER, head_lines, remembered
from lrtui.sources.text.lightning_csv import is_of_lightning
from lrtui.sources.text.metric_names import is_of_a_run
from lrtui.sources.text.text_reader import TextReader

_ENDINGS = (".csv", ".tsv")
_ROWS_LOOKED_AT = 20


class CsvLogs(LogFormat):
    """The format of tables with a header."""

    name = "csv"

    def find(self, folder: Path, names: Sequence[str]) -> list[FoundLog]:
        """Return the tables whose columns are values of a training run."""
        wanted = [name for name in names if name.lower().endswith(_ENDINGS)][:MAX_PER_FOLDER]
        paths = (folder / name for name in wanted)
        return [FoundLog(self.name, path) for path in paths if _is_log(path)]

    def find_file(self, path: Path) -> list[FoundLog]:
        """Return the file if it has a header and numbers."""
        return [FoundLog(self.name, path)] if _could_be_log(path, is_named=True) else []

    def open(self, log: FoundLog) -> TextReader:
        """Return a reader of one of the logs."""
        return TextReader(log.path, CsvParser(log.path), lambda: CsvParser(log.path))


@remembered
def _is_log(path: Path) -> bool:
    return _could_be_log(path, is_named=False)


def _could_be_log(path: Path, *, is_named: bool) -> bool:
    if is_of_lightning(path):
        # its run is the folder
        return False
    lines = head_lines(path)
    header, rest = find_header(lines)
    if header is None or (not is_named and not is_of_a_run(header.names)):
        return False
    rows = [split_line(line, header.delimiter) for line in lines[rest : rest + _ROWS_LOOKED_AT]]
    rows = [[cell for cell in row if cell.strip()] for row in rows if len(row) == len(header.names)]
    cells = [cell for row in rows for cell in row]
    numbers = sum(number_of(cell.replace(",", ".")) is not None for cell in cells)
    if is_named:
        return numbers > 0
    # a log that has just begun has a header only
    return numbers * 2 >= len(cells) if rows else rest == len(lines)
