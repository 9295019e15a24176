"""Replaces all characters on screen by ASCII characters, for terminals without Unicode."""

from __future__ import annotations

from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

ALIKE = {
    "─╌┄▔▁": "-",
    "━╍┅═‖": "=",
    "╸╺": "-",
    "│┃╎╏┆║▏▕▌▐": "|",
    "┊": ":",
    "┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛╔╗╚╝▛▜▙▟": "+",
    "…⋅·": ".",
    "●•°": "o",
    "○": "O",
    "■█▉▊▋": "#",
    # in the legend of the help page; charts are drawn in ASCII from the start
    "⠒": "*",
    "✓": "v",
    "✗×": "x",
    "▲↑▴": "^",
    "▼↓▾": "v",
    "▸→▶": ">",
    "◂←◀": "<",
    "▀▄▂▃▅▆▇": "-",
    "—–": "-",
    "’‘": "'",
    "“”": '"',
}
"""The replacement of each character; both take one column."""

_TABLE = {ord(character): plain for alike, plain in ALIKE.items() for character in alike}

BRAILLE = range(0x2800, 0x2900)


@lru_cache(4096)
def in_ascii(text: str) -> str:
    """Return the text in ASCII, with the same width."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else _plain(c) for c in text.translate(_TABLE))


def _plain(character: str) -> str:
    if ord(character) in BRAILLE:
        return "." if ord(character) > BRAILLE.start else " "
    return "?" * cell_len(character)


class AsciiFilter(LineFilter):
    """Turns segments into ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with their text in ASCII."""
        return [Segment(in_ascii(text), style, control) for text, style, control in segments]
