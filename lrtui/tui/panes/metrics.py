"""The panes of losses, accuracies and all other metrics: per-step values as curves, test results as marks."""

from __future__ import annotations

import math

from textual.containers import Vertical

from lrtui.actions import ACTIONS_BY_NAME
from lrtui.panes import fits_all_panes
from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Layer, Line
from lrtui.run.evaluations import ACCURACY, LOSS, metric_of, shown_loss
from lrtui.run.name_pattern import name_matches
from lrtui.run.state import RunState
from lrtui.text.format import counted, cut_start, four_digits, printable
from lrtui.tui.panes.at_cursor import loss_at_cursor, metric_at_cursor
from lrtui.tui.panes.chart_pane import (
    AVERAGED,
    LINE_SAMPLE,
    ChartPane,
    band_style,
    chart,
    curve_of_steps,
    glyph_of,
    is_attached_and_going,
    legend_of,
    line_style,
    marks_of_tests,
    run_legends,
)
from lrtui.tui.panes.frame import Legend
from lrtui.tui.run_list.source_runs import ShownRun, label_of, moment_of
from lrtui.tui.view import Scene

WIDE = 160
"""Minimum width, in columns, at which further metrics have separate panes."""

PANE_LINES = 8
"""Minimum height of a chart with its title and its axis."""

MAX_BANDS = 2
"""Maximum number of runs that are drawn with a band; more bands would cover each other."""

MAX_NEXT = 18
"""Maximum width, in columns, of the name of the next metric in the title of the accuracy pane."""

MANY_METRICS = 4
"""Number of metrics above which the accuracy pane also names the key that chooses one."""

OTHER_LINES = 15
"""Lines of the header, the footer and the log."""


# -- names of metrics -------------------------------------------------------------------------------------------------


def metric_names(scene: Scene, pattern: str | None = None) -> list[str]:
    """Return the metrics of the drawn runs besides the loss.

    First comes what decides which result is the best, then accuracy, the other metrics of the tests, and those of the
    steps.

    Args:
        pattern: those whose names match it, besides the best and the accuracy; None for the user's pattern.
    """
    pattern = scene.view.metric_pattern if pattern is None else pattern
    names: dict[str, None] = {}
    for run in scene.shown:
        for test in (run.state.last_test, run.state.last_averaged):
            if test is not None:
                if test.accuracy is not None:
                    names[ACCURACY] = None
                names.update(dict.fromkeys(test.metrics))
    of_steps = sorted({name for run in scene.shown for name in run.state.metrics} - {LOSS})
    best = {run.state.started.best for run in scene.shown if run.state.started is not None}
    ordered = sorted(names, key=lambda name: (name not in best, name != ACCURACY))
    every = [*ordered, *(name for name in of_steps if name not in names)]
    return [name for name in every if name in best or name == ACCURACY or name_matches(pattern, name)]


def metric_in_pane(scene: Scene) -> str:
    """Return the metric in the accuracy pane: the user's choice, or else the first metric."""
    names = metric_names(scene)
    return scene.view.metric if scene.view.metric in names else names[0] if names else ACCURACY


def next_metric(scene: Scene) -> str:
    """Return the metric after the one that the accuracy pane shows."""
    names, shown = metric_names(scene), metric_in_pane(scene)
    return names[(names.index(shown) + 1) % len(names)] if shown in names else shown


def metrics_below(scene: Scene) -> list[str]:
    """Return the metrics that are not in the accuracy pane, from the one after it on; those before it come last."""
    names, shown = metric_names(scene), metric_in_pane(scene)
    place = names.index(shown) if shown in names else len(names)
    return names[place + 1 :] + names[:place]


def metric_rows(scene: Scene) -> list[tuple[str, str]]:
    """Return all metrics of the drawn runs, with the latest value of the run on screen or the last test's."""
    state = scene.run.state if scene.run else None
    rows = []
    for name in metric_names(scene, ""):
        series = state.metrics.get(name) if state else None
        value = series.last_known if series is not None else metric_of(state.last_test if state else None, name)
        rows.append((name, "" if value is None or math.isnan(value) else four_digits(value)))
    return rows


def latest_loss(scene: Scene, state: RunState) -> float | None:
    """Return the latest training loss as the charts show it, smoothed or not; None if no step has one."""
    if not len(state.loss):
        return None
    span = scene.view.smoothing
    latest = state.smoothed(state.loss, span).last if span else state.last_loss
    has_none = math.isnan(latest) and state.started is not None and not state.started.has_every_loss
    return None if has_none else shown_loss(latest, is_log=state.started is not None and state.started.spec.is_log)


# -- panes ------------------------------------------------------------------------------------------------------------


