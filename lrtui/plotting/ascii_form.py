"""A chart in ASCII, for terminals and fonts without Braille and lines."""

from __future__ import annotations

from collections.abc import Sequence

CELLS = {"line": "*", "band": ".", "dotted": ".", "dashed": "-"}
"""What a curve of each form is drawn with; a future is told from a band by where it stands."""

_SIGNS = str.maketrans(
    {"│": "|", "┤": "+", "└": "+", "─": "-", "┬": "+", "┼": "+", "┊": ":", "●": "o", "○": "O", "▲": "^", "…": "."}
)


def in_ascii(text: str) -> str:
    """Return the text with each sign in its ASCII form, of the same length."""
    text = text.translate(_SIGNS)
    return text if text.isascii() else "".join(sign if sign.isascii() else "?" for sign in text)


def ascii_rows(rows: Sequence[tuple[tuple[str, str], ...]]) -> list[tuple[tuple[str, str], ...]]:
    """Return rows of runs with their text in ASCII."""
    return [tuple((in_ascii(text), style) for text, style in row) for row in rows]
