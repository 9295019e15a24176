"""What all chart panes share: the x axis, the colours of runs, the marks of changes, the chart itself."""

from __future__ import annotations

from collections.abc import Sequence

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import LINE_COLOURS, Curve, Flag, Form, Layer, Marks, Rule, Sign
from lrtui.run.series import Series
from lrtui.tui.moments import batches_per_epoch, end_of, pace, x_of_event, x_of_step
from lrtui.tui.run_list.shown_run import ShownRun
from lrtui.tui.view import Scene

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def line_style(run: ShownRun, scene: Scene, group: int = 0) -> str:
    """Return the run's colour: its own for as long as it is drawn, whatever else is.

    Args:
        group: of a run that is drawn alone, each parameter group has a colour of its own.
    """
    return f"chart--line-{(scene.view.place_of(run.number) + group) % LINE_COLOURS + 1}"


# -- the x axis -------------------------------------------------------------------------------------------------------


def preview_rate(scene: Scene) -> float | None:
    """Return how many steps of the next run there are in a unit of x, in time at the pace of the run on screen.

    None where the next run is not drawn: while one is going, where it would be the same as the run on screen, and in
    time as long as there is no pace.
    """
    run = scene.run
    if scene.preview is None or scene.commanded is not None:
        return None
    if run is not None and run.spec.schedule == scene.view.spec.schedule:
        return None
    axis = scene.view.viewport.axis
    if axis == "time":
        seconds = pace(run.state) if run else None
        return 1.0 / seconds if seconds else None
    return float(scene.preview_batches_per_epoch) if axis == "epoch" else 1.0


def whole_range(scene: Scene) -> tuple[float, float]:
    """Return the ends of the x axis: those of the longest run that is drawn."""
    axis = scene.view.viewport.axis
    ends = [end_of(run.state, run.spec.epochs, axis) for run in scene.shown]
    rate = preview_rate(scene)
    if scene.preview is not None and rate:
        ends.append(scene.view.spec.epochs * scene.preview_batches_per_epoch / rate)
    if not any(ends) and axis == "epoch":
        ends.append(float(scene.view.spec.epochs))
    return 0.0, max(ends, default=0.0) or 1.0


def now_of(scene: Scene) -> float | None:
    """Return where the run on screen has come to, or None before it started."""
    run = scene.run
    if run is None or run.state.started is None:
        return None
    return x_of_event(run.state, run.state.step, run.state.elapsed, scene.view.viewport.axis)


def shown_range(scene: Scene) -> tuple[float, float]:
    """Return the left and the right end of what the charts show."""
    return scene.view.viewport.shown(whole_range(scene), now_of(scene))


def least_range(scene: Scene) -> float:
    """Return the width of a window in which there is nothing more to see: a few steps."""
    if scene.run is None or scene.run.state.started is None:
        return 1.0 / max(1, scene.preview_batches_per_epoch) if scene.view.viewport.axis == "epoch" else 1.0
    state = scene.run.state
    axis = scene.view.viewport.axis
    return 4 * ((pace(state) or 0.25) if axis == "time" else x_of_step(state, 1.0, axis))


# -- what is drawn ----------------------------------------------------------------------------------------------------


def chart_of(
    scene: Scene, layers: Sequence[Layer], pane: str, *, from_zero: bool = False, crops: bool = False
) -> Chart:
    """Return the chart of a pane: its layers, and what all of them have: now, changes, the cursor, the x axis.

    Args:
        pane: name of the pane. The lowest of those that stand above each other and have a chart bears the axis.
        from_zero: whether the y axis starts at 0.
        crops: whether peaks beyond reading are cropped.
    """
    low, high = shown_range(scene)
    axis = scene.view.viewport.axis
    return Chart(
        [*layers, *now_and_changes(scene)],
        low,
        high,
        logarithmic=pane in scene.view.log_axes,
        from_zero=from_zero,
        crops_peaks=crops,
        x_label=axis if scene.one_pane or not scene.shown or pane not in ("lr", "loss") else None,
        axis=axis,
        ascii=scene.view.ascii,
    )


def now_and_changes(scene: Scene) -> list[Layer]:
    """Return the cursor, the flags of the switches and nudges of the run on screen, the rule at its present step, and
    where runs diverged."""
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


def loss_curve(scene: Scene, run: ShownRun, form: Form = "line", smoothing: int = 0) -> Curve | None:
    """Return the run's training loss; None while there is none.

    Args:
        smoothing: span in steps of the exponential mean that is drawn in place of the values; 0 for the values.
    """
    series = run.state.smoothed(run.state.loss, smoothing) if smoothing else run.state.loss
    name = f"#{run.number} train loss" + (f" smoothed over {smoothing}" if smoothing else "")
    return curve_of_steps(scene, run, series, "chart--band" if form == "band" else line_style(run, scene), form, name)


def curve_of_steps(scene: Scene, run: ShownRun, series: Series, style: str, form: Form, name: str) -> Curve | None:
    """Return a curve of one value a step of the run; None while there is none."""
    if not len(series):
        return None
    state, axis = run.state, scene.view.viewport.axis
    if axis == "time":
        return Curve(series, 0.0, 1.0, style, form, state.seconds, name)
    rate = batches_per_epoch(state) if axis == "epoch" else 1
    return Curve(series, state.first_step / rate, rate, style, form, None, name)


AVERAGED = "○"
"""The sign of an averaged model's test results."""


def marks_of_tests(scene: Scene, run: ShownRun, what: str, sign: str, *, averaged: bool = False) -> Marks:
    """Return the run's test results, where they were made.

    Args:
        what: `loss`, `accuracy`, or the name of a metric.
        averaged: whether the averaged model's are wanted, in place of the model's own.
    """
    xs, ys = [], []
    for result in run.state.evaluations:
        value = getattr(result, what) if what in ("loss", "accuracy") else result.metrics.get(what)
        if result.averaged == averaged and value is not None:
            xs.append(x_of_event(run.state, result.step, result.seconds, scene.view.viewport.axis))
            ys.append(value)
    model = " averaged" if averaged else ""
    return Marks(xs, ys, line_style(run, scene), sign, f"#{run.number} test {what}{model}")


def sign_of(run: ShownRun, scene: Scene) -> str:
    """Return the sign of the run's test results: a dot alone, a letter each where several runs are drawn."""
    if len(scene.shown) < 2:
        return "●"
    return LETTERS[scene.view.place_of(run.number) % len(LETTERS)]


def legend(scene: Scene) -> str:
    """Return which sign is which run, where several are drawn."""
    if len(scene.shown) < 2:
        return ""
    return "  ".join(f"{sign_of(run, scene)} #{run.number}" for run in scene.shown)
