"""Wraps text that contains schedule notation and paths, never within a number or a name."""

from __future__ import annotations

import re

_WORDS = re.compile(r"\s*\S+\s*")
_PIECES = re.compile(r"[^,(\[/:]*[,(\[/:\s]*")

MIN_WIDTH = 10
"""Minimum width, in columns, for wrapping; a narrower pane has no layout yet."""


def wrapped(text: str, width: int) -> list[str]:
    """Return the text in lines of at most `width` columns; at least one line.

    Lines break at blanks. A word that is longer than a line breaks after a comma, an opening bracket, a slash or a
    colon; parts that are still too long break anywhere.
    """
    if len(text) <= width or width < MIN_WIDTH:
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
