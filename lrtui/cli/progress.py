"""A progress bar with the time left, below the messages of a command."""

from __future__ import annotations

import sys
import time
from types import TracebackType

import click

from lrtui.cli.terminal import SHOW_CURSOR, print_prose
from lrtui.training.clock import PROCESS_TIME

PARTS = 1000
"""Number of steps of the bar; one per step of training would draw it too often."""

ERASE_LINE = "\r\x1b[K"


class Progress:
    """Draws a bar on standard error if that is a terminal, else nothing; a context manager that ends the bar.

    Args:
        label: drawn before the bar.
        is_shown: whether there is a bar at all.
    """

    def __init__(self, label: str, *, is_shown: bool = True) -> None:
        self._stream = sys.stderr
        is_drawn = is_shown and self._stream.isatty()
        self._bar = click.progressbar(length=PARTS, label=label, file=self._stream, hidden=not is_drawn)
        self._first: float | None = None
        self._is_visible = False
        if is_drawn:
            PROCESS_TIME.watch()
        self._stopped = PROCESS_TIME.stopped_seconds

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Erase the bar and show the cursor again."""
        self._erase()
        if self._is_visible:
            print(SHOW_CURSOR, end="", file=self._stream, flush=True)

    def say(self, line: str) -> None:
        """Print a message above the bar."""
        self._erase()
        print_prose(line, self._stream)
        if self._is_visible:
            self._bar.render_progress()

    def update(self, share: float) -> None:
        """Draw the bar at a share of the whole, from 0 to 1; the bar starts at the first share given."""
        if self._first is None:
            self._first = share
        # the time in which the process was stopped, as by ctrl+z, says nothing about the time left
        before, self._stopped = self._stopped, PROCESS_TIME.stopped_seconds
        self._bar.start += self._stopped - before
        if share <= self._first:
            # the time left follows from what has been done since the first step, not from the import of PyTorch
            self._bar.start = self._bar.last_eta = time.time()  # the clock that click uses
            return
        left = 1 - self._first
        wanted = PARTS if left <= 0 else int(PARTS * (share - self._first) / left)
        self._is_visible = not self._bar.hidden
        self._bar.update(max(0, min(wanted, PARTS) - self._bar.pos))

    def _erase(self) -> None:
        if self._is_visible:
            print(ERASE_LINE, end="", file=self._stream, flush=True)
            # otherwise click would not draw the same line again
            self._bar._last_line = None
