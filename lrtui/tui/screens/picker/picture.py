"""The picker's right side: the curve, and what a switched schedule builds on."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame
from lrtui.tui.screens.picker.anchor import anchor_lines
from lrtui.tui.screens.picker.chart import candidate_chart, candidate_figure
from lrtui.tui.screens.picker.state import PickerState


class Picture(Vertical):
    """The chart under its rule, and the anchor where a run would be switched."""

    def compose(self) -> ComposeResult:
        yield Frame("lr")
        yield ChartView()
        yield Static(id="what-if", markup=False)
        yield Static(id="anchor")

    def on_mount(self) -> None:
        """Say what is waited for."""
        self.query_one(Frame).show("importing PyTorch …")

    def draw(self, state: PickerState) -> None:
        """Draw the curve over the candidates; where there is none the last one stays."""
        words, line = state.what_if, self.query_one("#what-if", Static)
        line.display = bool(words)
        line.update(words)
        answer = state.answer
        if answer is not None and answer.lrs is not None:
            self.query_one(Frame).show(candidate_figure(answer.lrs))
            self.query_one(ChartView).show(candidate_chart(answer, state.context.live, state.candidates))

    def show_anchor(self, state: PickerState) -> None:
        """Show what the switch builds on."""
        live, line = state.context.live, self.query_one("#anchor", Static)
        line.display = live is not None
        if live is not None:
            # before the first layout there is no width
            width = self.content_size.width or 39
            line.update(anchor_lines(state.anchor, state.model.schedule, live.current_lrs, width))
