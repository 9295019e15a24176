"""The loss: every training batch as a band and a smoothed line, the tests as marks."""

from __future__ import annotations

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import Layer
from lrtui.text.numbers import four_digits
from lrtui.tui.panes.at_cursor import loss_at_cursor
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.curves import AVERAGED, chart_of, legend, loss_curve, marks_of_tests, sign_of
from lrtui.tui.view import Scene

EMPTY = "The loss of every training batch, and of each epoch's test (●), once a run goes. r starts one."


def loss_pane() -> ChartPane:
    """Return the pane."""
    return ChartPane("Loss", loss_figure, loss_chart, EMPTY, id="loss")


def loss_figure(scene: Scene) -> str:
    """Return the smoothed training loss and the last test's; at the cursor what they were there."""
    if scene.view.viewport.cursor is not None:
        return loss_at_cursor(scene)
    run = scene.run
    if run is None or not len(run.state.loss):
        # others may be drawn, and have to be told apart
        return legend(scene)
    span = scene.view.smoothing
    series = run.state.smoothed(run.state.loss, span) if span else run.state.loss
    parts = [legend(scene)] if legend(scene) else []
    parts.append(f"train {four_digits(series.last)}")
    if last := run.state.last_test:
        parts.append(f"test {four_digits(last.loss)}")
    if averaged := run.state.last_averaged:
        parts.append(f"{AVERAGED} averaged {four_digits(averaged.loss)}")
    return "  ".join(parts) if legend(scene) else " · ".join(parts)


def loss_chart(scene: Scene) -> Chart | None:
    """Return the losses of all runs that are drawn; a run alone has its band, several have their lines."""
    layers: list[Layer] = []
    alone = len(scene.shown) == 1
    span = scene.view.smoothing
    for run in scene.shown:
        if alone and (band := loss_curve(scene, run, "band" if span else "line")):
            layers.append(band)
        if (span or not alone) and (line := loss_curve(scene, run, "line", span)):
            layers.append(line)
    if not layers:
        return None
    for run in scene.shown:
        layers.append(marks_of_tests(scene, run, "loss", sign_of(run, scene)))
        layers.append(marks_of_tests(scene, run, "loss", AVERAGED, averaged=True))
    return chart_of(scene, layers, "loss", crops=True)
