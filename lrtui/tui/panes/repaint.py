"""What has to be repainted, so that few bytes are written to the terminal and training loses little time."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.geometry import Region
from textual.widget import Widget
from textual.widgets import Static


class CachedStyles(Widget):
    """A widget that keeps its component styles until its classes or the theme change.

    Textual drops them at each repaint and combines the styles of all ancestors again.
    """

    _styles_by_name: dict[str, Style] | None = None

    def component_style(self, name: str) -> Style:
        """Return the partial style of a component class."""
        if self._styles_by_name is None:
            self._styles_by_name = {}
        if name not in self._styles_by_name:
            self._styles_by_name[name] = self.get_component_rich_style(name, partial=True)
        return self._styles_by_name[name]

    def notify_style_update(self) -> None:
        """Look the styles up again."""
        super().notify_style_update()
        self._styles_by_name = None


def changed_region(before: Sequence[object], after: Sequence[object], line: int) -> Region | None:
    """Return the region from the first to the last cell that differ; None if all are equal."""
    changed = [column for column, (old, new) in enumerate(zip(before, after, strict=False)) if old != new]
    return Region(changed[0], line, changed[-1] - changed[0] + 1, 1) if changed else None


def changed_part(before: str, after: str, line: int) -> list[Region]:
    """Return the region from the first to the last cell that differ, for `refresh`.

    Args:
        before: the line as it was painted.
        after: the line as it will be painted.
        line: its number in the widget, from 0.

    Returns:
        One region; none if the whole widget has to be repainted, since columns of the two lines do not correspond.
    """
    if not len(before) == len(after) == cell_len(before) == cell_len(after):
        return []
    region = changed_region(before, after, line)
    return [region] if region else []


def update_text(static: Static, text: Text) -> None:
    """Show another text; if it is the same, nothing is done, since `Static.update` lays out the whole screen."""
    if static.content != text:
        static.update(text)
