"""Which panes are on screen, which has the focus, and what the keys do about it."""

from __future__ import annotations

from collections.abc import Callable

from textual.screen import Screen

from lrtui.tui.layout import PANES, TITLES, PaneName, next_pane, shows_all
from lrtui.tui.panes.metrics import MetricPanes
from lrtui.tui.panes.tested import metric_in_pane, metric_names, next_metric
from lrtui.tui.view import Scene, View


class PaneKeys:
    """A method `do_<action>` for each action that goes to a pane, or shows it alone.

    Args:
        view: the user's choices.
        screen: has the panes.
        scene: returns what is drawn now.
        say: shows a message for a few seconds.
        arranged: called after panes came or went.
    """

    def __init__(
        self,
        view: View,
        screen: Screen[None],
        scene: Callable[[], Scene],
        say: Callable[[str], None],
        arranged: Callable[[], None],
    ) -> None:
        self._view, self._screen, self._scene = view, screen, scene
        self._say, self._has_arranged = say, arranged
        self.current: PaneName = "lr"
        """The pane with the focus."""
        self._zoomed = False
        self._arranged: tuple[int, int, PaneName, bool] | None = None

    def enter(self, name: PaneName) -> None:
        """Take the pane that has got the focus for the current one."""
        self.current = name
        self.arrange()

    def arrange(self) -> None:
        """Show all panes where they fit, else the current one alone, under tabs."""
        screen, (width, height) = self._screen, self._screen.size
        arrangement = (width, height, self.current, self._zoomed)
        if arrangement == self._arranged:
            return
        self._arranged = arrangement
        tabbed = not shows_all(width, height)
        one = tabbed or self._zoomed
        screen.set_class(tabbed, "-tabbed")
        screen.set_class(one, "-one")
        for name in PANES:
            screen.query_one(f"#{name}").display = not one or name == self.current
        for frame in screen.query("Frame"):
            frame.set_class(frame.parent is not None and frame.parent.id == self.current, "-current")
        screen.query_one(MetricPanes).display = not one
        screen.query_one("#settings").display = not one or (self.current == "runs" and height >= 20)
        screen.query_one("#left").display = not one or self.current == "runs"
        screen.query_one("#right").display = not one or self.current != "runs"
        screen.call_after_refresh(self._has_arranged)

    def focus(self, name: PaneName) -> None:
        """Go to a pane."""
        # it must be displayed to take the focus
        self.enter(name)
        pane = self._screen.query_one(f"#{name}")
        target = pane if pane.can_focus else next(iter(pane.query("Log, OptionList")))
        target.focus()

    def _go_to(self, name: PaneName) -> None:
        if name == self.current:
            self._say(f"{TITLES[name]}: this is where you are")
        self.focus(name)

    def do_pane_1(self) -> None:
        self._go_to("lr")

    def do_pane_2(self) -> None:
        self._go_to("loss")

    def do_pane_3(self) -> None:
        scene = self._scene()
        others = [name for name in metric_names(scene) if name != metric_in_pane(scene)]
        if self.current == "accuracy" and others:
            self._view.metric = next_metric(scene)
            self._view.changed()
        else:
            self._go_to("accuracy")

    def do_pane_4(self) -> None:
        self._go_to("log")

    def do_pane_5(self) -> None:
        self._go_to("runs")

    def do_next_pane(self) -> None:
        self.focus(next_pane(self.current))

    def do_zoom(self) -> None:
        if not shows_all(*self._screen.size) and not self._zoomed:
            self._say("one pane at a time has all of this terminal already; tab shows the next")
            return
        self._zoomed = not self._zoomed
        self.arrange()

    def do_back(self) -> None:
        if self._view.viewport.cursor is not None:
            self._view.viewport.cursor = None
            self._view.changed()
        elif self._zoomed and shows_all(*self._screen.size):
            self.do_zoom()
        else:
            self._say("esc: there is nothing to go back from")
