"""The cockpit: the panes around the run on screen, and what each key does to them."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus, Resize
from textual.screen import Screen

from lrtui.actions import ACTIONS, ACTIONS_BY_NAME, Situation
from lrtui.session import Session
from lrtui.tui.forecast import Answer, Question
from lrtui.tui.hands import Hands, next_batches_per_epoch
from lrtui.tui.layout import CHART_PANES, PANES, PaneName, next_pane, shows_all
from lrtui.tui.outlook import Outlook
from lrtui.tui.panes.accuracy import accuracy_pane
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.footer import Footer
from lrtui.tui.panes.header import Header
from lrtui.tui.panes.log import LogPane
from lrtui.tui.panes.loss import loss_pane
from lrtui.tui.panes.lr import lr_pane
from lrtui.tui.panes.runs import RunsPane
from lrtui.tui.panes.settings import SettingsPane
from lrtui.tui.panes.tabs import Tabs
from lrtui.tui.pump import TEXT_INTERVAL, Pump, terminal_backlog
from lrtui.tui.view import Scene, View


class CockpitScreen(Screen[None]):
    """The main screen.

    Args:
        session: the runs of this process.
        view: the user's choices.
        ask: asks for a curve; it comes back through `take_forecast`.
        start: whether to start the next run at once.
        seconds: a clock for the pace of drawing.
    """

    CSS_PATH = "cockpit.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (160, "-wide")]
    BINDINGS = [
        Binding(",".join(action.keys), f"act('{action.name}')", action.title, show=False, id=action.name)
        for action in ACTIONS
    ]

    def __init__(
        self,
        session: Session,
        view: View,
        ask: Callable[[str, Question], None],
        *,
        start: bool = False,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._session, self._view, self._start_at_once = session, view, start
        self._outlook = Outlook(ask)
        self._pump = Pump(session.poll, self._draw, seconds, lambda: terminal_backlog(self.app))
        self._current: PaneName = "lr"
        self._zoomed = False
        self._arranged: tuple[int, int, PaneName, bool] | None = None
        self._hands = Hands(session, view, self, ask)
        self._refusals_said: dict[int, int] = {}

    def compose(self) -> ComposeResult:
        yield Header()
        yield Tabs()
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield RunsPane(id="runs")
                yield SettingsPane(id="settings")
            with Vertical(id="right"):
                yield lr_pane()
                yield loss_pane()
                yield accuracy_pane()
                yield LogPane(id="log")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to draw."""
        self._focus_pane("lr")
        self.set_interval(TEXT_INTERVAL, self._tick)
        if self._start_at_once:
            self._hands.start_run(self._view.spec)

    # -- drawing ------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._pump.tick()
        self._hands.start_waiting()

    def _scene(self) -> Scene:
        return Scene(
            self._session,
            self._view,
            self._outlook.preview,
            next_batches_per_epoch(self._view.spec),
            self._outlook.futures,
            self.has_class("-one"),
        )

    def _draw(self, charts: bool) -> None:
        self._outlook.look_ahead(
            self._view.spec,
            next_batches_per_epoch(self._view.spec),
            {run.number: run.state for run in self._session.runs if run.state.is_live},
        )
        scene = self._scene()
        self.query_one(Header).show(scene)
        self.query_one(Tabs).show(scene, self._current)
        self.query_one(RunsPane).show(scene)
        self.query_one(SettingsPane).show(scene)
        self.query_one(LogPane).show(scene)
        self.query_one(Footer).show(scene)
        for pane in self.query(ChartPane):
            if pane.display:
                pane.show(scene, charts)
        self._say_refusals()

    def _say_refusals(self) -> None:
        for run in self._session.runs:
            said = self._refusals_said.get(run.number, 0)
            for refusal in run.state.refusals[said:]:
                self.query_one(Footer).say(f"{refusal.command}: {refusal.reason}")
            self._refusals_said[run.number] = len(run.state.refusals)

    def take_forecast(self, slot: str, answer: Answer) -> None:
        """Keep a curve that was asked for, and draw it."""
        if self._outlook.take(slot, answer):
            self._pump.at_once()

    # -- which panes --------------------------------------------------------------------------------------------------

    def on_resize(self, event: Resize) -> None:
        """Show all panes where they fit, else one at a time."""
        self._arrange(event.size.width, event.size.height)

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Make the pane with the focus the current one."""
        for pane in event.widget.ancestors_with_self:
            if pane.id in PANES:
                self._current = pane.id
        self._arrange(self.size.width, self.size.height)

    def _arrange(self, width: int, height: int) -> None:
        arrangement = (width, height, self._current, self._zoomed)
        if arrangement == self._arranged:
            return
        self._arranged = arrangement
        tabbed = not shows_all(width, height)
        one = tabbed or self._zoomed
        self.set_class(tabbed, "-tabbed")
        self.set_class(one, "-one")
        for name in PANES:
            self.query_one(f"#{name}").display = not one or name == self._current
        for frame in self.query("Frame"):
            frame.set_class(frame.parent is not None and frame.parent.id == self._current, "-current")
        self.query_one("#settings").display = not one or (self._current == "runs" and height >= 20)
        self.query_one("#left").display = not one or self._current == "runs"
        self.query_one("#right").display = not one or self._current != "runs"
        self.call_after_refresh(self._pump.at_once)

    def _focus_pane(self, name: PaneName) -> None:
        # the pane must be displayed to take the focus
        self._current = name
        self._arrange(self.size.width, self.size.height)
        pane = self.query_one(f"#{name}")
        target = pane if pane.can_focus else next(iter(pane.query("Log, OptionList")))
        target.focus()

    # -- actions ------------------------------------------------------------------------------------------------------

    def _situation(self) -> Situation:
        self._session.poll()
        run, live = self._scene().run, self._session.live
        return Situation(run.state if run else None, live.state if live else None)

    def action_act(self, name: str) -> None:
        """Do what a key asks for, or say why it makes no sense now."""
        action = ACTIONS_BY_NAME[name]
        if refusal := action.refusal(self._situation()):
            self.say(f"{action.shown}: {refusal}")
            return
        owner = self._hands if hasattr(self._hands, f"do_{name}") else self
        getattr(owner, f"do_{name}")()
        self._pump.at_once()

    def say(self, message: str) -> None:
        """Show a message in the footer for a few seconds."""
        self.query_one(Footer).say(message)

    def on_runs_pane_chosen(self, message: RunsPane.Chosen) -> None:
        """Put the run under the cursor on screen."""
        self._view.select(message.number)
        self._pump.at_once()

    def do_mark(self) -> None:
        if self._view.selected is not None:
            self._view.toggle_mark(self._view.selected)

    def do_log_axis(self) -> None:
        if self._current in CHART_PANES:
            self._view.toggle_log_axis(self._current)
        else:
            self.say("l: go to a chart first, with 1, 2 or 3")

    def do_smoothing(self) -> None:
        span = self._view.next_smoothing()
        self.say(f"training loss smoothed over {span} steps" if span else "training loss as it is")

    def do_pane_1(self) -> None:
        self._focus_pane("lr")

    def do_pane_2(self) -> None:
        self._focus_pane("loss")

    def do_pane_3(self) -> None:
        self._focus_pane("accuracy")

    def do_pane_4(self) -> None:
        self._focus_pane("log")

    def do_pane_5(self) -> None:
        self._focus_pane("runs")

    def do_next_pane(self) -> None:
        self._focus_pane(next_pane(self._current))

    def do_zoom(self) -> None:
        self._zoomed = not self._zoomed
        self._arrange(self.size.width, self.size.height)

    def do_back(self) -> None:
        if self._zoomed:
            self.do_zoom()
