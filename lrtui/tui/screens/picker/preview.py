"""The picker's right side: the lr over the whole run, and the anchors of a switch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Static

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Curve, Form, Layer, Marks, Rule
from lrtui.run.series import Series
from lrtui.schedules.anchor import ANCHORS
from lrtui.schedules.lr_curve import trained_lrs
from lrtui.schedules.schedule import Schedule
from lrtui.text.format import four_digits
from lrtui.tui.forecast import CurveResult
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame
from lrtui.tui.screens.picker.candidates import LETTERS, PickerCandidate
from lrtui.tui.screens.picker.state import PickerState

CANDIDATE_STYLES = ("chart--line-3", "chart--line-4", "chart--line-5", "chart--line-7")
"""Colors of the candidates, different from those of past steps and of the schedule being chosen."""

LETTERS_PER_CURVE = 3
"""How often a candidate's letter appears on its curve."""

ANCHOR_CAPTION = "from  "


class Preview(Vertical):
    """The chart, and the line of anchors if a run would be switched."""

    def compose(self) -> ComposeResult:
        yield Frame("lr")
        yield ChartView()
        yield Static(id="what-if", markup=False)
        yield Static(id="anchor")

    def on_mount(self) -> None:
        self.query_one(Frame).show("importing PyTorch …")

    def draw(self, state: PickerState) -> None:
        """Draw the curves; until the current schedule has a curve, the previous chart is kept."""
        text, line = state.what_if, self.query_one("#what-if", Static)
        line.display = bool(text)
        line.update(text)
        answer = state.answer
        if answer is not None and answer.lrs is not None:
            self.query_one(Frame).show(_peak_and_end(answer.lrs))
            self.query_one(ChartView).show(preview_chart(answer, state))

    def show_anchor(self, state: PickerState) -> None:
        """Show the anchors of a switch; hide the line if no run would be switched."""
        live, line = state.context.live, self.query_one("#anchor", Static)
        line.display = live is not None
        if live is not None:
            # the width is 0 before the first layout
            width = self.content_size.width or 39
            line.update(anchor_text(state.anchor, state.model.schedule, live.current_lrs, width))


def _peak_and_end(lrs: NDArray[np.float64]) -> str:
    if not len(lrs):
        return "no steps remain"
    shown = trained_lrs(lrs)
    return f"peak {four_digits(float(shown.max()))}  end {four_digits(float(shown[-1]))}"


def preview_chart(answer: CurveResult, state: PickerState) -> Chart:
    """Return the lr over the whole run: past steps as a solid line, the schedule for the remaining steps dashed.

    Without a run the schedule's own curve is solid. Candidates are dashed, with their letters.

    Args:
        answer: has a curve, shape (remaining steps, parameter groups).
        state: the run that would be switched, and the candidates.
    """
    request, live = answer.request, state.context.live
    per_epoch = request.batches_per_epoch
    layers: list[Layer] = []
    if live is not None and len(live.loss):
        layers += [Curve(series, live.first_step / per_epoch, per_epoch, "chart--line-1") for series in live.lrs]
    for candidate in state.candidates:
        style = CANDIDATE_STYLES[candidate.index]
        if candidate.answer.request != request:
            layers += _curves(candidate.answer, style, "dashed")
        layers.append(_letters(candidate, style))
    layers += _curves(answer, "chart--candidate", "line" if live is None else "dashed")
    if live is not None:
        layers.append(Rule(request.start_step / per_epoch))
    return Chart(layers, 0.0, float(request.epochs), from_zero=True, x_label="epoch")


def _curves(answer: CurveResult, style: str, form: Form) -> list[Curve]:
    if answer.lrs is None:
        return []
    per_epoch = answer.request.batches_per_epoch
    start = answer.request.start_step / per_epoch
    return [Curve(Series(np.ascontiguousarray(lrs)), start, per_epoch, style, form) for lrs in answer.lrs.T]


def _letters(candidate: PickerCandidate, style: str) -> Marks:
    lrs, request = candidate.answer.lrs, candidate.answer.request
    if lrs is None or not len(lrs):
        return Marks([], [], style, candidate.letter)
    # at different steps for each candidate, so that the letters of equal curves don't cover each other
    offset = (candidate.index + 1) / (len(LETTERS) + 1)
    steps = ((np.arange(LETTERS_PER_CURVE) + offset) / LETTERS_PER_CURVE * len(lrs)).astype(int)
    xs = (request.start_step + steps) / request.batches_per_epoch
    return Marks(xs.tolist(), trained_lrs(lrs)[steps].tolist(), style, candidate.letter)


def anchor_text(selected: str, schedule: Schedule | None, current_lrs: Sequence[float], width: int) -> Text:
    """Return a line with the anchors, the selected one marked ●, and a line with what it does.

    Args:
        selected: name of the anchor.
        schedule: the one being chosen; None if the notation is not valid.
        current_lrs: lr of each parameter group now.
        width: width in columns.
    """
    line = Text()
    for anchor in ANCHORS:
        name = " ".join([anchor, *map(four_digits, current_lrs)]) if anchor == "current" else anchor
        line.append(f"{'●' if anchor == selected else '○'} {name}  ", "bold" if anchor == selected else "")
    line.rstrip()
    if len(ANCHOR_CAPTION) + len(line) <= width:
        line = Text(ANCHOR_CAPTION).append_text(line)
    help_text = ANCHORS[selected]
    if schedule is not None and schedule.entry and schedule.entry.absolute and selected != "start":
        help_text = "no effect: this scheduler sets its own lr"
    elif schedule is not None and selected == "current" and not any(current_lrs) and schedule.only_multiplies:
        help_text = "the lr is 0 and would stay 0: choose base"
    return line.append(f"\n{help_text}", "dim")
