"""The cockpit: the panes around the run on screen, and what each key does to them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.events import DescendantFocus, Resize
from textual.screen import Screen

from lrtui.actions import ACTIONS, ACTIONS_BY_NAME, Situation
from lrtui.engine.session import Session
from lrtui.tui.controllers.panes import PaneKeys
from lrtui.tui.controllers.runs import Hands
from lrtui.tui.drawing import Drawing
from lrtui.tui.forecast import Answer, Question
from lrtui.tui.layout import PANES, PaneName
from lrtui.tui.opening import Opening
from lrtui.tui.outlook import Outlook
from lrtui.tui.panes.advice_line import AdviceLine
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.footer import Footer
from lrtui.tui.panes.header import Header
from lrtui.tui.panes.log import LogPane
from lrtui.tui.panes.settings import SettingsPane
from lrtui.tui.panes.tabs import Tabs
from lrtui.tui.pump import TEXT_INTERVAL, Pump, terminal_backlog
from lrtui.tui.run_list.finished_runs import Endings
from lrtui.tui.run_list.pane import RunList, RunsPane
from lrtui.tui.run_list.stored_runs import StoredRuns
from lrtui.tui.situation import situation_of
from lrtui.tui.view import Scene, View

if TYPE_CHECKING:
    from lrtui.tui.controllers.branch import BranchController
    from lrtui.tui.controllers.picker import PickerController


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
        self._drawing = Drawing(self, session, view, self._stored, self._outlook)
        self._scene = self._drawing.scene
        self._pump = Pump(self._poll, self._draw, seconds, lambda: terminal_backlog(self.app))
        self._panes = PaneKeys(view, self, self._scene, self.say, self._pump.at_once)
        self._hands = Hands(session, view, self, lambda: self._scene().commanded)
        self._ask = ask
        self._endings = Endings()
        self._was_covered = False

    def compose(self) -> ComposeResult:
        # as the first resize will have it: a class that comes later styles every widget again before the first frame
        width = self.app.size.width
        self.add_class(*[name for least, name in self.HORIZONTAL_BREAKPOINTS if width >= least][-1:])
        yield Header()
        yield Tabs()
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield RunsPane(id="runs")
                yield SettingsPane(id="settings")
            with Vertical(id="right"):
                yield from self._drawing.charts
                yield self._drawing.metrics
                yield LogPane(id="log")
        yield AdviceLine()
        yield Footer()

    def on_mount(self) -> None:
        """Begin to draw."""
        self._panes.focus("lr")
        self.set_interval(TEXT_INTERVAL, self._tick)
        self.call_after_refresh(self._stored.start)
        if self._start_at_once:
            self._hands.start_run(self._view.spec)

    def on_unmount(self) -> None:
        """Look into the store no more."""
        self._stored.close()

    # -- drawing ------------------------------------------------------------------------------------------------------

    def _poll(self) -> bool:
        return any([self._session.poll(), self._stored.poll()])

    def on_screen_suspend(self) -> None:
        """Note that a dialog came over it."""
        self._was_covered = True

    def on_screen_resume(self) -> None:
        """Draw what a dialog's answer has changed, when that has been taken."""
        if self._was_covered:
            self._was_covered = False
            self.call_later(self._pump.at_once)

    def _tick(self) -> None:
        self._pump.tick(self._drawing.is_stale)
        if self._stored.has_opened:
            self._stored.has_opened = False
            self._pump.at_once()
        for answer in self._stored.take_answers():
            self.say(answer)
        if self._endings.any_of(self._scene().runs) and self._view.bell:
            self.app.bell()
        self._hands.start_queued()

    def _draw(self, charts: bool) -> None:
        self._drawing.draw(charts, self._panes.current)

    def take_forecast(self, slot: str, answer: Answer) -> None:
        """Keep a curve that was asked for, and draw it."""
        if self._outlook.take(slot, answer):
            self._pump.at_once()

    def on_resize(self, _: Resize) -> None:
        """Show all panes where they fit, else one at a time."""
        self._panes.arrange()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Make the pane with the focus the current one."""
        for pane in event.widget.ancestors_with_self:
            if pane.id in PANES:
                self._panes.enter(pane.id)

    # -- actions ------------------------------------------------------------------------------------------------------

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys that the user has given to actions, by the action's name."""
        return self._view.keys

    @property
    def scene(self) -> Scene:
        """What the panes draw from."""
        return self._scene()

    @property
    def situation(self) -> Situation:
        """What decides which actions make sense now."""
        self._pump.fold()
        return situation_of(self._scene())

    @cached_property
    def _continuing(self) -> BranchController:
        from lrtui.tui.controllers.branch import BranchController

        return BranchController(self._session, self._view, self, self._ask, self._scene)

    @cached_property
    def _picking(self) -> PickerController:
        from lrtui.tui.controllers.picker import PickerController

        rows, shown = lambda: self._stored.rows, lambda: self._scene().run
        return PickerController(self._session, self._view, self, self._ask, self._hands, rows, shown)

    @cached_property
    def _owners(self) -> tuple[object, ...]:
        # imported when the first key is pressed: the first frame waits for none of it
        from lrtui.tui.controllers.chart_view import ChartKeys
        from lrtui.tui.controllers.code import CodeController
        from lrtui.tui.controllers.quit import Leaving
        from lrtui.tui.controllers.range_test import RangeTestController

        leaving, charts = Leaving(self._session, self._view, self), ChartKeys(self._view, self, self._scene)
        finding = RangeTestController(self._session, self._view, self, self._scene)
        coding = CodeController(self._view, self, self._scene)
        return (self, self._panes, self._hands, self._picking, charts, self._continuing, finding, coding, leaving)

    def action_act(self, name: str) -> None:
        """Do what a key asks for, or say why it makes no sense now."""
        action = ACTIONS_BY_NAME[name]
        number = self.query_one(RunsPane).under_cursor
        if number is not None and number != self._view.selected:
            # the list tells of its cursor a little later: the key is for the run that the user sees it on
            self.put_on(number)
        if refusal := action.refusal(self.situation):
            self.say(f"{action.key(self._view.keys)}: {refusal}")
            return
        getattr(next(owner for owner in self._owners if hasattr(owner, f"do_{name}")), f"do_{name}")()
        self._pump.at_once(charts=False)

    def say(self, message: str) -> None:
        """Show a message in the footer for a few seconds."""
        self.query_one(Footer).say(message)

    def on_runs_pane_chosen(self, message: RunsPane.Chosen) -> None:
        """Put the run under the cursor on screen."""
        self.put_on(message.number)

    def on_run_list_entered(self, _: RunList.Entered) -> None:
        """Show the runs alone, as the key does with every pane."""
        self.action_act("zoom")

    def put_on(self, number: int) -> None:
        """Put a run on screen."""
        self._view.select(number)
        self._pump.at_once()

    def pick(self, scheduler: str) -> None:
        """Open the picker on a scheduler."""
        self._picking.do_schedule(scheduler)

    def open(self, opening: Opening) -> None:
        """Take what the start has found: greet, or offer to go on."""
        free = self.app.screen is self
        if opening.is_first and free and self._session.live is None:
            from lrtui.tui.screens.dialogs import WelcomeScreen

            self.app.push_screen(WelcomeScreen())
        self._continuing.offer(opening, free=free)

    def do_back(self) -> None:
        if self._view.advice is not None:
            self._drawing.advising.dismiss(self._view.selected)
        else:
            self._panes.do_back()

    def do_palette(self) -> None:
        self.app.action_command_palette()

    def do_mark(self) -> None:
        number = self._view.selected
        if number is not None:
            self._view.toggle_mark(number)
            marked = number in self._view.marked
            self.say(f"run #{number} {'marked: it is drawn whatever is on screen' if marked else 'no longer marked'}")

    def do_compare(self) -> None:
        from lrtui.tui.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen(lambda: self._scene().marked))

    def do_filter(self) -> None:
        if self._panes.current == "log":
            self.query_one(LogPane).open_filter()
            return
        self._panes.focus("runs")
        self.query_one(RunsPane).open_filter()

    def do_order(self) -> None:
        self.say(f"runs: {self.query_one(RunsPane).next_order()} first")

    @property
    def focused_pane(self) -> PaneName:
        """The name of the pane with the focus."""
        return self._panes.current

    @property
    def focused_chart(self) -> ChartPane | None:
        """The pane with the focus, where it is a chart."""
        return next((pane for pane in self._drawing.chart_panes if pane.id == self._panes.current), None)
