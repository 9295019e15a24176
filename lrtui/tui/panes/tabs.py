"""The line of tabs on a small screen, with the figures of the panes that are not shown."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from lrtui.text.numbers import four_digits
from lrtui.tui.layout import PANES, PaneName
from lrtui.tui.view import Scene

WIDE = 60
"""Columns from which on every pane's name is written out."""

SHORT = {"accuracy": "acc"}


class Tabs(Widget):
    """One line: the panes by their keys, the current one in brackets, then lr, loss and best accuracy."""

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

    _current: PaneName = "lr"
    _figures: dict[PaneName, str] = {}

    def show(self, scene: Scene, current: PaneName) -> None:
        """Draw the tabs with this one current, and the figures of the run on screen."""
        figures: dict[PaneName, str] = {}
        if run := scene.run:
            state = run.state
            if state.current_lrs:
                figures["lr"] = f"lr {four_digits(state.current_lrs[0])}"
            if len(state.loss):
                # the figure of the loss's own pane
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
        line = self._names(short=self.size.width < WIDE)
        if self._room(line, figures) < 0:
            line = self._names(short=True)
        if self._room(line, figures) < 0:
            # the pane that is shown has its own figure in its rule
            figures = {pane: words for pane, words in figures.items() if pane != self._current}
        if self._room(line, figures) < 0:
            figures = {}
        line.append(" " * max(0, self._room(line, figures) + 2))
        line.append("  ".join(figures.values()), self.get_component_rich_style("tabs--figure", partial=True))
        return line

    def _room(self, line: Text, figures: dict[PaneName, str]) -> int:
        """Return how many columns are left beside the names, two blanks and the figures."""
        return self.size.width - line.cell_len - len("  ".join(figures.values())) - 3

    def _names(self, *, short: bool) -> Text:
        line = Text(" ", no_wrap=True, end="")
        for number, pane in enumerate(PANES, start=1):
            name = SHORT.get(pane, pane) if short else pane
            if pane == self._current:
                line.append(f"[{number} {name}]", self.get_component_rich_style("tabs--current", partial=True))
            else:
                line.append(f" {number} {name} ")
        return line
