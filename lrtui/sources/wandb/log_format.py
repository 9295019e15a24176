"""The format of Weights & Biases: the `.wandb` file of each run, which is written online and offline."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

from lrtui.sources.log import FoundLog, LogFacts, LogFormat, LogPart
from lrtui.sources.logged_values import LoggedValues
from lrtui.sources.protobuf_wire import MalformedError
from lrtui.sources.text.metric_names import TOTAL_EPOCHS_NAMES
from lrtui.sources.wandb.logged_steps import CALLS, OtherStepsError, WandbSteps
from lrtui.sources.wandb.messages import (
    CONFIG,
    EXIT,
    HISTORY,
    METRIC,
    RUN,
    Item,
    items,
    read_metric,
    read_run,
    record_kind,
    step_number,
)
from lrtui.sources.wandb.records import WandbRecords
from lrtui.sources.wandb.run_folders import run_files, run_path
from lrtui.text.format import counted

_QUOTED = {b'"NaN"': nan, b'"Infinity"': inf, b'"-Infinity"': -inf}
_MOST_SETTINGS = 1_000
_MOST_NAMES = 10_000
_EPOCHS_NAMES = ("epochs", *TOTAL_EPOCHS_NAMES)
"""Settings that give the length of the run; those in steps may count others than the calls of `log`."""
_MOST_EPOCHS = 10_000_000
_LONGEST_TEXT = 1_000
_LONGEST_SETTING = 64 << 10


class WandbFile(LogFormat):
    """A run is a `.wandb` file, or several of the same id if it was resumed."""

    name = "wandb"

    def find(self, folder: Path, names: Sequence[str]) -> Sequence[FoundLog]:
        """Return the runs whose files are in a folder."""
        paths = [run_path(folder, name) for name in names if name.endswith(".wandb")]
        # the copy of the output and the files of other writers in a run's folder are no runs of their own
        return [FoundLog(self.name, path, owns_folders=path.suffix != ".wandb") for path in paths]

    def open(self, log: FoundLog) -> WandbReader:
        """Return a reader of the run."""
        return WandbReader(log.path)


class WandbReader:
    """Reads the files of a run one after the other, then what is added to them.

    Args:
        path: its file, or the folder with its first file.
    """

    def __init__(self, path: Path) -> None:
        self.trouble = ""
        self._path = path
        self._files = [WandbRecords(file) for file in run_files(path)]
        self._steps = WandbSteps()
        self._has_returned = False
        self._facts: LogFacts | None = None
        self._forget()

    def _forget(self) -> None:
        self._values = LoggedValues()
        self._names: dict[tuple[bytes, ...], str] = {}
        self._current = 0
        """Place of the file that is read."""
        self._steps.rewind()
        self._malformed = 0
        self._settings: dict[str, Any] = {}
        self._read_facts = LogFacts()

    def has_news(self) -> bool:
        """Return whether a file has grown, or the run has been resumed into another one."""
        return any(file.has_news() for file in self._files) or len(run_files(self._path)) > len(self._files)

    def read(self, seconds: float) -> LogPart:
        """Return the values of new records."""
        deadline = time.monotonic() + seconds
        known = {file.path for file in self._files}
        self._files += [WandbRecords(path) for path in run_files(self._path) if path not in known]
        from_start, has_more = False, True
        while has_more:
            block = self._files[self._current].read()
            try:
                if block.from_start:
                    self._steps = WandbSteps()
                    raise OtherStepsError
                for record in block.records:
                    self._take(record)
                has_more = block.has_more or self._open_next()
            except OtherStepsError:
                from_start |= self._start_again()
            if time.monotonic() > deadline:
                break
        found = self._values.take()
        self._has_returned |= bool(found)
        self.trouble = self._describe_trouble()
        return LogPart(found, self._changed_facts(), from_start=from_start, has_more=has_more)

    def sample(self) -> LogPart | None:
        """Return None: which series has the steps is known only from the start on."""
        return None

    def close(self) -> None:
        """Do nothing: files are open only while they are read."""

    def _open_next(self) -> bool:
        """Go on to the next file; return whether there is one."""
        if self._current + 1 >= len(self._files):
            return False
        self._current += 1
        self._steps.next_file()
        return True

    def _start_again(self) -> bool:
        """Read all files again; return whether values of them have been returned."""
        self._forget()
        for file in self._files:
            file.read_again()
        has_returned, self._has_returned = self._has_returned, False
        return has_returned

    def _take(self, record: bytes) -> None:
        try:
            kind, start, stop = record_kind(record)
            if kind == HISTORY:
                self._take_row(record, start, stop)
            elif kind == CONFIG:
                self._take_settings(list(items(record, start, stop)))
            elif kind == RUN:
                run = read_run(record, start, stop)
                # a resumed run goes on
                self._read_facts = replace(self._read_facts, name=run.name[:_LONGEST_TEXT] or None, is_finished=None)
                self._take_settings(run.config)
            elif kind == EXIT:
                self._read_facts = replace(self._read_facts, is_finished=True)
            elif kind == METRIC:
                self._steps.define(read_metric(record, start, stop))
        except MalformedError:
            self._malformed += 1

    def _take_row(self, record: bytes, start: int, stop: int) -> None:
        row: dict[str, float] = {}
        objects: list[str] = []
        for keys, text in items(record, start, stop):
            name = self._names.get(keys) or self._named(keys)
            value = _number(text)
            if value is not None:
                row[name] = value
            elif keys[-1:] == (b"_type",):
                objects.append(name[: -len("_type")])
        if not row:
            return
        if objects:
            # numbers in images, tables and histograms are no metrics
            row = {name: value for name, value in row.items() if not name.startswith(tuple(objects))}
        number = None if CALLS in row else step_number(record, start, stop)
        if (back_to := self._steps.place(row, number)) is not None:
            self._values.restart(back_to)
        written_at = row.get("_timestamp", nan)
        for name, value in row.items():
            if not name.startswith("_") and name != self._steps.name:
                self._values.add(name, self._steps.last, value, written_at)

    def _named(self, keys: tuple[bytes, ...]) -> str:
        """Return the name of a series that is new in this pass."""
        name = ".".join(key.decode("utf-8", "replace") for key in keys)
        if len(self._names) < _MOST_NAMES and len(name) <= _LONGEST_TEXT:
            self._names[keys] = name
        self._steps.see(name)
        return name

    def _take_settings(self, config: list[Item]) -> None:
        for keys, text in config:
            name = ".".join(key.decode("utf-8", "replace") for key in keys)
            if keys[:1] == (b"_wandb",) or len(text) > _LONGEST_SETTING:
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                continue
            # sweeps of old versions wrap each value
            if isinstance(value, dict) and set(value) <= {"value", "desc"} and "value" in value:
                value = value["value"]
            self._add_setting(name, value)
        epochs = next((self._settings[name] for name in _EPOCHS_NAMES if name in self._settings), None)
        is_count = isinstance(epochs, int | float) and 0 < epochs < _MOST_EPOCHS and epochs == int(epochs)
        self._read_facts = replace(
            self._read_facts, settings=dict(self._settings), epochs=int(epochs) if is_count and epochs else None
        )

    def _add_setting(self, name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                self._add_setting(f"{name}.{key}", inner)
        elif value is not None and (len(self._settings) < _MOST_SETTINGS or name in self._settings):
            short = name[:_LONGEST_TEXT]
            if isinstance(value, list):
                value = json.dumps(value)
            self._settings[short] = value[:_LONGEST_TEXT] if isinstance(value, str) else value

    def _changed_facts(self) -> LogFacts | None:
        if self._read_facts == self._facts:
            return None
        self._facts = self._read_facts
        return self._facts

    def _describe_trouble(self) -> str:
        found = [file.trouble for file in self._files if file.trouble]
        if self._malformed:
            found.append(f"{self._files[0].path}: {counted(self._malformed, 'record')} left out, unreadable.")
        if self._values.trouble:
            found.append(f"{self._files[0].path}: {self._values.trouble}")
        return " ".join(found)


def _number(text: bytes) -> float | None:
    """Return a JSON number, or None; wandb has written NaN with and without quotes."""
    try:
        return float(text)
    except ValueError:
        return _QUOTED.get(text)
