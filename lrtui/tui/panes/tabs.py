"""The line of tabs on a small screen, with the values of the panes that are not shown."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from lrtui.panes import PANES
from lrtui.text.format import four_digits
from lrtui.tui.view import Scene

FULL_NAMES_WIDTH = 60
"""Minimum width, in columns, at which the names of the panes are not shortened."""


class Tabs(Widget):
    """One line: the panes with their keys, the focused one in brackets, then lr, loss and best accuracy."""

    DEFAULT_CSS = """
    Tabs { height: 1; width: 1fr; color: $foreground-muted; }
    Tabs > .tabs--current { color: $accent; text-style: bold; }
    Tabs:light > .tabs--current { color: $text-accent; }
    Tabs > .tabs--figure { color: $foreground; }
    """

    COMPONENT_CLASSES = {"tabs--current", "tabs--figure"}
    """
    | Class | Description |
    | :- | :- |
    | `tabs--current` | The pane that is shown. |
    | `tabs--figure` | lr, loss, accuracy. |
    """

    _current = PANES[0].name
    _figures: dict[str, str] = {}

    def show(self, scene: Scene, current: str) -> None:
        """Draw the tabs with this pane current, and the values of the run on screen."""
        figures: dict[str, str] = {}
        if run := scene.run:
            state = run.state
            if state.current_lrs:
                figures["lr"] = f"lr {four_digits(state.current_lrs[0])}"
            if len(state.loss):
                # the same value as in the loss pane
                span = scene.view.smoothing
                series = state.smoothed(state.loss, span) if span else state.loss
                figures["loss"] = f"loss {four_digits(series.last)}"
            if state.best and state.best.accuracy is not None:
                figures["accuracy"] = f"best {state.best.accuracy:.4f}"
        if (current, figures) != (self._current, self._figures):
            self._current, self._figures = current, figures
            self.refresh()

    def render(self) -> Text:
        figures = self._figures
        line = self._names(short=self.size.width < FULL_NAMES_WIDTH)
        if self._room(line, figures) < 0:
            line = self._names(short=True)
        if self._room(line, figures) < 0:
            # the pane that is shown has its value in its frame
            figures = {pane: text for pane, text in figures.items() if pane != self._current}
        if self._room(line, figures) < 0:
            figures = {}
        line.append(" " * max(0, self._room(line, figures) + 2))
        line.append("  ".join(figures.values()), self.get_component_rich_style("tabs--figure", partial=True))
        return line

    def _room(self, line: Text, figures: dict[str, str]) -> int:
        """Return the number of columns left beside the names, two blanks and the values."""
        return self.size.width - line.cell_len - len("  ".join(figures.values())) - 3

    def _names(self, *, short: bool) -> Text:
        line = Text(" ", no_wrap=True, end="")
        for pane in PANES:
            name = pane.short_name or pane.name if short else pane.name
            if pane.name == self._current:
                line.append(f"[{pane.key} {name}]", self.get_component_rich_style("tabs--current", partial=True))
            else:
                line.append(f" {pane.key} {name} ")
        return line
