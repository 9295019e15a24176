"""The format of lrtui's own exports: `train --json`, and `runs export` as JSON lines or CSV."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lrtui.run.events import EvalDone, RunFinished, RunStarted
from lrtui.run.feed import Feed, FeedItem, Rewritten, StepBlock
from lrtui.sources.log import FoundLog, LogFacts, LogFormat, Points, Restart
from lrtui.sources.text.csv_parser import CsvParser
from lrtui.sources.text.event_lines import EventLines, is_event
from lrtui.sources.text.file_head import MAX_PER_FOLDER, head_lines, remembered
from lrtui.sources.text.json_rows import JSON_ERRORS, is_whole_object, json_object
from lrtui.sources.text.line_tail import LineTail
from lrtui.sources.text.text_reader import TextReader

_JSON_ENDINGS = (".jsonl", ".ndjson", ".json", ".log", ".txt", ".out")
_CSV_ENDING = ".csv"
_LINES_LOOKED_AT = 50
_COLUMNS = ["step", "epoch", "batch", "seconds", "loss"]


class LrtuiExport(LogFormat):
    """Files that lrtui wrote: JSON lines are its events, a table has one row per step."""

    name = "lrtui"

    def find(self, folder: Path, names: Sequence[str]) -> list[FoundLog]:
        """Return the files that start as lrtui writes them."""
        wanted = [name for name in names if name.lower().endswith((*_JSON_ENDINGS, _CSV_ENDING))][:MAX_PER_FOLDER]
        return [log for name in wanted for log in self.find_file(folder / name)]

    def find_file(self, path: Path) -> list[FoundLog]:
        """Return the file if it starts as lrtui writes it."""
        return [FoundLog(self.name, path)] if _is_table(path) or _has_events(path) else []

    def open(self, log: FoundLog) -> TextReader:
        """Return a reader of the values: loss, lr, epoch, metrics, and results as `test/loss` and `test/accuracy`."""
        path = log.path
        if _is_table(path):
            return TextReader(path, ExportedTable(path), lambda: ExportedTable(path))
        # steps follow one another
        return TextReader(path, ExportedEvents(path))

    def feed(self, log: FoundLog) -> Feed | None:
        """Return the events; None for a table, which has none."""
        return None if _is_table(log.path) else ExportFeed(log.path)


@remembered
def _is_table(path: Path) -> bool:
    columns = next(iter(head_lines(path)), "").split(",")
    return columns[: len(_COLUMNS)] == _COLUMNS and columns[len(_COLUMNS) :][:1] in (["lr"], ["lr_0"])


@remembered
def _has_events(path: Path) -> bool:
    for line in head_lines(path)[:_LINES_LOOKED_AT]:
        try:
            record = json_object(line)
        except JSON_ERRORS:
            return False
        if record is not None:
            return is_event(record)
    return False


class ExportFeed:
    """The events in a file, those that are added to it included; used by one thread.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._tail, self._events = LineTail(path), EventLines(path)
        self._waiting: deque[FeedItem] = deque()
        self._has_returned = False

    @property
    def trouble(self) -> str:
        """What can't be read, as a sentence that names the file; empty if everything can."""
        return " ".join(filter(None, (self._tail.trouble, self._events.trouble)))

    def take(self, limit: int) -> list[FeedItem]:
        """Return at most `limit` events and blocks that have not been taken yet, oldest first."""
        has_more = True
        while not self._waiting and has_more:
            block = self._tail.read()
            has_more = block.has_more
            if block.from_start:
                rewritten = self._events.rewritten()
                self._waiting.clear()
                self._waiting.extend([rewritten] if self._has_returned else [])
            self._waiting.extend(self._events.add(block.data, block.first_line))
            if is_whole_object(block.open_line):
                self._tail.take_open()
                last = block.first_line + block.data.count(b"\n")
                self._waiting.extend(self._events.add(block.open_line + b"\n", last))
        self._has_returned |= bool(self._waiting)
        return [self._waiting.popleft() for _ in range(min(limit, len(self._waiting)))]


class ExportedEvents:
    """Makes series of lrtui's events.

    Args:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        self._events = EventLines(path)
        self.facts: LogFacts | None = None

    @property
    def trouble(self) -> str:
        """Which lines are left out."""
        return self._events.trouble

    @property
    def has_steps_of_run(self) -> bool:
        """Whether the lines say at which step of the whole run they are."""
        return True

    def add(self, lines: bytes, first_line: int) -> list[Points | Restart] | None:
        """Return the values in lines; never None."""
        found: list[Points | Restart] = []
        for item in self._events.add(lines, first_line):
            if isinstance(item, StepBlock):
                found += _points_of(item)
            elif isinstance(item, EvalDone):
                found += _results_of(item)
            elif isinstance(item, Rewritten):
                found.append(Restart(item.step))
            elif isinstance(item, RunStarted):
                found += [] if item.resumed_from is None else [Restart(item.resumed_from)]
                self.facts = _facts_of(item)
            elif isinstance(item, RunFinished) and self.facts is not None:
                self.facts = replace(self.facts, is_finished=True)
        return found

    def is_complete(self, line: bytes, is_quiet: bool) -> bool:
        """Return whether a last line without a line break is a whole object."""
        return is_whole_object(line)

    def forget(self) -> None:
        """Forget everything."""
        self._events.forget()
        self.facts = None

    def start(self) -> None:
        """Forget everything."""
        self.forget()


def _points_of(block: StepBlock) -> list[Points]:
    steps = np.arange(block.first_step, block.first_step + len(block))
    names = ["lr"] if len(block.lrs) == 1 else [f"lr_{group}" for group in range(len(block.lrs))]
    columns = {"loss": block.loss, **dict(zip(names, block.lrs, strict=True)), "epoch": block.epochs.astype(np.float64)}
    columns |= {name: values for name, values in block.metrics.items() if name not in columns}
    times = np.full(len(steps), np.nan)
    return [Points(name, steps, values, times) for name, values in columns.items()]


def _results_of(event: EvalDone) -> list[Points]:
    prefix = "averaged" if event.averaged else "test"
    step, time = np.array([event.step]), np.array([np.nan])
    return [Points(f"{prefix}/{name}", step, np.array([value]), time) for name, value in event.all_metrics.items()]


def _facts_of(event: RunStarted) -> LogFacts:
    spec = event.spec
    return LogFacts(
        total_steps=event.total_steps,
        epochs=spec.epochs,
        batches_per_epoch=event.batches_per_epoch,
        name=spec.name,
        settings={"schedule": spec.schedule, "optimizer": spec.optimizer, "task": spec.task, "seed": spec.seed},
        is_finished=None,
    )


class ExportedTable(CsvParser):
    """Makes series of the rows of an exported table.

    Args:
        path: the file, for messages.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, step="step")

    def add(self, lines: bytes, first_line: int) -> list[Points | Restart] | None:
        """Return the values in rows, without the batch and the training time."""
        found = super().add(lines, first_line)
        if found is None:
            return None
        return [item for item in found if isinstance(item, Restart) or item.name not in ("batch", "seconds")]