class MetricChart(ChartPane):
    """The chart of a metric of all drawn runs: values of steps as curves, test results as marks.

    Before the first run it is only a few lines high, which leaves more room for the planned lr.
    """

    def show(self, scene: Scene, charts: bool) -> None:
        """Update title and chart."""
        self.set_class(not scene.shown, "-idle")
        super().show(scene, charts)

    def metric_name(self, scene: Scene) -> str:
        """Return the name of the metric that is shown."""
        raise NotImplementedError

    def legends_of(self, scene: Scene) -> list[Legend]:
        """Return the letters of several runs, or what the line, the band and the marks of a single run are."""
        if len(scene.shown) != 1:
            return run_legends(scene)
        (run,), name, span = scene.shown, self.metric_name(scene), scene.view.smoothing
        style = line_style(run, scene)
        series = run.state.loss if name == LOSS else run.state.metrics.get(name, ())
        if not len(series):
            return []
        tests = [(glyph_of(run, scene), style, "each test")] if metric_of(run.state.last_test, name) is not None else []
        started = run.state.started
        batches = "every batch" if started is None or started.has_every_loss else "logged batches"
        if not span:
            return [legend_of((LINE_SAMPLE, style, batches), *tests)]
        band = ("⣿", band_style(run, scene), batches)
        long = legend_of((LINE_SAMPLE, style, f"mean of {counted(span, 'batch')}"), band, *tests)
        return [long, legend_of((LINE_SAMPLE, style, "mean"), band, *((*row[:2], "test") for row in tests))]

    def chart_of(self, scene: Scene) -> Chart | None:
        name = self.metric_name(scene)
        curves = [(run, _curves_of_steps(scene, run, name)) for run in scene.shown]
        layers: list[Layer] = [curve for _, curves_of_run in curves for curve in curves_of_run]
        has_curves = bool(layers)
        has_tests = not has_curves and any(
            metric_of(test, name) is not None for run in scene.shown for test in run.state.evaluations
        )
        if not scene.shown or (name == LOSS and not (has_curves or has_tests)):
            return None
        if not (has_curves or has_tests) and all(is_attached_and_going(run.state) for run in scene.shown):
            return None
        for run, curves_of_run in curves:
            marks = marks_of_tests(scene, run, name, glyph_of(run, scene))
            averaged = marks_of_tests(scene, run, name, AVERAGED, averaged=True)
            if curves_of_run:
                layers += [marks, averaged]
            else:
                layers += [Line(marks.xs, marks.ys, line_style(run, scene)), averaged, marks]
        return chart(scene, layers, self.NAME, crops=has_curves)


def _curves_of_steps(scene: Scene, run: ShownRun, name: str) -> list[Layer]:
    """Return the values of the run's steps: smoothed, and as a band if few runs are drawn."""
    series = run.state.loss if name == LOSS else run.state.metrics.get(name)
    span = scene.view.smoothing
    if series is None:
        return []
    label, style = f"{label_of(run)} train {name}", line_style(run, scene)
    started = run.state.started
    if is_attached_and_going(run.state) and not series.has_values:
        return []
    has_gaps = name != LOSS or (started is not None and not started.has_every_loss)
    curves = []
    if span and len(scene.shown) <= MAX_BANDS:
        band = curve_of_steps(scene, run, series, band_style(run, scene), "band", label, joins_gaps=has_gaps)
        curves.append(band)
    if span:
        smoothed = run.state.smoothed(series, span)
        curves.append(curve_of_steps(scene, run, smoothed, style, "line", f"{label} smoothed over {span}"))
    else:
        curves.append(curve_of_steps(scene, run, series, style, "line", label, joins_gaps=has_gaps))
    return [curve for curve in curves if curve is not None]


class LossPane(MetricChart):
    """The loss: a band of all training batches, a smoothed line, and marks for the tests."""

    NAME = "loss"
    EMPTY = "Training loss and test loss (●) will appear here."

    def title_of(self, scene: Scene) -> str:
        return "Loss"

    def values_of(self, scene: Scene) -> str:
        if scene.view.viewport.cursor is not None:
            return loss_at_cursor(scene)
        run = scene.run
        if run is None or not len(run.state.loss):
            return ""
        state, parts = run.state, []
        if (latest := latest_loss(scene, state)) is not None:
            parts.append(f"train {four_digits(latest)}")
        if (last := metric_of(state.last_test, LOSS)) is not None:
            parts.append(f"test {four_digits(last)}")
        if (averaged := metric_of(state.last_averaged, LOSS)) is not None:
            parts.append(f"{AVERAGED} averaged {four_digits(averaged)}")
        return " · ".join(parts)

    def metric_name(self, scene: Scene) -> str:
        return LOSS

    def empty_text(self, state: RunState) -> str:
        return "No loss is known of this run." if is_attached_and_going(state) else self.EMPTY


