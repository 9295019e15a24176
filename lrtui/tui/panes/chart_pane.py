"""A chart under its title, and the common parts of the charts of runs: colours, marks, the cursor, the x axis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Static

from lrtui.panes import PANES_BY_NAME
from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Curve, Flag, Form, Layer, Marks, Rule, Sign
from lrtui.run.evaluations import metric_of
from lrtui.run.series import Series
from lrtui.run.state import RunState
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Frame, Legend
from lrtui.tui.panes.repaint import update_text
from lrtui.tui.run_colours import letter_of, line_class
from lrtui.tui.run_list.source_runs import READING, ShownRun, label_of
from lrtui.tui.view import Scene
from lrtui.tui.x_axis import axis_label, batches_per_epoch, shown_range, x_of_event

LINE_SAMPLE, FUTURE_SAMPLE, DASHED_SAMPLE = "⠒⠒⠒", "⠂⠂⠂", "╌╌╌"
"""How a solid, a dotted and a dashed line are shown in a legend, all equally long."""

READING_SECONDS = 0.5
"""Seconds for which a chart stays empty, without a text, while the events of its run are read."""

AVERAGED = "○"
"""Marks test results of averaged weights."""


class ChartPane(Vertical, can_focus=True):
    """Base class of the panes with a chart.

    Args:
        id: id of the widget; the pane's name if it is left out.
    """

    NAME: ClassVar[str]
    """Name of the pane whose choices, such as a logarithmic y axis, apply to the chart."""
    EMPTY: ClassVar[str] = ""
    """The text that is shown while there is nothing to draw."""
    NO_RUN: ClassVar[str] = "Press r to start a run."
    """The text after EMPTY while there is no run."""

    DEFAULT_CSS = """
    ChartPane { height: 1fr; }
    ChartPane > .empty { height: 1fr; color: $foreground-muted; display: none; }
    ChartPane > .empty { content-align: center middle; text-align: center; padding: 0 3; }
    ChartPane.-empty > .empty { display: block; }
    ChartPane.-empty > ChartView { display: none; }
    """

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id or self.NAME)
        # the panes of further metrics have no key
        self._key = PANES_BY_NAME[self.id].key if self.id in PANES_BY_NAME else ""
        self.title = ""
        """The current title."""
        self._scene: Scene | None = None
        self._choices: object = None
        self._progress: object = None
        self._wait: Timer | None = None
        self._may_say_why = False

    def compose(self) -> ComposeResult:
        yield Frame(self.title, key=self._key)
        yield Static(f"{self.EMPTY} {self.NO_RUN}", classes="empty")
        yield ChartView()

    def title_of(self, scene: Scene) -> str:
        """Return the title, on the left of the line above the chart."""
        raise NotImplementedError

    def values_of(self, scene: Scene) -> str:
        """Return the latest values, or those at the cursor, for the right end of the title line."""
        raise NotImplementedError

    def chart_of(self, scene: Scene) -> Chart | None:
        """Return the chart, or None if there is nothing to draw."""
        raise NotImplementedError

    def legends_of(self, scene: Scene) -> list[Legend]:
        """Return what the title line may show to explain the chart, the longest first; by default the runs' letters."""
        return run_legends(scene)

    def choices_of(self, scene: Scene) -> tuple[object, ...]:
        """Return a value that changes whenever a choice of the user changes the chart."""
        return (scene.view.version, scene.view.versions[self.NAME], scene.one_pane)

    @property
    def columns(self) -> int:
        """Number of columns of the chart without its labels."""
        return self.query_one(ChartView).columns if self.is_mounted else 0

    def show(self, scene: Scene, charts: bool) -> None:
        """Update the title line; draw the chart if a choice changed it, or if charts are due and runs have progressed.

        Args:
            charts: whether charts are due.
        """
        if not self.is_mounted:
            return
        self._scene = scene
        choices, progress = self.choices_of(scene), scene.progress
        if choices != self._choices or (charts and progress != self._progress):
            self._choices, self._progress = choices, progress
            self._show_chart(scene)
        self._show_title(scene)

    def _show_chart(self, scene: Scene) -> None:
        chart = self.chart_of(scene)
        is_unread = scene.run is not None and scene.run.state.waiting_for == READING
        if chart is None and is_unread and not self._may_say_why:
            # its events come with one of the next frames, and to exchange chart and text lays out the whole screen
            self.query_one(ChartView).clear()
            if self._wait is None:
                self._wait = self.set_timer(READING_SECONDS, self._say_why)
            return
        if self._wait is not None:
            self._wait.stop()
        self._wait, self._may_say_why = None, False
        self.set_class(chart is None, "-empty")
        if chart is not None:
            self.query_one(ChartView).show(chart)
        else:
            update_text(self.query_one(".empty", Static), Text(self._empty_text(scene)))

    def _say_why(self) -> None:
        """Show the text if there is still nothing to draw."""
        self._wait, self._may_say_why = None, True
        if self._scene is not None:
            self._show_chart(self._scene)

    def _show_title(self, scene: Scene) -> None:
        """Update the title line; its legend explains what the chart shows."""
        self.title = self.title_of(scene)
        self.query_one(Frame).show(self.values_of(scene), self.title, self.legends_of(scene))

    def on_chart_view_resized(self, message: ChartView.Resized) -> None:
        """Update the legend: at another size the chart can show another part of a curve."""
        message.stop()
        if self._scene is not None:
            self._show_title(self._scene)

    def on_chart_view_clicked(self, message: ChartView.Clicked) -> None:
        """Move the cursor to the clicked column."""
        message.stop()
        if self._scene is not None:
            low, high = shown_range(self._scene)
            self._scene.view.viewport.cursor = low + message.share * (high - low)
            self._scene.view.changed()

    def _empty_text(self, scene: Scene) -> str:
        if scene.run is None:
            return self.EMPTY if scene.view.watched else f"{self.EMPTY} {self.NO_RUN}"
        return error_text(scene.run.state) or self.empty_text(scene.run.state)

    def empty_text(self, state: RunState) -> str:
        """Return what stands in the pane before there is anything to draw of a run."""
        return self.EMPTY


