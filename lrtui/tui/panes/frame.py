"""The title line above a pane: its title on the left, its current value on the right."""

from __future__ import annotations

from rich.text import Text
from textual.widget import Widget


class Frame(Widget):
    """A horizontal line with a title and a value; repainted only when these change."""

    DEFAULT_CSS = """
    Frame { height: 1; width: 1fr; color: $foreground-muted; }
    Frame > .frame--title { color: $foreground; text-style: bold; }
    Frame > .frame--figure { color: $foreground; }
    Frame.-current > .frame--title { color: $accent; }
    Frame.-current:light > .frame--title { color: $text-accent; }
    """

    COMPONENT_CLASSES = {"frame--title", "frame--figure"}
    """
    | Class | Description |
    | :- | :- |
    | `frame--title` | The pane's name. |
    | `frame--figure` | The value at the right end. |
    """

    def __init__(self, title: str, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._title = title
        self._figure = ""

    def show(self, figure: str, title: str | None = None) -> None:
        """Show a value at the right end, and another title if one is given."""
        title = self._title if title is None else title
        if (figure, title) != (self._figure, self._title):
            self._figure, self._title = figure, title
            self.refresh()

    def render(self) -> Text:
        width = self.size.width
        title, figure = f" {self._title} ", f" {self._figure} " if self._figure else ""
        if len(title) + len(figure) + 3 > width:
            figure = figure[: max(0, width - len(title) - 4)] + "… " if width - len(title) > 8 else ""
        rule = "─" * max(1, width - len(title) - len(figure) - 2)
        line = Text("─", no_wrap=True, end="")
        line.append(title, self.get_component_rich_style("frame--title", partial=True))
        line.append(rule)
        line.append(figure, self.get_component_rich_style("frame--figure", partial=True))
        line.append("─")
        return line
