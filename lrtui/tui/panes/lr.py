"""The learning rate over the whole run: what was, what will be, what could be."""

from __future__ import annotations

import numpy as np

from lrtui.run.numbers import four_digits
from lrtui.run.series import Series
from lrtui.tui.charts.chart import Chart
from lrtui.tui.charts.layers import Curve, Form, Layer, Marks
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.curves import batches_per_epoch, last_epoch, line_style, lr_curve, now_and_changes
from lrtui.tui.view import Future, Scene

EMPTY = "The learning rate of every batch, as it will be: drawn as soon as PyTorch is imported."


def lr_pane() -> ChartPane:
    """Return the pane."""
    return ChartPane("Learning rate", lr_figure, lr_chart, EMPTY, id="lr")


def lr_figure(scene: Scene) -> str:
    """Return the lr now; before a run, the schedule that it will follow."""
    run = scene.run
    if run is None:
        return f"next run: {scene.view.spec.schedule}"
    lrs = run.state.current_lrs
    if len(lrs) > 1 and run.state.started:
        signs = [f"{_sign_of_group(group)}:" if _is_drawn_apart(scene) else "" for group in range(len(lrs))]
        rows = zip(signs, run.state.started.group_names, lrs, strict=True)
        return "lr " + "  ".join(f"{sign}{name} {four_digits(lr)}" for sign, name, lr in rows)
    return f"lr {four_digits(lrs[0])}" if lrs else ""


def lr_chart(scene: Scene) -> Chart | None:
    """Return every group's lr: solid up to now, dotted from now on, dashed what the next run would have."""
    layers: list[Layer] = []
    end = last_epoch(scene)
    run = scene.run
    apart = _is_drawn_apart(scene)
    for other in scene.shown:
        for group in range(len(other.state.lrs)):
            style = line_style(other, group if apart else 0)
            if other.state.is_live:
                layers += future_curves(scene, other.number, group, style)
            if curve := lr_curve(other, group, style):
                layers.append(curve)
                if apart:
                    x = (other.state.step - 1) / batches_per_epoch(other)
                    layers.append(Marks([x], [other.state.lrs[group].last], style, _sign_of_group(group)))
    if scene.preview is not None and scene.session.live is None and _is_news(scene):
        per_epoch = scene.preview_batches_per_epoch
        form: Form = "dotted" if run is None else "dashed"
        style = "chart--line-1" if run is None else "chart--candidate"
        for group in range(scene.preview.lrs.shape[1]):
            series = scene.preview.series(group)
            layers.append(Curve(series, 0.0, per_epoch, style, form))
        end = max(end, float(scene.view.spec.epochs))
    if not layers:
        return None
    layers += now_and_changes(scene)
    return Chart(
        layers,
        0.0,
        end,
        logarithmic="lr" in scene.view.log_axes,
        from_zero=True,
        x_label="epoch" if scene.one_pane else None,
    )


def _is_news(scene: Scene) -> bool:
    """Say whether the next run's schedule would be another than that of the run on screen."""
    return scene.run is None or scene.run.spec.schedule != scene.view.spec.schedule


def _is_drawn_apart(scene: Scene) -> bool:
    """Say whether parameter groups have a colour and a sign each: with several runs these are what tells the runs."""
    return len(scene.shown) == 1 and scene.run is not None and len(scene.run.state.lrs) > 1


def _sign_of_group(group: int) -> str:
    """Return the sign at a group's curve, where it has come to."""
    return "abcdefghijklmnopqrstuvwxyz"[group % 26]


def future_curves(scene: Scene, number: int, group: int, style: str) -> list[Layer]:
    """Return the dotted course of a live run's group from its present step on, nudges included."""
    future: Future | None = scene.futures.get(number)
    run = next(run for run in scene.session.runs if run.number == number)
    if future is None or group >= future.lrs.shape[1]:
        return []
    per_epoch = batches_per_epoch(run)
    ahead = max(0, run.state.step - future.start_step)
    scale = run.state.scale[group] if group < len(run.state.scale) else 1.0
    values = future.lrs[ahead:, group] * scale
    if not len(values):
        return []
    start = (future.start_step + ahead) / per_epoch
    return [Curve(Series(np.ascontiguousarray(values)), start, per_epoch, style, "dotted")]
