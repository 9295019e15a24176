"""The widget that shows a chart and repaints only the rows that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.events import Click
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from lrtui.plotting.chart import MARGIN, Chart, Row
from lrtui.tui.panes.repaint import changed_region
from lrtui.tui.run_colours import chart_style


class ChartView(Widget):
    """A chart in the terminal."""

    class Clicked(Message):
        """The user clicked into the plotting area.

        Args:
            share: position of the click, as a share of the area's width.
        """

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    class Resized(Message):
        """The chart was drawn at a new size."""

    DEFAULT_CSS = """
    ChartView { width: 1fr; height: 1fr; }
    ChartView > .chart--axis { color: $foreground-disabled; }
    ChartView > .chart--label { color: $foreground-muted; }
    ChartView > .chart--ghost { color: $foreground-disabled; }
    ChartView > .chart--candidate { color: $accent; }
    ChartView > .chart--now { color: $foreground-muted; }
    ChartView > .chart--cursor { color: $accent; }
    ChartView > .chart--flag { color: $warning; }
    """

    COMPONENT_CLASSES = {
        "chart--axis",
        "chart--label",
        "chart--ghost",
        "chart--candidate",
        "chart--now",
        "chart--cursor",
        "chart--flag",
    }
    """
    | Class | Description |
    | :- | :- |
    | `chart--axis` | The axes. |
    | `chart--label` | The labels of the axes. |
    | `chart--ghost` | The course before a change. |
    | `chart--candidate` | The schedule being chosen, and candidates. |
    | `chart--now` | The line at the current step. |
    | `chart--cursor` | The line at the cursor. |
    | `chart--flag` | Switches and nudges. |
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self._chart: Chart | None = None
        self._rows: list[Row] = []
        self._strips: list[Strip | None] = []
        self._styles: dict[str, Style] = {}
        self.drawn_styles: frozenset[str] = frozenset()
        """The styles of what is visible, without those of curves that others hide."""

    @property
    def chart(self) -> Chart | None:
        """The chart."""
        return self._chart

    @property
    def columns(self) -> int:
        """Number of columns of the plotting area, without the labels; 0 while nothing is shown."""
        return self._chart.columns(self.size.width) if self._chart else 0

    def segments(self) -> list[list[Segment]]:
        """Return the rows as they are on screen, colours included."""
        return [[Segment(text, self._style(name)) for text, name in row] for row in self._rows]

    def text(self) -> str:
        """Return the rows as text."""
        return "".join("".join(text for text, _ in row).rstrip() + "\n" for row in self._rows)

    def show(self, chart: Chart) -> None:
        """Draw the chart, and repaint the rows that have changed."""
        self._chart = chart
        rows = chart.draw(self.size.width, self.size.height)
        self.drawn_styles = _styles_in(rows)
        if len(rows) != len(self._rows):
            self._take(rows)
            self.refresh()
            return
        changed = [line for line, row in enumerate(rows) if row != self._rows[line]]
        # rows that differ only in how they are divided have no cell to repaint, but `refresh` needs a region of each
        regions = [
            changed_region(_cells(self._rows[line]), _cells(rows[line]), line) or Region(0, line, 1, 1)
            for line in changed
        ]
        self._rows = rows
        for line in changed:
            self._strips[line] = None
        if changed:
            self.refresh(*regions)

    def clear(self) -> None:
        """Draw nothing."""
        self._chart = None
        self.drawn_styles = frozenset()
        if self._rows:
            self._take([])
            self.refresh()

    def _take(self, rows: list[Row]) -> None:
        self._rows, self._strips = rows, [None] * len(rows)

    def on_click(self, event: Click) -> None:
        """Report the position in the plotting area."""
        columns = self.columns
        column = event.x - (self.size.width - columns - MARGIN)
        if 0 <= column < columns:
            self.post_message(self.Clicked((column + 0.5) / columns))

    def on_resize(self) -> None:
        """Draw the chart at the new size."""
        if self._chart is not None:
            self._take(self._chart.draw(self.size.width, self.size.height))
            self.drawn_styles = _styles_in(self._rows)
            self.refresh()
            self.post_message(self.Resized())

    def notify_style_update(self) -> None:
        """Repaint in the colours of the new theme."""
        super().notify_style_update()
        self._strips = [None] * len(self._rows)
        self._styles.clear()

    def render_line(self, y: int) -> Strip:
        if y >= len(self._rows):
            return Strip.blank(self.size.width, self.rich_style)
        strip = self._strips[y]
        if strip is None:
            segments = [Segment(text, self._style(name)) for text, name in self._rows[y]]
            strip = Strip(segments).adjust_cell_length(self.size.width, self._style(""))
            self._strips[y] = strip
        return strip

    def _style(self, name: str) -> Style:
        # looked up once, since Textual walks through all ancestors for each
        if name not in self._styles:
            self._styles[name] = self.rich_style + (chart_style(self, name) if name else Style())
        return self._styles[name]


def _styles_in(rows: Sequence[Row]) -> frozenset[str]:
    return frozenset(name for row in rows for _, name in row)


def _cells(row: Row) -> list[tuple[str, str]]:
    """Return each character with its style; those of a chart are one cell wide."""
    return [(character, name) for text, name in row for character in text]
