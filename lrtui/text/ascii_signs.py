"""ASCII characters in place of those that lrtui draws with, for terminals without Unicode."""

from __future__ import annotations

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

_BRAILLE = {code: "." if code > 0x2800 else " " for code in range(0x2800, 0x2900)}

_TABLE = _BRAILLE | {ord(character): plain for alike, plain in ALIKE.items() for character in alike}


def with_ascii_signs(text: str) -> str:
    """Return the text with the signs that lrtui draws with replaced by ASCII ones; other characters stay."""
    return text if text.isascii() else text.translate(_TABLE)
