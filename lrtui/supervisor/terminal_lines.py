"""The lines that a terminal would show: carriage returns, backspaces and cursor movements are carried out."""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_LINE = 8192
"""Characters after which a line is cut, since binary data has no line ends."""

MAX_ROWS = 24
"""Rows that the cursor can go back to, as in a terminal of this height."""

_TOKEN = re.compile(
    r"\x1b\[(?P<numbers>[0-?]*)[ -/]*(?P<final>[@-~])"
    # window titles, and sequences of two characters
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\^-~]"
    r"|(?P<text>[^\x00-\x1f\x7f]+)|(?P<control>[\x00-\x1f\x7f])"
)

_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]{0,200}\x1b?|[ -/]*)?\Z")
"""The start of an escape sequence at the end of a text."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of output.

    Args:
        text: without control characters.
        is_final: False for a state that was overwritten, such as that of a progress bar.
        is_repeated: whether the same text came as the last state of the line.
    """

    text: str
    is_final: bool = True
    is_repeated: bool = False


class TerminalLines:
    """Turns what a command writes to a terminal into lines; memory is bounded whatever comes."""

    def __init__(self) -> None:
        self._rows = [""]
        """Rows that may still change, the oldest first."""
        self._states = [""]
        """The last state of each row that was returned."""
        self._row = self._column = 0
        self._state_row = -1
        """The row of the last state."""
        self._held_back = ""
        self._returned = False
        """Whether the cursor has gone back to the start of its row, which is not empty."""
        self._reach = 0
        """Rows above the last one that the output has moved the cursor up to."""

    @property
    def is_redrawn(self) -> bool:
        """Whether the rows are drawn again and again, as progress bars are."""
        return self._reach > 0 or self._returned

    @property
    def open_rows(self) -> list[str]:
        """The rows that may still change and are not empty."""
        return [row.rstrip() for row in self._rows if row.strip()]

    def feed(self, text: str) -> list[Line]:
        """Return the lines that the text has ended, and of each overwritten line its last complete state."""
        text, self._held_back = self._held_back + text, ""
        if unfinished := _UNFINISHED.search(text):
            text, self._held_back = text[: unfinished.start()], unfinished[0]
        lines: list[Line] = []
        for token in _TOKEN.finditer(text):
            if token["text"]:
                self._write(token["text"], lines)
            elif token["control"]:
                self._control(token["control"], lines)
            elif token["final"]:
                self._move(token["numbers"], token["final"], lines)
        self._end_rows(min(self._row, len(self._rows) - 1 - self._reach), lines)
        return lines

    def settle(self) -> list[Line]:
        """Return the rows above the cursor as final lines; for output that has been quiet for a while."""
        lines: list[Line] = []
        self._end_rows(self._row, lines)
        return lines

    def end(self) -> list[Line]:
        """Return all that is left as final lines."""
        lines = [
            Line(row.rstrip(), is_repeated=row.rstrip() == state)
            for row, state in zip(self._rows, self._states, strict=True)
            if row.strip()
        ]
        self._rows, self._states, self._row, self._column = [""], [""], 0, 0
        return lines

    def _write(self, text: str, lines: list[Line]) -> None:
        row = self._rows[self._row]
        if len(row) < self._column:
            row = row.ljust(self._column)
        self._rows[self._row] = row[: self._column] + text + row[self._column + len(text) :]
        self._column += len(text)
        while len(row := self._rows[self._row]) > MAX_LINE:
            self._end_rows(self._row, lines)
            lines.append(Line(row[:MAX_LINE]))
            self._rows[self._row] = row[MAX_LINE:]
            self._column = max(0, self._column - MAX_LINE)

    def _control(self, control: str, lines: list[Line]) -> None:
        if control == "\n":
            if self._reach:
                # the row stays open, and its values are needed now
                self._note_state(lines)
            self._row, self._column, self._returned = self._row + 1, 0, False
            if self._row == len(self._rows):
                self._rows.append("")
                self._states.append("")
            self._end_rows(len(self._rows) - MAX_ROWS, lines)
        elif control == "\r":
            if self._column and self._rows[self._row].strip():
                self._returned = True
                self._note_state(lines)
            self._column = 0
        elif control == "\b":
            self._column = max(0, self._column - 1)
        elif control == "\t":
            self._write(" " * (8 - self._column % 8), lines)

    def _note_state(self, lines: list[Line]) -> None:
        """Return the state of the row; of states that are overwritten soon, only the last one."""
        text = self._rows[self._row].rstrip()
        if not text or text == self._states[self._row]:
            return
        if lines and not lines[-1].is_final and self._state_row == self._row:
            lines.pop()
        lines.append(Line(text, is_final=False))
        self._states[self._row], self._state_row = text, self._row

    def _move(self, numbers: str, final: str, lines: list[Line]) -> None:
        first = numbers.split(";")[0]
        count = min(int(first), MAX_LINE) if first.isascii() and first.isdigit() else 0
        row = self._rows[self._row]
        if final == "A":
            self._note_state(lines)
            target = self._row - max(1, count)
            self._reach = min(MAX_ROWS - 1, max(self._reach, len(self._rows) - 1 - target))
            self._row = max(0, target)
        elif final == "B":
            self._row = min(len(self._rows) - 1, self._row + max(1, count))
        elif final == "C":
            self._column = min(MAX_LINE, self._column + max(1, count))
        elif final == "D":
            self._column = max(0, self._column - max(1, count))
        elif final == "G":
            self._column = max(0, count - 1)
        elif final == "K":
            self._rows[self._row] = {0: row[: self._column], 1: " " * self._column + row[self._column :]}.get(count, "")

    def _end_rows(self, count: int, lines: list[Line]) -> None:
        """Make the oldest rows final lines."""
        if count <= 0:
            return
        if lines and not lines[-1].is_final and self._state_row == 0 and lines[-1].text == self._rows[0].rstrip():
            # the state of the line that ends now
            lines.pop()
            self._states[0] = ""
        ended = zip(self._rows[:count], self._states[:count], strict=True)
        lines += [Line(row.rstrip(), is_repeated=bool(state) and row.rstrip() == state) for row, state in ended]
        self._rows, self._states = self._rows[count:] or [""], self._states[count:] or [""]
        self._row, self._state_row = max(0, self._row - count), self._state_row - count
