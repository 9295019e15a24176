"""The layout of the panes, the focus, and the keys that change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.panes import PANES, PANES_BY_NAME, fits_all_panes
from lrtui.tui.panes.filter_line import FilterLine
from lrtui.tui.panes.log import LogPane
from lrtui.tui.panes.metrics import MetricPanes, metric_in_pane, metric_names, metric_rows, next_metric
from lrtui.tui.run_list.pane import RunsPane

if TYPE_CHECKING:
    from lrtui.tui.screens.cockpit import CockpitScreen
    from lrtui.tui.screens.metrics import MetricChoice

SETTINGS_MIN_HEIGHT = 20
"""Minimum height, in lines, at which the settings are shown below the runs when only this pane is visible."""


class PanesController:
    """Moves the focus between panes and arranges them.

    Args:
        cockpit: the main screen.
    """

    def __init__(self, cockpit: CockpitScreen) -> None:
        self._cockpit = cockpit
        self.focused = PANES[0].name
        """Name of the pane with the focus."""
        self.is_full_screen = False
        """Whether the focused pane is shown alone although all panes would fit."""
        self._arranged: tuple[int, int, str, bool] | None = None

    @property
    def chart_keys(self) -> str:
        """The keys of the charts, as "1, 2 or 3"."""
        keys = self._cockpit.view.keys
        shown = [ACTIONS_BY_NAME[f"pane_{pane.key}"].key(keys) for pane in PANES if pane.is_chart]
        return f"{', '.join(shown[:-1])} or {shown[-1]}"

    # -- layout -------------------------------------------------------------------------------------------------------

    def arrange(self) -> None:
        """Show all panes if they fit, otherwise the focused one alone, under tabs."""
        screen, (width, height) = self._cockpit, self._cockpit.size
        arrangement = (width, height, self.focused, self.is_full_screen)
        if arrangement == self._arranged:
            return
        self._arranged = arrangement
        tabbed = not fits_all_panes(width, height)
        one = tabbed or self.is_full_screen
        column = PANES_BY_NAME[self.focused].column
        screen.set_class(tabbed, "-tabbed")
        screen.set_class(one, "-one")
        for pane in PANES:
            screen.query_one(f"#{pane.name}").display = not one or pane.name == self.focused
        for frame in screen.query("Frame"):
            frame.set_class(frame.parent is not None and frame.parent.id == self.focused, "-current")
        screen.query_one(MetricPanes).display = not one
        screen.query_one("#settings").display = not one or (self.focused == "runs" and height >= SETTINGS_MIN_HEIGHT)
        screen.query_one("#left").display = not one or column == "left"
        screen.query_one("#right").display = not one or column == "right"
        screen.call_after_refresh(screen.draw_now)

    def note_focus(self, name: str) -> None:
        """Take note of the pane that got the focus."""
        self.focused = name
        self.arrange()

    def focus(self, name: str) -> None:
        """Move the focus to a pane."""
        # a widget must be displayed to take the focus
        self.note_focus(name)
        pane = self._cockpit.query_one(f"#{name}")
        target = pane if pane.can_focus else next(iter(pane.query("Log, RunList")))
        target.focus()

    # -- actions ------------------------------------------------------------------------------------------------------

    def go_to(self, name: str) -> None:
        if name == self.focused == "accuracy" and self._show_next_metric():
            return
        if name == self.focused:
            self._cockpit.say(f"{PANES_BY_NAME[name].title}: this pane already has the focus")
        self.focus(name)

    def _show_next_metric(self) -> bool:
        """Show the next metric in the accuracy pane; return whether there is another."""
        scene = self._cockpit.scene
        if not any(name != metric_in_pane(scene) for name in metric_names(scene)):
            return False
        self._cockpit.view.metric = next_metric(scene)
        self._cockpit.view.changed()
        return True

    def choose_metrics(self) -> None:
        """Ask which metrics have panes, and which of them is in the accuracy pane."""
        from lrtui.tui.screens.metrics import MetricsScreen

        cockpit = self._cockpit
        names = metric_names(cockpit.scene, "")
        if len(names) < 2:
            run = f"the run has {f'only {names[0]}' if names else 'no metric'} besides the loss"
            cockpit.say(f"nothing to choose: {run if cockpit.scene.run else 'no run is on screen'}")
            return
        screen = MetricsScreen(
            lambda: metric_rows(cockpit.scene), cockpit.view.metric_pattern, metric_in_pane(cockpit.scene)
        )
        cockpit.app.push_screen(screen, self._metrics_chosen)

    def _metrics_chosen(self, choice: MetricChoice | None) -> None:
        if choice is not None:
            view = self._cockpit.view
            view.metric_pattern, view.metric = choice.pattern, choice.metric
            view.changed()
            self.focus("accuracy")

    def next(self) -> None:
        names = [pane.name for pane in PANES]
        self.focus(names[(names.index(self.focused) + 1) % len(names)])

    def full_screen(self) -> None:
        if not fits_all_panes(*self._cockpit.size) and not self.is_full_screen:
            self._cockpit.say("This terminal shows one pane at a time. Press tab for the next one.")
            return
        self.is_full_screen = not self.is_full_screen
        self.arrange()

    def back(self) -> None:
        view = self._cockpit.view
        lines = self._cockpit.query(FilterLine).filter(".-open")
        if here := [line for line in lines if line.parent is not None and line.parent.id == self.focused]:
            here[0].action_clear()
        elif view.advice is not None:
            self._cockpit.dismiss_advice()
        elif view.viewport.cursor is not None:
            view.viewport.cursor = None
            view.changed()
        elif self.is_full_screen and fits_all_panes(*self._cockpit.size):
            self.full_screen()
        elif lines:
            lines.first().action_clear()
        else:
            self._cockpit.say("esc: nothing to close")

    def filter(self) -> None:
        if self.focused == "log":
            self._cockpit.query_one(LogPane).open_filter()
            return
        self.focus("runs")
        self._cockpit.query_one(RunsPane).open_filter()

    def toggle_machine(self) -> None:
        """Show or hide the load of the machine."""
        view = self._cockpit.view
        view.shows_machine = not view.shows_machine
        view.changed()
        self._cockpit.say(f"CPU, memory and GPU: {'shown below the settings' if view.shows_machine else 'hidden'}")

    def palette(self) -> None:
        self._cockpit.app.action_command_palette()

    def help(self) -> None:
        from lrtui.tui.screens.help import HelpScreen

        self._cockpit.app.push_screen(HelpScreen(self.focused, self._cockpit.view.keys))
