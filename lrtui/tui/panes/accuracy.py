"""The test accuracy of each epoch."""

from __future__ import annotations

from lrtui.tui.charts.chart import Chart
from lrtui.tui.charts.layers import Layer, Line
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.curves import last_epoch, line_style, marks_of_tests, now_and_changes, sign_of
from lrtui.tui.view import Scene

EMPTY = "The test accuracy after each epoch, once a run goes. r starts one."


def accuracy_pane() -> ChartPane:
    """Return the pane."""
    return ChartPane("Test accuracy", accuracy_figure, accuracy_chart, EMPTY, id="accuracy")


def accuracy_figure(scene: Scene) -> str:
    """Return the best accuracy and its epoch."""
    best = scene.run.state.best if scene.run else None
    return f"best {best.accuracy:.4f}, epoch {best.epoch}" if best and best.accuracy is not None else ""


def accuracy_chart(scene: Scene) -> Chart | None:
    """Return the accuracies of all runs that are drawn, over the same x axis as the charts above."""
    if not scene.shown:
        return None
    layers: list[Layer] = []
    for run in scene.shown:
        marks = marks_of_tests(run, "accuracy", sign_of(run, scene))
        layers += [Line(marks.xs, marks.ys, line_style(run)), marks]
    layers += now_and_changes(scene)
    log = "accuracy" in scene.view.log_axes
    return Chart(layers, 0.0, last_epoch(scene), logarithmic=log, x_label="epoch")
