"""The format of Lightning's CSVLogger: a folder with `metrics.csv`, and with `hparams.yaml` for the settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lrtui.sources.log import FoundLog, LogFacts, LogFormat, LogPart
from lrtui.sources.text.csv_cells import header_of
from lrtui.sources.text.csv_parser import CsvParser
from lrtui.sources.text.file_head import head_lines, remembered
from lrtui.sources.text.text_reader import TextReader
from lrtui.sources.text.yaml_scalars import yaml_scalars

METRICS, SETTINGS = "metrics.csv", "hparams.yaml"

STEP = "step"
"""The column of the step, which counts over the whole run."""


class LightningCsv(LogFormat):
    """A run is a folder: its other files, such as those of TensorBoard, are of the same run."""

    name = "lightning_csv"

    def find(self, folder: Path, names: Sequence[str]) -> list[FoundLog]:
        """Return the folder if it has a table as CSVLogger writes it."""
        return [FoundLog(self.name, folder)] if METRICS in names and is_of_lightning(folder / METRICS) else []

    def open(self, log: FoundLog) -> LightningReader:
        """Return a reader of a folder."""
        return LightningReader(log.path)


def is_of_lightning(path: Path) -> bool:
    """Return whether a table is one of CSVLogger: it is called `metrics.csv`, and its columns are in order."""
    return path.name == METRICS and _has_columns_in_order(path)


@remembered
def _has_columns_in_order(path: Path) -> bool:
    header = header_of(next(iter(head_lines(path)), ""), ",")
    return header is not None and STEP in header.names and list(header.names) == sorted(header.names)


class LightningReader(TextReader):
    """Reads the table and the settings of a folder.

    Each series has the steps of the rows that have its value. The table is rewritten when a column appears, and read
    from its start then.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / METRICS
        super().__init__(path, CsvParser(path, step=STEP), lambda: CsvParser(path, step=STEP))
        self._settings_path = folder / SETTINGS
        self._settings_seen: tuple[int, int] | None = None

    def read(self, seconds: float) -> LogPart:
        """Return what has been written since the last call; after about that many seconds, return what there is."""
        part = super().read(seconds)
        try:
            status = os.stat(self._settings_path)
        except OSError:
            return part
        seen = (status.st_size, status.st_mtime_ns)
        if seen == self._settings_seen:
            return part
        self._settings_seen = seen
        settings = yaml_scalars("\n".join(head_lines(self._settings_path)))
        return replace(part, facts=LogFacts(settings=settings))
