"""Logs of JSON lines: one object per line, among other lines or not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lrtui.sources.log import FoundLog, LogFacts, LogFormat, Points, Restart
from lrtui.sources.text.file_head import MAX_PER_FOLDER, head_lines, remembered
from lrtui.sources.text.json_rows import JSON_ERRORS, JsonRows, is_whole_object, json_object, json_objects
from lrtui.sources.text.line_trouble import LineTrouble
from lrtui.sources.text.metric_names import is_of_a_run
from lrtui.sources.text.table_series import TableSeries
from lrtui.sources.text.text_reader import TextReader

_ENDINGS = (".jsonl", ".ndjson", ".json", ".log", ".txt", ".out")


class JsonLines(LogFormat):
    """The format of JSON lines."""

    name = "jsonl"

    def find(self, folder: Path, names: Sequence[str]) -> list[FoundLog]:
        """Return the files whose first lines are objects with values of a training run."""
        wanted = [name for name in names if name.lower().endswith(_ENDINGS)][:MAX_PER_FOLDER]
        return [FoundLog(self.name, folder / name) for name in wanted if _is_log(folder / name)]

    def find_file(self, path: Path) -> list[FoundLog]:
        """Return the file if its first lines are objects with numbers."""
        return [FoundLog(self.name, path)] if _could_be_log(path, is_named=True) else []

    def open(self, log: FoundLog) -> TextReader:
        """Return a reader of one of the logs."""
        return TextReader(log.path, JsonLineParser(log.path), lambda: JsonLineParser(log.path))


@remembered
def _is_log(path: Path) -> bool:
    return _could_be_log(path, is_named=False)


def _could_be_log(path: Path, *, is_named: bool) -> bool:
    lines = head_lines(path)
    records = list[dict[str, Any]]()
    broken = 0
    for line in lines:
        try:
            record = json_object(line)
        except JSON_ERRORS:
            # a file with one object over many lines begins with half an object; a killed writer leaves one further on
            broken += 1
            is_last = line is lines[-1]
            if not records or (2 * broken > len(records) and not is_last):
                return False
            continue
        if record is not None:
            records.append(record)
    # a file with a single object is a configuration or a result
    if path.suffix.lower() == ".json" and len(lines) < 2:
        return False
    rows = JsonRows()
    for record in records:
        if _is_sample(record):
            return False
        rows.add(record)
    names = rows.table()
    return bool(names) if is_named else is_of_a_run(names)


def _is_sample(record: dict[str, Any]) -> bool:
    """Return whether an object is a sample of a data set: it has long text, or lists of text or objects."""
    return any(
        (isinstance(value, str) and len(value) > 1_000)
        or (isinstance(value, list) and any(isinstance(item, str | dict) for item in value[:3]))
        for value in record.values()
    )


class JsonLineParser:
    """Makes series of JSON lines.

    Args:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._series = TableSeries(path)
        self._lines = LineTrouble(path)

    @property
    def facts(self) -> LogFacts | None:
        """What the lines say about the run."""
        return self._series.facts

    @property
    def trouble(self) -> str:
        """Which lines can't be read."""
        return " ".join(filter(None, (str(self._lines), self._series.trouble)))

    @property
    def has_steps_of_run(self) -> bool:
        """Whether the lines say at which step of the whole run they are."""
        return self._series.has_steps_of_run

    def add(self, lines: bytes, first_line: int) -> list[Points | Restart] | None:
        """Return the values in lines; None if all lines have to be read again."""
        rows = JsonRows()
        texts = lines.decode("utf-8", "replace").split("\n")
        texts.pop()
        records = json_objects(texts)
        if records is not None:
            rows.add_all(records)
        else:
            for number, text in enumerate(texts, first_line):
                try:
                    record = json_object(text)
                except JSON_ERRORS as error:
                    self._lines.add(number, f"it is not valid JSON ({_reason(error)})")
                    continue
                if record is not None:
                    rows.add(record)
        return self._series.add(rows.count, rows.table())

    def is_complete(self, line: bytes, is_quiet: bool) -> bool:
        """Return whether a last line without a line break is a whole object."""
        return is_whole_object(line)

    def forget(self) -> None:
        """Forget all values."""
        self._series.forget()
        self._lines.clear()

    def start(self) -> None:
        """Forget everything."""
        self._series.start()
        self._lines.clear()


def _reason(error: Exception) -> str:
    return "nested too deeply" if isinstance(error, RecursionError) else str(error).split(": line")[0]