def is_attached_and_going(state: RunState) -> bool:
    """Return whether steps of a script's run or of a log are known, which may lack any of lr, loss and tests."""
    return state.started is not None and state.started.spec.is_attached and state.step > state.first_step


def error_text(state: RunState) -> str:
    """Return why a run failed, in one line; empty if it did not."""
    if state.outcome is None or state.outcome.outcome != "failed":
        return ""
    return f"✗ {(state.outcome.error or 'The run failed without a message.').splitlines()[0]}"


def chart(
    scene: Scene,
    layers: Sequence[Layer],
    pane: str,
    *,
    logarithmic: bool = False,
    from_zero: bool = False,
    crops: bool = False,
) -> Chart:
    """Return a chart of these layers, with the cursor, the present step, changes and the x axis.

    Args:
        pane: name of the pane. If charts are above each other, only the lowest has the x axis.
        logarithmic: whether the y axis is logarithmic unless the user has changed that.
        from_zero: whether the y axis starts at 0.
        crops: whether peaks that would flatten the rest are cut off.
    """
    low, high = shown_range(scene)
    axis = scene.view.viewport.axis
    return Chart(
        [*layers, *_cursor_and_changes(scene)],
        low,
        high,
        logarithmic=logarithmic != (pane in scene.view.log_axes),
        from_zero=from_zero,
        crops_peaks=crops,
        x_label=axis_label(scene) if scene.one_pane or not scene.shown or pane == lowest_chart(scene) else None,
        axis=axis,
        ascii=scene.view.ascii,
    )


def lowest_chart(scene: Scene) -> str:
    """Return the name of the lowest pane that has a chart, if several are above each other: it has the x axis."""
    states = [run.state for run in scene.shown]
    tests = [test for state in states for test in (state.last_test, state.last_averaged) if test is not None]
    if not all(map(is_attached_and_going, states)) or any(state.metrics for state in states):
        return "accuracy"
    if any(test.accuracy is not None or test.metrics for test in tests):
        return "accuracy"
    has_loss = any(state.loss.has_values for state in states) or any(test.loss is not None for test in tests)
    return "loss" if has_loss else "lr"


