"""The title line above a pane: its title on the left, its current value on the right."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget

from lrtui.tui.panes.repaint import changed_part


class Frame(Widget):
    """A horizontal line with a title and a value; only what changes in it is repainted.

    Args:
        key: the key that moves the focus to the pane; none if it is empty.
    """

    DEFAULT_CSS = """
    Frame { height: 1; width: 1fr; color: $foreground-muted; }
    Frame > .frame--key { color: $accent; text-style: bold; }
    Frame > .frame--title { color: $foreground; text-style: bold; }
    Frame > .frame--figure { color: $foreground; }
    Frame.-current > .frame--title { color: $accent; }
    """

    COMPONENT_CLASSES = {"frame--key", "frame--title", "frame--figure"}
    """
    | Class | Description |
    | :- | :- |
    | `frame--key` | The pane's key. |
    | `frame--title` | The pane's name. |
    | `frame--figure` | The value at the right end. |
    """

    def __init__(self, title: str, *, key: str = "", classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._title, self._key = title, key
        self._figure = ""

    def show(self, figure: str, title: str | None = None) -> None:
        """Show a value at the right end, and another title if one is given."""
        title = self._title if title is None else title
        if (figure, title) != (self._figure, self._title):
            before = self._parts()
            self._figure, self._title = figure, title
            self.refresh(*changed_part(f"─{''.join(before)}─", f"─{''.join(self._parts())}─", 0))

    def _parts(self) -> tuple[str, str, str, str]:
        """Return key, title, rule and value, with their blanks."""
        width = self.size.width
        key, title, figure = f" {self._key}" if self._key else "", f" {self._title} ", f" {self._figure} "
        figure = figure if self._figure else ""
        length = len(key) + len(title)
        if length + len(figure) + 3 > width:
            figure = figure[: max(0, width - length - 4)] + "… " if width - length > 8 else ""
        rule = "─" * max(1, width - length - len(figure) - 2)
        return key, title, rule, figure

    def render(self) -> Text:
        key, title, rule, figure = self._parts()
        line = Text("─", no_wrap=True, end="")
        line.append(key, self.get_component_rich_style("frame--key", partial=True))
        line.append(title, self.get_component_rich_style("frame--title", partial=True))
        line.append(rule)
        line.append(figure, self.get_component_rich_style("frame--figure", partial=True))
        line.append("─")
        return line
