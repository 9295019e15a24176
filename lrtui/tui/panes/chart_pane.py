"""A chart under its title: the frame that the panes of lr, loss and accuracy have in common."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from lrtui.plotting.chart import Chart
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame
from lrtui.tui.view import Scene


class ChartPane(Vertical, can_focus=True):
    """A chart that is drawn from a scene.

    Args:
        title: in the rule above; or what returns it.
        figure: returns what stands at the right end of the rule.
        chart: returns what is drawn, or None while there is nothing.
        empty: what will be here, and which key brings it.
        of: name of the pane whose choices hold for this one; its own where nothing is given.
    """

    DEFAULT_CSS = """
    ChartPane { height: 1fr; }
    ChartPane > .empty { height: 1fr; color: $foreground-muted; display: none; }
    ChartPane > .empty { content-align: center middle; text-align: center; padding: 0 3; }
    ChartPane.-empty > .empty { display: block; }
    ChartPane.-empty > ChartView { display: none; }
    """

    def __init__(
        self,
        title: str | Callable[[Scene], str],
        figure: Callable[[Scene], str],
        chart: Callable[[Scene], Chart | None],
        empty: str,
        *,
        id: str,  # noqa: A002 - Textual's name
        of: str = "",
    ) -> None:
        super().__init__(id=id)
        self._pane = of or id
        self._title_of = (lambda _: title) if isinstance(title, str) else title
        self._figure, self._chart, self._empty = figure, chart, empty
        self.title = title if isinstance(title, str) else ""
        """What stands in the rule at the left."""
        self._choices: object = None
        self._progress: object = None

    def compose(self) -> ComposeResult:
        yield Frame(self.title)
        yield Static(self._empty, classes="empty")
        yield ChartView()

    @property
    def columns(self) -> int:
        """How many columns the chart has beside its labels."""
        return self.query_one(ChartView).columns if self.is_mounted else 0

    def show(self, scene: Scene, charts: bool) -> None:
        """Write the figure; draw the chart where the user chose otherwise, or where it is due and has moved on.

        Args:
            charts: whether they are due.
        """
        if not self.is_mounted:
            return
        self.title = self._title_of(scene)
        self.query_one(Frame).show(self._figure(scene), self.title)
        choices, progress = scene.choices_for(self._pane), scene.progress
        if choices == self._choices and (not charts or progress == self._progress):
            return
        self._choices, self._progress = choices, progress
        chart = self._chart(scene)
        self.set_class(chart is None, "-empty")
        if chart is not None:
            self.query_one(ChartView).show(chart)
