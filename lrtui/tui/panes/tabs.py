"""The line of tabs on a small screen, with the figures of the panes that are not shown."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from lrtui.run.numbers import four_digits
from lrtui.tui.layout import PANES, PaneName
from lrtui.tui.view import Scene


class Tabs(Widget):
    """One line: the panes by their keys, the current one in brackets, then lr, loss and accuracy."""

    DEFAULT_CSS = """
    Tabs { height: 1; width: 1fr; color: $foreground-muted; }
    Tabs > .tabs--current { color: $accent; text-style: bold; }
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
    _figures: str = ""

    def show(self, scene: Scene, current: PaneName) -> None:
        """Draw the tabs with this one current, and the figures of the run on screen."""
        figures = ""
        if run := scene.run:
            state = run.state
            parts = [f"lr {four_digits(state.current_lrs[0])}"] if state.current_lrs else []
            if len(state.loss):
                parts.append(f"loss {four_digits(state.loss.last)}")
            if (last := state.last_test) and last.accuracy is not None:
                parts.append(f"acc {last.accuracy:.4f}")
            figures = "  ".join(parts)
        if (current, figures) != (self._current, self._figures):
            self._current, self._figures = current, figures
            self.refresh()

    def render(self) -> Text:
        line = Text(" ", no_wrap=True, end="")
        for number, name in enumerate(PANES, start=1):
            if name == self._current:
                line.append(f"[{number} {name}]", self.get_component_rich_style("tabs--current", partial=True))
            else:
                line.append(f" {number} {name} ")
        room = self.size.width - line.cell_len - 1
        figures = self._figures if len(self._figures) <= room else self._figures[: max(0, room - 1)] + "…"
        line.append(" " * max(0, room - len(figures)))
        line.append(figures, self.get_component_rich_style("tabs--figure", partial=True))
        return line
