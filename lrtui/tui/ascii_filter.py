"""Everything that is drawn, in ASCII alone: for terminals whose characters are no more than that."""

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
    # the lines of the help page's signs; charts are drawn in ASCII from the start
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
"""What a character is drawn as; each takes one column, as those do."""

_TABLE = {ord(character): plain for alike, plain in ALIKE.items() for character in alike}

BRAILLE = range(0x2800, 0x2900)


@lru_cache(4096)
def in_ascii(text: str) -> str:
    """Return the text in as many columns, with nothing beyond ASCII in it."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else _plain(c) for c in text.translate(_TABLE))


def _plain(character: str) -> str:
    if ord(character) in BRAILLE:
        return "." if ord(character) > BRAILLE.start else " "
    return "?" * cell_len(character)


class AsciiFilter(LineFilter):
    """Turns what is drawn into ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with other characters."""
        return [Segment(in_ascii(text), style, control) for text, style, control in segments]
