"""The line of tabs on a small screen."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from lrtui.panes import PANES

FULL_NAMES_WIDTH = 60
"""Minimum width, in columns, at which the names of the panes are not shortened."""


class Tabs(Widget):
    """One line: the panes with their keys, the focused one in brackets."""

    DEFAULT_CSS = """
    Tabs { height: 1; width: 1fr; color: $foreground-muted; }
    Tabs > .tabs--current { color: $accent; text-style: bold; }
    """

    COMPONENT_CLASSES = {"tabs--current"}
    """
    | Class | Description |
    | :- | :- |
    | `tabs--current` | The pane that is shown. |
    """

    _current = PANES[0].name

    def show(self, current: str) -> None:
        """Draw the tabs with this pane current."""
        if current != self._current:
            self._current = current
            self.refresh()

    def render(self) -> Text:
        return self._names(short=self.size.width < FULL_NAMES_WIDTH)

    def _names(self, *, short: bool) -> Text:
        line = Text(" ", no_wrap=True, end="")
        for pane in PANES:
            name = pane.short_name or pane.name if short else pane.name
            if pane.name == self._current:
                line.append(f"[{pane.key} {name}]", self.get_component_rich_style("tabs--current", partial=True))
            else:
                line.append(f" {pane.key} {name} ")
        return line
