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
from lrtui.tui.chart_keys import ChartKeys
from lrtui.tui.continuing import Continuing
from lrtui.tui.endings import Endings
from lrtui.tui.forecast import Answer, Question
from lrtui.tui.hands import Hands, next_batches_per_epoch
from lrtui.tui.layout import PANES, PaneName, next_pane, shows_all
from lrtui.tui.leaving import Leaving
from lrtui.tui.opening import Opening
from lrtui.tui.outlook import Outlook
from lrtui.tui.panes.accuracy import accuracy_pane
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.footer import Footer
from lrtui.tui.panes.header import Header
from lrtui.tui.panes.log import LogPane
from lrtui.tui.panes.loss import loss_pane
from lrtui.tui.panes.lr import lr_pane
from lrtui.tui.panes.metrics import MetricPanes
from lrtui.tui.panes.runs import RunsPane
from lrtui.tui.panes.settings import SettingsPane
from lrtui.tui.panes.tabs import Tabs
from lrtui.tui.panes.tested import next_metric
from lrtui.tui.pump import TEXT_INTERVAL, Pump, terminal_backlog
from lrtui.tui.situation import situation_of
from lrtui.tui.stored_runs import StoredRuns
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
        self._stored = StoredRuns()
        self._pump = Pump(self._poll, self._draw, seconds, lambda: terminal_backlog(self.app))
        self._current: PaneName = "lr"
        self._zoomed = False
        self._arranged: tuple[int, int, PaneName, bool] | None = None
        self._hands = (
            Hands(session, view, self, ask, lambda: self._scene().commanded),
            Leaving(session, view, self),
            Continuing(session, view, self, ask, self._scene),
            ChartKeys(view, self, self._scene),
        )
        self._endings = Endings()
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
                yield MetricPanes()
                yield LogPane(id="log")
        yield Footer()

    def on_mount(self) -> None:
        """Begin to draw."""
        self._focus_pane("lr")
        self.set_interval(TEXT_INTERVAL, self._tick)
        self.call_after_refresh(self._stored.start)
        if self._start_at_once:
            self._hands[0].start_run(self._view.spec)

    # -- drawing ------------------------------------------------------------------------------------------------------

    def on_unmount(self) -> None:
        """Look into the store no more."""
        self._stored.close()

    def _poll(self) -> bool:
        return any([self._session.poll(), self._stored.poll()])

    def _tick(self) -> None:
        self._pump.tick()
        if self._stored.has_opened:
            self._stored.has_opened = False
            self._pump.at_once()
        for answer in self._stored.take_answers():
            self.say(answer)
        if self._endings.any_of(self._scene().runs) and self._view.bell:
            self.app.bell()
        self._hands[0].start_queued()

    def _scene(self) -> Scene:
        return Scene(
            self._session,
            self._view,
            self._outlook.preview,
            next_batches_per_epoch(self._view.spec),
            self._outlook.futures,
            self.has_class("-one"),
            columns=max((pane.columns for pane in self.query(ChartPane) if pane.display), default=0),
            stored=self._stored,
        )

    def _draw(self, charts: bool) -> None:
        own = {run.number for run in self._session.runs}
        self._stored.follow(self._view.spec.store, self._view.drawn - own)
        self._outlook.look_ahead(
            self._view.spec,
            next_batches_per_epoch(self._view.spec),
            {run.number: run.state for run in self._scene().runs if run.state.is_live},
        )
        self._view.pending.settle()
        scene = self._scene()
        self.query_one(Header).show(scene)
        self.query_one(Tabs).show(scene, self._current)
        self.query_one(RunsPane).show(scene)
        self.query_one(SettingsPane).show(scene)
        self.query_one(LogPane).show(scene)
        self.query_one(MetricPanes).show(scene)
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
        self.query_one(MetricPanes).display = not one
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

    @property
    def scene(self) -> Scene:
        """What the panes draw from."""
        return self._scene()

    @property
    def situation(self) -> Situation:
        """What decides which actions make sense now."""
        self._session.poll()
        return situation_of(self._scene())

    def action_act(self, name: str) -> None:
        """Do what a key asks for, or say why it makes no sense now."""
        action = ACTIONS_BY_NAME[name]
        if refusal := action.refusal(self.situation):
            self.say(f"{action.key(self._view.keys)}: {refusal}")
            return
        owner = next((hands for hands in self._hands if hasattr(hands, f"do_{name}")), self)
        getattr(owner, f"do_{name}")()
        self._pump.at_once()

    def say(self, message: str) -> None:
        """Show a message in the footer for a few seconds."""
        self.query_one(Footer).say(message)

    def on_runs_pane_chosen(self, message: RunsPane.Chosen) -> None:
        """Put the run under the cursor on screen."""
        self.put_on(message.number)

    def put_on(self, number: int) -> None:
        """Put a run on screen."""
        self._view.select(number)
        self._pump.at_once()

    def pick(self, scheduler: str) -> None:
        """Open the picker on a scheduler."""
        self._hands[0].do_schedule(scheduler)

    def open(self, opening: Opening) -> None:
        """Take what the start has found: greet, or offer to go on."""
        free = self.app.screen is self
        if opening.is_first and free and self._session.live is None:
            from lrtui.tui.screens.welcome import WelcomeScreen

            self.app.push_screen(WelcomeScreen())
        self._hands[2].offer(opening, free=free)

    def do_palette(self) -> None:
        self.app.action_command_palette()

    def do_mark(self) -> None:
        if self._view.selected is not None:
            self._view.toggle_mark(self._view.selected)

    def do_compare(self) -> None:
        from lrtui.tui.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen(lambda: self._scene().marked))

    def do_filter(self) -> None:
        if self._current == "log":
            self.query_one(LogPane).open_filter()
            return
        self._focus_pane("runs")
        self.query_one(RunsPane).open_filter()

    def do_order(self) -> None:
        self.say(f"runs: {self.query_one(RunsPane).next_order()} first")

    @property
    def focused_pane(self) -> PaneName:
        """The name of the pane with the focus."""
        return self._current

    @property
    def focused_chart(self) -> ChartPane | None:
        """The pane with the focus, where it is a chart."""
        return next((pane for pane in self.query(ChartPane) if pane.id == self._current), None)

    def do_pane_1(self) -> None:
        self._focus_pane("lr")

    def do_pane_2(self) -> None:
        self._focus_pane("loss")

    def do_pane_3(self) -> None:
        if self._current == "accuracy":
            self._view.metric = next_metric(self._scene())
            self._view.changed()
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
        if self._view.viewport.cursor is not None:
            self._view.viewport.cursor = None
            self._view.changed()
        elif self._zoomed:
            self.do_zoom()