def _cursor_and_changes(scene: Scene) -> list[Layer]:
    """Return the marks: the cursor, where runs diverged, and the changes and the current step of the run on screen."""
    axis = scene.view.viewport.axis
    layers: list[Layer] = []
    if (cursor := scene.view.viewport.cursor) is not None:
        layers += [Rule(cursor, "chart--cursor", "┊"), Flag(cursor, "chart--cursor", "┼")]
    for run in scene.shown:
        outcome = run.state.outcome
        if outcome is not None and outcome.outcome == "diverged":
            x = x_of_event(run.state, outcome.step, outcome.seconds, axis)
            layers.append(Sign(x, line_style(run, scene)))
    if scene.run is not None and scene.run.state.started is not None:
        state = scene.run.state
        layers += [Flag(x_of_event(state, change.step, change.seconds, axis)) for change in state.changes]
        if state.is_live:
            layers.append(Rule(x_of_event(state, state.step, state.elapsed, axis)))
    return layers


def curve_of_steps(
    scene: Scene, run: ShownRun, series: Series, style: str, form: Form, name: str, *, joins_gaps: bool = False
) -> Curve | None:
    """Return a curve of one value per step of the run, or None if there is none.

    Args:
        joins_gaps: whether NaN stands for no value, so that the line goes on to the next one.
    """
    if not len(series):
        return None
    state, axis = run.state, scene.view.viewport.axis
    if axis == "time":
        return Curve(series, 0.0, 1.0, style, form, state.seconds, name, joins_gaps=joins_gaps)
    rate = batches_per_epoch(state) if axis == "epoch" else 1
    return Curve(series, state.first_step / rate, rate, style, form, None, name, joins_gaps=joins_gaps)


def marks_of_tests(scene: Scene, run: ShownRun, name: str, glyph: str, *, averaged: bool = False) -> Marks:
    """Return marks of the run's test results for a metric.

    Args:
        averaged: whether to return those of the averaged model, not of the model itself.
    """
    results = [result for result in run.state.evaluations if result.averaged == averaged]
    axis = scene.view.viewport.axis
    points = [
        (x_of_event(run.state, result.step, result.seconds, axis), value)
        for result in results
        if (value := metric_of(result, name)) is not None
    ]
    model = " averaged" if averaged else ""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return Marks(xs, ys, line_style(run, scene), glyph, f"{label_of(run)} test {name}{model}")


def line_style(run: ShownRun, scene: Scene, group: int = 0) -> str:
    """Return the style of the run's colour, which it keeps for as long as it is drawn.

    Args:
        group: index of the parameter group; each has its own colour if the run is drawn alone.
    """
    return line_class(scene.view.place_of(run.number) + group)


def band_style(run: ShownRun, scene: Scene) -> str:
    """Return the style of the band of the run's batches: its colour, but paler."""
    return line_style(run, scene).replace("line", "band")


def glyph_of(run: ShownRun, scene: Scene) -> str:
    """Return the glyph of the run's test results: a dot if it is drawn alone, otherwise a letter for each run."""
    if len(scene.shown) < 2:
        return "●"
    return letter_of(scene.view.place_of(run.number))


def run_legends(scene: Scene) -> list[Legend]:
    """Return the runs' letters with labels and schedules, with labels, and alone; nothing for fewer than two runs."""
    if len(scene.shown) < 2:
        return []
    named = [(glyph_of(run, scene), label_of(run), line_style(run, scene), schedule_of(run)) for run in scene.shown]
    return [
        _spaced([(f"{letter} {label} {schedule}", style) for letter, label, style, schedule in named]),
        _spaced([(f"{letter} {label}", style) for letter, label, style, _ in named]),
        _spaced([(letter, style) for letter, _, style, _ in named], " "),
    ]


def _spaced(pieces: Sequence[tuple[str, str]], space: str = "  ") -> Legend:
    """Return the pieces with blanks between them."""
    return tuple((text if index == 0 else f"{space}{text}", style) for index, (text, style) in enumerate(pieces))


def legend_of(*pieces: tuple[str, str, str]) -> Legend:
    """Return a legend from signs, the styles that they are drawn in, and what they mean."""
    parts: list[tuple[str, str]] = []
    for sign, style, meaning in pieces:
        parts += [(f"{'  ' if parts else ''}{sign}", style), (f" {meaning}", "")]
    return tuple(parts)


def schedule_of(run: ShownRun) -> str:
    """Return the run's schedule in short."""
    # imported with the first schedule to be shortened: the parser takes 20 ms
    from lrtui.schedules.short_notation import short_notation

    return short_notation(run.state.schedule or run.spec.schedule)
