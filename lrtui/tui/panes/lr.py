"""The learning rate over the whole run: past steps, future steps, and the next run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import FADED, Curve, Form, Layer, Marks
from lrtui.text.format import four_digits
from lrtui.tui.panes.at_cursor import lr_at_cursor
from lrtui.tui.panes.chart_pane import ChartPane, chart, curve_of_steps, glyph_of, legend, line_style
from lrtui.tui.run_list.source_runs import ShownRun, label_of
from lrtui.tui.view import Scene
from lrtui.tui.x_axis import batches_per_epoch, preview_rate, seconds_per_step, whole_range, x_of_step


class LrPane(ChartPane):
    """The lr of every parameter group: past steps solid, future steps dotted and dim, the next run dashed."""

    NAME = "lr"
    EMPTY = "The learning rate of every step will appear here."
    NO_RUN = "The next run's schedule is drawn as soon as PyTorch is imported."

    def title_of(self, scene: Scene) -> str:
        return "Learning rate"

    def values_of(self, scene: Scene) -> str:
        if scene.view.viewport.cursor is not None:
            return lr_at_cursor(scene)
        run = scene.run
        if run is None:
            if scene.finding and scene.better:
                # the header names the next run's schedule
                return f"── next run   - - better: {scene.finding.fix}"
            return f"next run: {scene.view.spec.schedule}"
        lrs = run.state.current_lrs
        if len(lrs) > 1 and run.state.started:
            signs = [f"{_glyph_of_group(group)}:" if _has_group_styles(scene) else "" for group in range(len(lrs))]
            rows = zip(signs, run.state.started.group_names, lrs, strict=True)
            return "lr " + "  ".join(f"{sign}{name} {four_digits(lr)}" for sign, name, lr in rows)
        runs = f"{legend(scene)}  " if legend(scene) and scene.one_pane else ""
        next_run = f"next run: {scene.view.spec.schedule}  " if preview_rate(scene) else ""
        return f"{runs}{next_run}lr {four_digits(lrs[0])}" if lrs else runs

    def chart_of(self, scene: Scene) -> Chart | None:
        of_runs, of_next_run = [_curves_of_run(scene, run) for run in scene.shown], _curves_of_next_run(scene)
        layers = [layer for course in (*of_runs, of_next_run) for layer in course]
        if not layers:
            return None
        logarithmic = spans_decades(of_runs or [of_next_run], whole_range(scene))
        return chart(scene, layers, self.NAME, logarithmic=logarithmic, from_zero=True)


LOG_RATIO = 100.0
"""Ratio of lrs from which the lr axis is logarithmic."""


def spans_decades(courses: Sequence[Sequence[Layer]], whole: tuple[float, float]) -> bool:
    """Return whether one of the lrs falls below 1/100 of its peak for more than a tenth of the whole run.

    The last steps of a schedule that ends at 0 would be below any ratio.

    Args:
        courses: layers of each run.
        whole: range of the whole run on the x axis.
    """
    low, high = whole
    for course in courses:
        means = [layer.summary(low, high, 50).mean for layer in course if isinstance(layer, Curve)]
        lrs = np.concatenate([mean[np.isfinite(mean)] for mean in means]) if means else np.empty(0)
        if len(lrs) and 0 < np.quantile(lrs, 0.1) * LOG_RATIO < lrs.max():
            return True
    return False


def _curves_of_run(scene: Scene, run: ShownRun) -> list[Layer]:
    layers: list[Layer] = []
    has_group_styles = _has_group_styles(scene)
    for group, series in enumerate(run.state.lrs):
        style = line_style(run, scene, group if has_group_styles else 0)
        if run.state.is_live:
            layers += _future_curves(scene, run, group, style)
        if curve := curve_of_steps(scene, run, series, style, "line", f"{label_of(run)} {_name_of_group(run, group)}"):
            layers.append(curve)
            if has_group_styles or len(scene.shown) > 1:
                # the letter at its end distinguishes the curve without colour
                x = x_of_step(run.state, run.state.step - 1, scene.view.viewport.axis)
                glyph = _glyph_of_group(group) if has_group_styles else glyph_of(run, scene)
                layers.append(Marks([x], [series.last], style, glyph))
    return layers


def _curves_of_next_run(scene: Scene) -> list[Layer]:
    rate = preview_rate(scene)
    if scene.preview is None or not rate:
        return []
    form: Form = "line" if scene.run is None else "dashed"
    style = "chart--line-1" if scene.run is None else "chart--candidate"
    groups = range(scene.preview.lrs.shape[1])
    layers: list[Layer] = []
    if scene.run is None and scene.better is not None:
        ghosts = range(scene.better.lrs.shape[1])
        layers += [
            Curve(scene.better.series(group), 0.0, rate, "chart--candidate", "dashed", None, "better lr")
            for group in ghosts
        ]
    layers += [Curve(scene.preview.series(group), 0.0, rate, style, form, None, "next run lr") for group in groups]
    return layers


def _future_curves(scene: Scene, run: ShownRun, group: int, style: str) -> list[Layer]:
    """Return the lr of a live run's parameter group from the present step on, scaled as the lr is now.

    On a time axis it is drawn at the mean time per step so far, and left out before that is known.
    """
    future = scene.futures.get(run.number)
    if future is None or group >= future.lrs.shape[1]:
        return []
    state, axis = run.state, scene.view.viewport.axis
    done = max(0, state.step - future.start_step)
    scale = state.scale[group] if group < len(state.scale) else 1.0
    seconds = seconds_per_step(state)
    if done >= len(future.lrs) or (axis == "time" and not seconds):
        return []
    rate = 1.0 / seconds if axis == "time" and seconds else batches_per_epoch(state) if axis == "epoch" else 1.0
    start = x_of_step(state, future.start_step + done, axis) - done / rate
    name = f"{label_of(run)} {_name_of_group(run, group)} to come"
    return [Curve(future.series(group), start, rate, style + FADED, "dotted", None, name, done, scale)]


def _name_of_group(run: ShownRun, group: int) -> str:
    """Return the name of a group's lr in an export."""
    started = run.state.started
    return f"lr {started.group_names[group]}" if started and len(run.state.lrs) > 1 else "lr"


def _has_group_styles(scene: Scene) -> bool:
    """Return whether colours and glyphs distinguish parameter groups; with several runs they distinguish the runs."""
    return len(scene.shown) == 1 and scene.run is not None and len(scene.run.state.lrs) > 1


def _glyph_of_group(group: int) -> str:
    """Return the glyph at the end of a group's curve."""
    return "abcdefghijklmnopqrstuvwxyz"[group % 26]