class MetricPane(MetricChart, can_focus=False):
    """A pane for a metric that is not in the accuracy pane; it takes no focus; key 3 focuses the accuracy pane.

    Args:
        place: index among the metrics that are not in the accuracy pane.
    """

    NAME = "accuracy"

    def __init__(self, place: int) -> None:
        super().__init__(id=f"metric-{place}")
        self._place = place

    def metric_name(self, scene: Scene) -> str:
        names = metrics_below(scene)
        return names[self._place] if self._place < len(names) else ""

    def title_of(self, scene: Scene) -> str:
        name = self.metric_name(scene)
        return name if any(len(run.state.metrics.get(name, ())) for run in scene.shown) else f"Test {name}"

    def choices_of(self, scene: Scene) -> tuple[object, ...]:
        smoothing = scene.view.smoothing if any(run.state.metrics for run in scene.shown) else 0
        return (*super().choices_of(scene), smoothing)

    def values_of(self, scene: Scene) -> str:
        return _values_of_metric(scene, self.metric_name(scene))


class AccuracyPane(MetricPane, can_focus=True):
    """The test accuracy of each epoch, or the metric that the user chose."""

    EMPTY = "The test accuracy will appear here."

    def __init__(self) -> None:
        ChartPane.__init__(self, id=self.NAME)

    def metric_name(self, scene: Scene) -> str:
        return metric_in_pane(scene)

    def empty_text(self, state: RunState) -> str:
        if _has_no_tests(state):
            return "No test data: this run has no tests."
        return "No test results and no other metrics yet." if is_attached_and_going(state) else self.EMPTY

    def values_of(self, scene: Scene) -> str:
        names, pattern = metric_names(scene), scene.view.metric_pattern
        parts = [_values_of_metric(scene, self.metric_name(scene))]
        if len(names) > 1:
            parts.append(f"3: {cut_start(printable(next_metric(scene)), MAX_NEXT)}")
        if pattern or len(names) > MANY_METRICS:
            key = ACTIONS_BY_NAME["metrics"].key(scene.view.keys)
            every = len(metric_names(scene, "")) if pattern else len(names)
            parts.append(f"{key}: {f'{printable(pattern)} ({len(names)} of {every})' if pattern else f'all {every}'}")
        return "  ".join(filter(None, parts))


def _has_no_tests(state: RunState) -> bool:
    return state.started is not None and state.started.data.get("test") == 0


def _values_of_metric(scene: Scene, name: str) -> str:
    """Return the values at the cursor, or the latest.

    Of the metric that decides which test is the best, it is the best value and its epoch instead of the last.
    """
    if scene.view.viewport.cursor is not None:
        return metric_at_cursor(scene, name)
    run = scene.run
    if run is None:
        return ""
    state, parts = run.state, []
    if name in state.metrics:
        series, span = state.metrics[name], scene.view.smoothing
        latest = state.smoothed(series, span).last if span else series.last_known
        parts.append("" if math.isnan(latest) else four_digits(latest))
    best, last, averaged = state.best, state.last_test, state.last_averaged
    if name == state.objective.metric and best is not None and (value := metric_of(best, name)) is not None:
        parts.append(f"best {f'{value:.4f}' if name == ACCURACY else four_digits(value)}, {moment_of(run, best)}")
    elif name == ACCURACY and last is not None and last.accuracy is None:
        is_log = state.started is not None and state.started.spec.is_log
        parts.append("" if is_log else "this task has none")
    elif name == ACCURACY and _has_no_tests(state):
        parts.append("no test data")
    elif (value := metric_of(last, name)) is not None and last is not None:
        parts.append(f"{'test ' if parts else ''}{four_digits(value)}, {moment_of(run, last)}")
    if (value := metric_of(averaged, name)) is not None:
        parts.append(f"{AVERAGED} averaged {f'{value:.4f}' if name == ACCURACY else four_digits(value)}")
    return " · ".join(filter(None, parts))


class MetricPanes(Vertical):
    """A pane for each further metric, as many as there is room for."""

    DEFAULT_CSS = "MetricPanes { height: 0; }"

    @property
    def panes(self) -> list[MetricPane]:
        """The panes that are shown."""
        return [pane for pane in self.children if isinstance(pane, MetricPane)]

    def show(self, scene: Scene) -> None:
        """Add and remove panes; the screen draws them with the other charts."""
        wanted = 0 if scene.one_pane else min(len(metrics_below(scene)), panes_with_room(*self.screen.size))
        panes = self.panes
        for pane in panes[wanted:]:
            pane.remove()
        for place in range(len(panes), wanted):
            pane = MetricPane(place)
            self.mount(pane)
            self.call_after_refresh(pane.show, scene, True)
        if wanted != len(panes):
            self.styles.height = f"{3 * wanted}fr" if wanted else 0


def panes_with_room(width: int, height: int) -> int:
    """Return how many panes of metrics fit below those of lr, loss and accuracy."""
    if width < WIDE or not fits_all_panes(width, height):
        return 0
    return max(0, (height - OTHER_LINES) // PANE_LINES - 3)
