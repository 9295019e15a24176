"""Reading text logs: new lines go to a parser, which returns series."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from lrtui.sources.log import LogFacts, LogPart, Points, Restart
from lrtui.sources.text.line_sample import sample_lines
from lrtui.sources.text.line_tail import LineBlock, LineTail


class LineParser(Protocol):
    """Makes series of lines; used by one thread. The result does not depend on how the lines are split into blocks."""

    @property
    def facts(self) -> LogFacts | None:
        """What the lines say about the run; None if nothing."""
        ...

    @property
    def trouble(self) -> str:
        """Which lines can't be read; empty if all can."""
        ...

    @property
    def has_steps_of_run(self) -> bool:
        """Whether the lines say at which step of the whole run they are."""
        ...

    def add(self, lines: bytes, first_line: int) -> list[Points | Restart] | None:
        """Return the values in these lines; None if all lines have to be read again, as they are of another form.

        Args:
            lines: complete lines, each with its line break.
            first_line: number of the first one, from 1.
        """
        ...

    def is_complete(self, line: bytes, is_quiet: bool) -> bool:
        """Return whether a last line without a line break is complete.

        Args:
            line: the line.
            is_quiet: whether the file has not grown for some seconds.
        """
        ...

    def forget(self) -> None:
        """Forget all values, as the file is read from its start again, but not the form of the lines."""
        ...

    def start(self) -> None:
        """Forget everything: another file follows."""
        ...


class TextReader:
    """Reads a text log from its start, then what is added.

    Args:
        path: the file.
        parser: makes series of its lines.
        new_parser: returns another such parser, if lines can be read without those before them.
    """

    def __init__(self, path: Path, parser: LineParser, new_parser: Callable[[], LineParser] | None = None) -> None:
        self.trouble = ""
        self._path, self._tail, self._parser, self._new_parser = path, LineTail(path), parser, new_parser
        self._facts: LogFacts | None = None
        self._has_more = self._has_returned = False

    def has_news(self) -> bool:
        """Return whether `read` may return something new."""
        return self._has_more or self._tail.has_news()

    def read(self, seconds: float) -> LogPart:
        """Return what has been written since the last call; after about that many seconds, return what there is."""
        until = time.monotonic() + seconds
        items: list[Points | Restart] = []
        from_start = False
        while True:
            block = self._tail.read()
            if block.from_start:
                self._parser.start()
                items, from_start = [], True
            found = self._found_in(block)
            if found is None:
                self._parser.forget()
                self._tail.read_again()
                items, from_start = [], True
                continue
            items += found
            self._has_more = block.has_more
            if not block.has_more or time.monotonic() >= until:
                break
        self.trouble = " ".join(filter(None, (self._tail.trouble, self._parser.trouble)))
        from_start &= self._has_returned
        self._has_returned = True
        facts = self._parser.facts if self._parser.facts != self._facts or from_start else None
        self._facts = self._parser.facts
        return LogPart(items, facts, from_start, self._has_more)

    def _found_in(self, block: LineBlock) -> list[Points | Restart] | None:
        found = self._parser.add(block.data, block.first_line) if block.data else []
        if found is None or not block.open_line or not self._parser.is_complete(block.open_line, block.is_quiet):
            return found
        self._tail.take_open()
        last = self._parser.add(block.open_line + b"\n", block.first_line + block.data.count(b"\n"))
        return None if last is None else [*found, *last]

    def sample(self) -> LogPart | None:
        """Return the values of some lines of a large log that has the step of the run in its lines; None for others."""
        lines = sample_lines(self._path) if self._new_parser is not None else b""
        if not lines or self._new_parser is None:
            return None
        parser = self._new_parser()
        items = parser.add(lines, 1)
        # what a count means, or a step that goes back, follows from the lines in between
        if not items or not parser.has_steps_of_run or any(isinstance(item, Restart) for item in items):
            return None
        return LogPart(items, parser.facts)

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""
