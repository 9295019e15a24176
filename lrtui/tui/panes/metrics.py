"""Further figures that a task's own test gives: which there are, and a pane for each where there is room."""

from __future__ import annotations

from textual.containers import Vertical

from lrtui.panes import fits_all_panes
from lrtui.tui.panes.accuracy import metric_chart, metric_figure, metric_title
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.tested import metric_in_pane, metric_names
from lrtui.tui.view import Scene

WIDE = 160
"""Columns from which on metrics have panes of their own."""

PANE_LINES = 8
"""Least height of a chart with its title and its axis."""

OTHER_LINES = 15
"""Lines of the header, the footer and the log."""


def panes_with_room(width: int, height: int) -> int:
    """Return how many panes of metrics fit below those of lr, loss and accuracy."""
    if width < WIDE or not fits_all_panes(width, height):
        return 0
    return max(0, (height - OTHER_LINES) // PANE_LINES - 3)


class MetricPanes(Vertical):
    """The panes of the metrics that the accuracy's pane does not show; as many as there is room for."""

    DEFAULT_CSS = "MetricPanes { height: 0; }"

    @property
    def panes(self) -> list[ChartPane]:
        """Those there are."""
        return [pane for pane in self.children if isinstance(pane, ChartPane)]

    def show(self, scene: Scene) -> None:
        """Have a pane for each metric; drawing them is the screen's, as with all charts."""
        names = [name for name in metric_names(scene) if name != metric_in_pane(scene)]
        wanted = 0 if scene.one_pane else min(len(names), panes_with_room(*self.screen.size))
        panes = self.panes
        for pane in panes[wanted:]:
            pane.remove()
        for place in range(len(panes), wanted):
            pane = _pane(place)
            self.mount(pane)
            self.call_after_refresh(pane.show, scene, True)
        if wanted != len(panes):
            self.styles.height = f"{3 * wanted}fr" if wanted else 0


def _pane(place: int) -> ChartPane:
    def name(scene: Scene) -> str:
        names = [name for name in metric_names(scene) if name != metric_in_pane(scene)]
        return names[place] if place < len(names) else ""

    pane = ChartPane(
        lambda scene: metric_title(name(scene)),
        lambda scene: metric_figure(scene, name(scene)),
        lambda scene: metric_chart(scene, name(scene)),
        "",
        id=f"metric-{place}",
        of="accuracy",
    )
    # gone to by way of the accuracy's pane, which 3 puts the next metric into
    pane.can_focus = False
    return pane
