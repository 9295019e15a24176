"""The title line above a pane: its title on the left, its current value on the right, a legend between them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.text import Text

from lrtui.tui.panes.repaint import CachedStyles, changed_part
from lrtui.tui.run_colours import chart_style

Legend = tuple[tuple[str, str], ...]
"""Pieces of text with their style: the name of a chart's style; "" for the colour of the title."""


class Frame(CachedStyles):
    """A horizontal line with a title and a value; only what changes in it is repainted.

    Args:
        key: the key that moves the focus to the pane; empty for none.
    """

    DEFAULT_CSS = """
    Frame { height: 1; width: 1fr; color: $foreground-muted; }
    Frame > .frame--key { color: $accent; text-style: bold; }
    Frame > .frame--title { color: $foreground; text-style: bold; }
    Frame > .frame--figure { color: $foreground; }
    Frame.-current > .frame--title { color: $accent; }
    Frame > .chart--candidate { color: $accent; }
    Frame > .chart--ghost { color: $foreground-disabled; }
    """

    COMPONENT_CLASSES = {
        "frame--key",
        "frame--title",
        "frame--figure",
        "chart--candidate",
        "chart--ghost",
    }
    """
    | Class | Description |
    | :- | :- |
    | `frame--key` | The pane's key. |
    | `frame--title` | The pane's name. |
    | `frame--figure` | The value at the right end. |
    | `chart--candidate`, `chart--ghost` | The colours in a legend, besides those of runs. |
    """

    def __init__(self, title: str, *, key: str = "", classes: str | None = None) -> None:
        super().__init__(classes=classes)
        self._title, self._key = title, key
        self._figure = ""
        self._legends: tuple[Legend, ...] = ()

    def show(self, figure: str, title: str | None = None, legends: Sequence[Legend] = ()) -> None:
        """Show a value at the right end, and another title if one is given.

        Args:
            figure: the value.
            title: the title.
            legends: legends to choose from; the first one that fits is shown.
        """
        title = self._title if title is None else title
        if (figure, title, tuple(legends)) != (self._figure, self._title, self._legends):
            before, legend = self._line, self._legend
            self._figure, self._title, self._legends = figure, title, tuple(legends)
            # a legend in other colours can have the same text
            self.refresh(*(changed_part(before, self._line, 0) if legend == self._legend else ()))

    @property
    def _legend(self) -> Legend:
        """The first legend that fits."""
        room = self.size.width - sum(map(len, (self._key, self._title, self._figure))) - 12
        return next((each for each in self._legends if sum(cell_len(text) for text, _ in each) <= room), ())

    @property
    def _line(self) -> str:
        return f"─{''.join(self._parts())}─"

    def _parts(self) -> tuple[str, str, str, str, str]:
        """Return key, title, legend, rule and value, with their blanks."""
        width = self.size.width
        key, title, figure = f" {self._key}" if self._key else "", f" {self._title} ", f" {self._figure} "
        figure = figure if self._figure else ""
        legend = "".join(text for text, _ in self._legend)
        legend = f"─ {legend} " if legend else ""
        length = len(key) + len(title) + len(legend)
        if length + len(figure) + 3 > width:
            figure = figure[: max(0, width - length - 4)] + "… " if width - length > 8 else ""
        rule = "─" * max(1, width - length - len(figure) - 2)
        return key, title, legend, rule, figure

    def render(self) -> Text:
        key, title, legend, rule, figure = self._parts()
        line = Text("─", no_wrap=True, end="")
        line.append(key, self.component_style("frame--key"))
        line.append(title, self.component_style("frame--title"))
        if legend:
            line.append("─ ")
            for text, style in self._legend:
                line.append(text, chart_style(self, style) if style else None)
            line.append(" ")
        line.append(rule)
        line.append(figure, self.component_style("frame--figure"))
        line.append("─")
        return line
