"""The drawing of the cockpit: every pane from one scene, and what is looked up so that it can be drawn."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from textual.screen import Screen

from lrtui.engine.session import Session
from lrtui.tui.controllers.runs import next_batches_per_epoch
from lrtui.tui.outlook import Outlook
from lrtui.tui.panes.accuracy import accuracy_pane
from lrtui.tui.panes.advice_line import AdviceLine
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.footer import Footer
from lrtui.tui.panes.header import Header
from lrtui.tui.panes.log import LogPane
from lrtui.tui.panes.loss import loss_pane
from lrtui.tui.panes.lr import lr_pane
from lrtui.tui.panes.metrics import MetricPanes
from lrtui.tui.panes.settings import SettingsPane
from lrtui.tui.panes.tabs import Tabs
from lrtui.tui.run_list.pane import RunsPane
from lrtui.tui.run_list.stored_runs import StoredRuns
from lrtui.tui.view import Scene, View

if TYPE_CHECKING:
    from lrtui.tui.advising import Advising
    from lrtui.tui.layout import PaneName


class Drawing:
    """Draws the panes of a screen.

    Args:
        screen: has the panes.
        session: the runs of this process.
        view: the user's choices.
        stored: the runs of the store.
        outlook: what the lr will be.
    """

    def __init__(
        self, screen: Screen[None], session: Session, view: View, stored: StoredRuns, outlook: Outlook
    ) -> None:
        self._screen, self._session, self._view = screen, session, view
        self._stored, self._outlook = stored, outlook
        # asked for in every frame and by every key: kept, since a query goes through the whole screen
        self.charts, self.metrics = (lr_pane(), loss_pane(), accuracy_pane()), MetricPanes()
        self._refusals_said: dict[int, int] = {}
        self._version_drawn = view.version

    @cached_property
    def advising(self) -> Advising:
        """What is advised; only a run brings advice: an empty screen does not wait for the rules."""
        from lrtui.tui.advising import Advising

        return Advising()

    @property
    def chart_panes(self) -> list[ChartPane]:
        """The panes that are charts."""
        return [*self.charts, *self.metrics.panes]

    @property
    def is_stale(self) -> bool:
        """Whether the user has chosen something since it was drawn."""
        return self._view.version != self._version_drawn

    def scene(self) -> Scene:
        """Return what the panes draw from."""
        return Scene(
            self._session,
            self._view,
            self._outlook.preview,
            next_batches_per_epoch(self._view.spec),
            self._outlook.futures,
            self._screen.has_class("-one"),
            columns=max((pane.columns for pane in self.chart_panes if pane.display), default=0),
            stored=self._stored,
        )

    def draw(self, charts: bool, current: PaneName) -> None:
        """Draw what has changed.

        Args:
            charts: whether all charts are due; else only those are drawn that show what the user chose.
            current: the pane with the focus.
        """
        own = {run.number for run in self._session.runs}
        self._stored.follow(self._view.spec.store, self._view.drawn - own)
        self._outlook.look_ahead(
            self._view.spec,
            next_batches_per_epoch(self._view.spec),
            {run.number: run.state for run in self.scene().runs if run.state.is_live},
        )
        self._view.pending.settle()
        scene = self.scene()
        if scene.runs or self._view.advice is not None:
            self.advising.look(scene)
        find = self._screen.query_one
        find(Header).show(scene)
        find(Tabs).show(scene, current)
        find(RunsPane).show(scene)
        find(SettingsPane).show(scene)
        find(LogPane).show(scene)
        self.metrics.show(scene)
        find(AdviceLine).show(scene)
        find(Footer).show(scene)
        for pane in self.chart_panes:
            if pane.display:
                pane.show(scene, charts)
        self._say_refusals()
        self._version_drawn = self._view.version

    def _say_refusals(self) -> None:
        for run in self._session.runs:
            said = self._refusals_said.get(run.number, 0)
            for refusal in run.state.refusals[said:]:
                self._screen.query_one(Footer).say(f"{refusal.command}: {refusal.reason}")
            self._refusals_said[run.number] = len(run.state.refusals)
