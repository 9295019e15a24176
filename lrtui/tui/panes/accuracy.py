"""The test accuracy of each epoch."""

from __future__ import annotations

from lrtui.tui.charts.chart import Chart
from lrtui.tui.charts.layers import Layer, Line
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.curves import AVERAGED, last_epoch, line_style, marks_of_tests, now_and_changes, sign_of
from lrtui.tui.view import Scene

EMPTY = "The test accuracy after each epoch, once a run goes. r starts one."


def accuracy_pane() -> ChartPane:
    """Return the pane."""
    return ChartPane("Test accuracy", accuracy_figure, accuracy_chart, EMPTY, id="accuracy")


def accuracy_figure(scene: Scene) -> str:
    """Return the best accuracy and its epoch, and the averaged model's last where there is one."""
    state = scene.run.state if scene.run else None
    if state is None or state.best is None:
        return ""
    if state.best.accuracy is None:
        return "this task has none"
    averaged = state.last_averaged
    words = f" · {AVERAGED} averaged {averaged.accuracy:.4f}" if averaged and averaged.accuracy is not None else ""
    return f"best {state.best.accuracy:.4f}, epoch {state.best.epoch}{words}"


def accuracy_chart(scene: Scene) -> Chart | None:
    """Return the accuracies of all runs that are drawn, over the same x axis as the charts above."""
    if not scene.shown:
        return None
    layers: list[Layer] = []
    for run in scene.shown:
        marks = marks_of_tests(run, "accuracy", sign_of(run, scene))
        averaged = marks_of_tests(run, "accuracy", AVERAGED, averaged=True)
        layers += [Line(marks.xs, marks.ys, line_style(run)), averaged, marks]
    layers += now_and_changes(scene)
    log = "accuracy" in scene.view.log_axes
    return Chart(layers, 0.0, last_epoch(scene), logarithmic=log, x_label="epoch")
