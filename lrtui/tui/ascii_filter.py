"""Replaces all characters on screen by ASCII characters, for terminals without Unicode."""

from __future__ import annotations

from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from lrtui.text.ascii_signs import with_ascii_signs


@lru_cache(4096)
def in_ascii(text: str) -> str:
    """Return the text in ASCII, with the same width."""
    if text.isascii():
        return text
    return "".join(c if c.isascii() else "?" * cell_len(c) for c in with_ascii_signs(text))


class AsciiFilter(LineFilter):
    """Turns segments into ASCII."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments with their text in ASCII."""
        return [Segment(in_ascii(text), style, control) for text, style, control in segments]
