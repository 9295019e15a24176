"""The main screen: the panes, the timer that draws them, and the keys."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus, Resize, ScreenResume
from textual.widget import Widget

from lrtui.actions import ACTIONS, ACTIONS_BY_NAME
from lrtui.engine.session import Session
from lrtui.panes import CHARTS, PANES, PANES_BY_NAME, WIDE, PaneSpec
from lrtui.store.location import store_folder
from lrtui.tui.alerts import Alerts
from lrtui.tui.background import BackgroundScreen
from lrtui.tui.compositor import PartialCompositor
from lrtui.tui.controllers import Controllers
from lrtui.tui.forecast import CurveRequest, CurveResult, Forecasts
from lrtui.tui.frame_clock import (
    OPENING_INTERVAL,
    OPENING_TICKS,
    TEXT_INTERVAL,
    FrameClock,
    forgive_output,
    terminal_backlog,
)
from lrtui.tui.panes.advice_line import AdviceLine
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.footer import Footer
from lrtui.tui.panes.header import Header
from lrtui.tui.panes.log import LogPane
from lrtui.tui.panes.metrics import MetricPanes
from lrtui.tui.panes.settings import SettingsPane
from lrtui.tui.panes.tabs import Tabs
from lrtui.tui.run_list.pane import RunsPane
from lrtui.tui.run_list.run_list import RunList
from lrtui.tui.run_list.source_runs import ShownRun, SourceRuns
from lrtui.tui.run_list.watcher import SourceWatcher
from lrtui.tui.startup import StartupState
from lrtui.tui.view import Scene, View, preview_batches_per_epoch

if TYPE_CHECKING:
    from lrtui.opening import WatchedLogs
    from lrtui.tui.advice import RunAdvice


class CockpitScreen(BackgroundScreen[None]):
    """The main screen.

    Args:
        session: the runs of this process.
        view: the user's choices.
        ask: requests a forecast, which is passed to `take_forecast`.
        start: whether to start the next run immediately.
        seconds: a clock for the rate of drawing.
        watched: logs of other programs that are listed as well.
        watcher: reads these logs, if it was started before the cockpit was imported.
    """

    CSS_PATH = "cockpit.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide")]
    BINDINGS = [
        Binding(",".join(action.keys), f"do('{action.name}')", action.title, show=False, id=action.name)
        for action in ACTIONS
    ]

    def __init__(
        self,
        session: Session,
        view: View,
        ask: Callable[[str, CurveRequest], None],
        *,
        start: bool = False,
        seconds: Callable[[], float] = time.monotonic,
        watched: WatchedLogs | None = None,
        watcher: SourceWatcher | None = None,
    ) -> None:
        super().__init__()
        self._compositor = PartialCompositor()
        self.session, self.view, self.ask = session, view, ask
        self.source_runs = SourceRuns(watcher or SourceWatcher(watched.open if watched is not None else None))
        self.controllers = Controllers(self)
        self._start_at_once = start
        self._forecasts = Forecasts(ask)
        self._clock = FrameClock(seconds)
        # stored, since a query walks through the whole screen
        self._charts: list[ChartPane] = []
        self._metrics = MetricPanes()
        self._drawn_version = view.version
        self._refusals_shown: dict[int, int] = {}
        self._alerts = Alerts(view, lambda: self.app.bell())
        self._was_covered = False

    def compose(self) -> ComposeResult:
        # set before the first resize, since a class that is added later would style every widget a second time
        width = self.app.size.width
        self.add_class(*[name for least, name in self.HORIZONTAL_BREAKPOINTS if width >= least][-1:])
        panes = {spec.name: _create_pane(spec) for spec in PANES}
        self._charts = [pane for pane in panes.values() if isinstance(pane, ChartPane)]
        yield Header()
        yield Tabs()
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield from (panes[spec.name] for spec in PANES if spec.column == "left")
                yield SettingsPane(id="settings")
            with Vertical(id="right"):
                yield from (panes[name] for name in CHARTS)
                yield self._metrics
                yield from (panes[spec.name] for spec in PANES if spec.column == "right" and not spec.is_chart)
        yield AdviceLine()
        yield Footer()

    def on_mount(self) -> None:
        """Start the timer that draws, and the first run if it was given on the command line."""
        self.controllers.panes.focus(PANES[0].name)
        self.set_interval(TEXT_INTERVAL, self._tick)
        if self.view.watched:
            # a run that has been found by now is in the first frame, and so are its first events
            self.source_runs.poll()
            if self.controllers.startup.select_run():
                self._follow()
        if self._start_at_once:
            self.controllers.runs.start(self.view.spec)

    def open_logs(self) -> None:
        """Read the logs at once; a run is found, chosen, opened and drawn in as many ticks."""
        self.source_runs.start()
        self.set_interval(OPENING_INTERVAL, self._tick, repeat=OPENING_TICKS)

    def on_unmount(self) -> None:
        """Stop reading the sources."""
        self.source_runs.close()

    # -- drawing ------------------------------------------------------------------------------------------------------

    @property
    def scene(self) -> Scene:
        """What the panes draw in this frame."""
        return Scene(
            self.session,
            self.view,
            self._forecasts.preview,
            self._forecasts.futures,
            self._forecasts.replaced,
            self.has_class("-one"),
            columns=0 if self.view.viewport.cursor is None else self.chart_columns,
            source_runs=self.source_runs,
            finding=self._forecasts.finding,
            better=self._forecasts.better,
        )

    @property
    def chart_columns(self) -> int:
        """Width of the charts without their labels."""
        return max((pane.columns for pane in self._chart_panes if pane.display), default=0)

    @property
    def _runs(self) -> list[ShownRun]:
        return [*self.session.runs, *self.source_runs.runs.values()]

    @property
    def _chart_panes(self) -> list[ChartPane]:
        return [*self._charts, *self._metrics.panes]

    @cached_property
    def _advice(self) -> RunAdvice:
        # imported with the first run, so that the rules don't delay an empty screen
        from lrtui.tui.advice import RunAdvice

        return RunAdvice()

    def _tick(self) -> None:
        """Fold new events, draw what is due, and start the next queued run."""
        self._fold_events()
        if self.view.version != self._drawn_version:
            self._clock.note_change()
        due = self._clock.due(terminal_backlog(self.app), covered=self.app.screen is not self)
        if due != "nothing":
            self._draw(charts=due == "all")
        if not self.view.watched:
            # after the first frame, since this reads the entry points of all installed packages
            self.source_runs.start()
        self.controllers.startup.choose_run()
        self.controllers.startup.follow_command()
        if self.source_runs.take_opened():
            self.draw_now()
            # the user has asked for these frames, and what follows them is not to wait for it
            self.call_after_refresh(forgive_output, self.app)
        for answer in self.source_runs.take_answers():
            self.say(answer)
        self.query_one(SettingsPane).show_machine(self.view)
        self._alerts.update(self._runs)
        self.controllers.runs.start_queued()

    def _fold_events(self) -> None:
        """Fold new events of all runs into their states."""
        if any([self.session.poll(), self.source_runs.poll()]):
            self._clock.note_change()

    def draw_now(self, charts: bool = True) -> None:
        """Draw immediately, as the response to a key.

        Args:
            charts: whether to draw all charts; otherwise only those that the user's choices have changed.
        """
        self._fold_events()
        self._draw(charts)

    def _draw(self, charts: bool) -> None:
        self._clock.note_frame(charts)
        self._request_data()
        self.view.pending.remove_answered()
        scene = self.scene
        if scene.runs or self.view.advice is not None:
            for run, advice in self._advice.update(scene):
                self._alerts.report_advice(run, advice)
        find = self.query_one
        find(Header).show(scene)
        find(Tabs).show(self.focused_pane)
        find(RunsPane).show(scene)
        find(SettingsPane).show(scene)
        find(LogPane).show(scene)
        self._metrics.show(scene)
        find(AdviceLine).show(scene)
        find(Footer).show(scene)
        for pane in self._chart_panes:
            if pane.display:
                pane.show(scene, charts)
        self._show_refusals()
        self._drawn_version = self.view.version

    def _follow(self) -> None:
        """Request the events of the runs of sources that are drawn."""
        folder = store_folder(self.view.spec.store)
        numbers = {run.number for run in self.session.runs}
        elsewhere = {run.number for run in self.session.runs if run.store_folder not in (None, folder)}
        self.source_runs.follow(self.view.spec, self.view.drawn - numbers, elsewhere)

    def _request_data(self) -> None:
        """Request what the next frames need: events of runs of sources, and forecasts."""
        self._follow()
        if self.view.watched and "torch" not in sys.modules:
            # forecasts need torch, which only the user's first run imports
            return
        # ended runs that are drawn, too: their lr axis keeps the range of the whole schedule
        forecast_runs = {
            run.number: run.state for run in self._runs if run.state.is_live or run.number in self.view.drawn
        }
        self._forecasts.request(
            self.view.spec,
            preview_batches_per_epoch(self.view.spec),
            forecast_runs,
            checked=not any(run.state.is_live for run in self._runs),
        )

    def _show_refusals(self) -> None:
        for run in self.session.runs:
            # a resumed run has fewer refusals: those after its checkpoint are dropped
            shown = min(self._refusals_shown.get(run.number, 0), len(run.state.refusals))
            for refusal in run.state.refusals[shown:]:
                self.say(f"{refusal.command}: {refusal.reason}")
            self._refusals_shown[run.number] = len(run.state.refusals)

    def take_forecast(self, slot: str, answer: CurveResult) -> None:
        """Take a forecast and draw it."""
        is_wanted = self._forecasts.take(slot, answer) or self.controllers.runs.take_forecast(answer)
        # when the cockpit closes, the panes are removed before the last answer comes
        if is_wanted and self.query(Header):
            self.draw_now()

    def on_resize(self, _: Resize) -> None:
        """Show all panes if they fit, otherwise one at a time."""
        self.controllers.panes.arrange()

    def on_screen_suspend(self) -> None:
        """Mark that a dialog covers the panes."""
        self._was_covered = True

    def on_screen_resume(self, event: ScreenResume) -> None:
        """Draw the changes that the dialog's result has caused."""
        # when the screen appears, every widget has just been styled; a theme may have been chosen in a dialog
        event.refresh_styles = self._was_covered
        if self._was_covered:
            self._was_covered = False
            self.call_later(self.draw_now)

    # -- actions ------------------------------------------------------------------------------------------------------

    def action_do(self, name: str) -> None:
        """Carry out an action, or say why it is unavailable."""
        action = ACTIONS_BY_NAME[name]
        number = self.query_one(RunsPane).under_cursor
        if number is not None and number != self.view.selected:
            # the key applies to the run at the list's cursor; the list's own message about it arrives later
            self.show_run(number)
        self.controllers.startup.note_action()
        # the latest events decide whether the action is available
        self._fold_events()
        refusal = action.requirement(self.scene.situation)
        if refusal is None and action.needs_chart and self.focused_chart is None:
            refusal = f"go to a chart first, with {self.controllers.panes.chart_keys}"
        if refusal is not None:
            self.say(f"{action.key(self.view.keys)}: {refusal}")
            return
        self.controllers.handle(action)
        self.draw_now(charts=False)

    def say(self, message: str) -> None:
        """Show a message in the footer for a few seconds."""
        self.query_one(Footer).say(message)

    def show_run(self, number: int) -> None:
        """Put a run on screen."""
        self.view.select(number)
        self.draw_now()

    def dismiss_advice(self) -> None:
        """Drop the advice on the run on screen."""
        self._advice.dismiss(self.view.selected)

    def handle_startup(self, found: StartupState) -> None:
        """Show what follows from the state at startup: the welcome, a question, or the newest run."""
        self.controllers.startup.handle(found)

    @property
    def focused_pane(self) -> str:
        """Name of the pane with the focus."""
        return self.controllers.panes.focused

    @property
    def focused_chart(self) -> ChartPane | None:
        """The pane with the focus if it is a chart."""
        return next((pane for pane in self._chart_panes if pane.id == self.focused_pane), None)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Record which pane got the focus."""
        for widget in event.widget.ancestors_with_self:
            if widget.id in PANES_BY_NAME:
                self.controllers.panes.note_focus(widget.id)

    def on_runs_pane_chosen(self, message: RunsPane.Chosen) -> None:
        """Put the run at the cursor on screen."""
        self.show_run(message.number)
        self.controllers.startup.note_action()

    def on_run_list_entered(self, _: RunList.Entered) -> None:
        """Show the list of runs alone, as enter does with every pane."""
        self.action_do("zoom")


def _create_pane(spec: PaneSpec) -> Widget:
    module, _, name = spec.widget.partition(":")
    pane: Widget = getattr(import_module(module), name)()
    return pane
