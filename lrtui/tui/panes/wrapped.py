"""Text in lines of a width, broken where notation and paths have their joints: never within a number or a name."""

from __future__ import annotations

import re

_WORDS = re.compile(r"\s*\S+\s*")
_PIECES = re.compile(r"[^,(\[/:]*[,(\[/:\s]*")

LEAST = 10
"""Columns below which nothing is broken: a pane so narrow is not laid out yet."""


def wrapped(text: str, width: int) -> list[str]:
    """Return the text in lines of at most so many columns; one line at least.

    Broken at blanks; a word that is longer than a line after a comma, an opening bracket, a slash or a colon; only what
    is too long even then is broken anywhere.
    """
    if len(text) <= width or width < LEAST:
        return [text]
    lines, line = [], ""
    words = _WORDS.findall(text)
    pieces = [part for word in words for part in ([word] if len(word.rstrip()) <= width else _PIECES.findall(word))]
    for piece in filter(None, pieces):
        if line.strip() and len(line) + len(piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece
        while len(line.rstrip()) > width:
            lines.append(line[:width])
            line = line[width:]
    return [*lines, line.rstrip()] if line.strip() else lines
