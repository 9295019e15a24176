"""What can't be read in a text file, as one sentence."""

from __future__ import annotations

from pathlib import Path


class LineTrouble:
    """Keeps the first line that can't be read, and how many more there are.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._first = ""
        self._more = 0

    def add(self, line: int, reason: str) -> None:
        """Note a line that is left out.

        Args:
            line: its number, from 1.
            reason: what is wrong with it.
        """
        if self._first:
            self._more += 1
        else:
            self._first = f"{self._path}, line {line} is left out: {reason}"

    def clear(self) -> None:
        """Forget all lines."""
        self._first, self._more = "", 0

    def __str__(self) -> str:
        more = f" ({self._more:,} more {'line is' if self._more == 1 else 'lines are'} left out)" if self._more else ""
        return f"{self._first}{more}." if self._first else ""
