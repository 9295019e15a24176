"""The line of tabs on a small screen."""

from __future__ import annotations

from rich.text import Text
from textual.events import Click
from textual.widget import Widget

from lrtui.panes import PANES, PaneSpec

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

    async def on_click(self, event: Click) -> None:
        """Show the pane whose name was clicked."""
        event.stop()
        start = 1
        for pane in PANES:
            end = start + len(f" {pane.key} {self._name_of(pane)} ")
            if start <= event.x < end:
                await self.run_action(f"screen.do('pane_{pane.key}')")
            start = end

    def render(self) -> Text:
        line = Text(" ", no_wrap=True, end="")
        for pane in PANES:
            label = f"{pane.key} {self._name_of(pane)}"
            if pane.name == self._current:
                line.append(f"[{label}]", self.get_component_rich_style("tabs--current", partial=True))
            else:
                line.append(f" {label} ")
        return line

    def _name_of(self, pane: PaneSpec) -> str:
        return pane.short_name or pane.name if self.size.width < FULL_NAMES_WIDTH else pane.name
