"""The test accuracy of each epoch; and whatever else a task's own test measures."""

from __future__ import annotations

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Layer, Line
from lrtui.text.numbers import four_digits
from lrtui.tui.panes.at_cursor import metric_at_cursor
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.curves import AVERAGED, chart_of, line_style, marks_of_tests, sign_of
from lrtui.tui.panes.tested import ACCURACY, metric_in_pane, metric_names
from lrtui.tui.view import Scene

EMPTY = "The test accuracy after each epoch, once a run goes. r starts one."


def accuracy_pane() -> ChartPane:
    """Return the pane."""
    return ChartPane(
        lambda scene: metric_title(metric_in_pane(scene)), accuracy_figure, accuracy_chart, EMPTY, id="accuracy"
    )


def metric_title(name: str) -> str:
    """Return the title of a metric's pane."""
    return f"Test {name}"


def accuracy_figure(scene: Scene) -> str:
    """Return the figure of what the pane shows, and which key shows the next where there are several."""
    names = metric_names(scene)
    more = f"3: {names[(names.index(metric_in_pane(scene)) + 1) % len(names)]}" if len(names) > 1 else ""
    return "  ".join(filter(None, [metric_figure(scene, metric_in_pane(scene)), more]))


def metric_figure(scene: Scene, name: str) -> str:
    """Return a metric's latest value, of accuracy the best and its epoch; the averaged model's last where there is
    one; at the cursor what was there."""
    if scene.view.viewport.cursor is not None:
        return metric_at_cursor(scene, name)
    state = scene.run.state if scene.run else None
    if state is None or state.best is None:
        return ""
    averaged, last = state.last_averaged, state.last_test
    if name != ACCURACY:
        words = f"{four_digits(last.metrics[name])}, epoch {last.epoch}" if last and name in last.metrics else ""
        if averaged and name in averaged.metrics:
            words += f" · {AVERAGED} averaged {four_digits(averaged.metrics[name])}"
        return words
    if state.best.accuracy is None:
        return "this task has none"
    words = f" · {AVERAGED} averaged {averaged.accuracy:.4f}" if averaged and averaged.accuracy is not None else ""
    return f"best {state.best.accuracy:.4f}, epoch {state.best.epoch}{words}"


def accuracy_chart(scene: Scene) -> Chart | None:
    """Return the chart of what the pane shows."""
    return metric_chart(scene, metric_in_pane(scene))


def metric_chart(scene: Scene, name: str) -> Chart | None:
    """Return a metric of all runs that are drawn, over the same x axis as the charts above."""
    if not scene.shown:
        return None
    layers: list[Layer] = []
    for run in scene.shown:
        marks = marks_of_tests(scene, run, name, sign_of(run, scene))
        averaged = marks_of_tests(scene, run, name, AVERAGED, averaged=True)
        layers += [Line(marks.xs, marks.ys, line_style(run, scene)), averaged, marks]
    return chart_of(scene, layers, "accuracy")
