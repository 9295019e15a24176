"""Replaces the attribute "dim", which terminals draw differently or not at all, by a colour that can be read."""

from __future__ import annotations

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from lrtui.tui.colours import GRAPHICS_CONTRAST, TEXT_CONTRAST, Palette

DIMMED = 0.55
"""Share of the colour that remains; the rest is the background's."""

NOT_DIM = Style(dim=False)


class DimFilter(LineFilter):
    """Blends dim text with its background, as far as it can still be read.

    Args:
        palette: the colours of the terminal and the theme.
    """

    def __init__(self, palette: Palette) -> None:
        super().__init__()
        self._palette = palette

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments without the attribute."""
        if not any(segment.style is not None and segment.style.dim for segment in segments):
            return segments
        return [
            Segment(segment.text, _dimmed(segment.style, background, is_graphic(segment.text), self._palette), None)
            if segment.style is not None and segment.style.dim
            else segment
            for segment in segments
        ]


def is_graphic(text: str) -> bool:
    """Return whether the text consists of lines, blocks and Braille patterns only."""
    return all("\u2500" <= each < "\u2600" or "\u2800" <= each < "\u2900" or each.isspace() for each in text)


@lru_cache(1024)
def _dimmed(style: Style, background: Color, graphic: bool, palette: Palette) -> Style:
    if palette.has_few or palette.system is None or style.color is None:
        # a shade between two colours does not exist
        return style + NOT_DIM
    own = None if style.bgcolor is None or style.bgcolor.is_default else Color.from_rich_color(style.bgcolor)
    behind, ahead = background if own is None else own, Color.from_rich_color(style.color)
    ratio = GRAPHICS_CONTRAST if graphic else TEXT_CONTRAST
    shade = palette.blended(behind, ahead, [behind], ratio, least=DIMMED)
    return style + Style.from_color(shade.rich_color) + NOT_DIM
