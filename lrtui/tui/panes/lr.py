"""The learning rate over the whole run: past steps, future steps, and the next run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import FADED, Curve, Form, Label, Layer, Marks
from lrtui.run.events import LrSet, ScheduleSwitched
from lrtui.run.spec import trained_group
from lrtui.run.state import RunState
from lrtui.schedules.forecast import before_switch
from lrtui.text.format import four_digits
from lrtui.tui.forecast import Future
from lrtui.tui.panes.at_cursor import lr_at_cursor
from lrtui.tui.panes.chart_pane import (
    DASHED_SAMPLE,
    FUTURE_SAMPLE,
    LINE_SAMPLE,
    ChartPane,
    chart,
    curve_of_steps,
    glyph_of,
    is_attached_and_going,
    legend_of,
    line_style,
    run_legends,
)
from lrtui.tui.panes.chart_view import ChartView
from lrtui.tui.panes.frame import Legend
from lrtui.tui.run_list.source_runs import ShownRun, label_of
from lrtui.tui.view import Scene
from lrtui.tui.x_axis import batches_per_epoch, preview_rate, seconds_per_step, whole_range, x_of_event, x_of_step


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
            # if there is a better schedule, the legend names both
            return "" if scene.finding and scene.better else f"next run: {scene.view.spec.schedule}"
        lrs = run.state.current_lrs
        if len(lrs) > 1 and run.state.started:
            signs = [f"{_glyph_of_group(group)}:" if _has_group_styles(scene) else "" for group in range(len(lrs))]
            names = [run.state.name_of_group(group) for group in range(len(lrs))]
            rows = zip(signs, names, lrs, strict=True)
            return "lr " + "  ".join(f"{sign}{name} {four_digits(lr)}" for sign, name, lr in rows)
        next_run = f"╌╌ next run: {scene.view.spec.schedule}  " if preview_rate(scene) else ""
        if not lrs:
            return next_run.strip()
        # a script that is not attached may print none
        is_unknown = math.isnan(lrs[0]) and run.spec.is_attached
        return f"{next_run}lr {'unknown' if is_unknown else four_digits(lrs[0])}"

    def empty_text(self, state: RunState) -> str:
        return "No learning rate is known of this run." if is_attached_and_going(state) else self.EMPTY

    def chart_of(self, scene: Scene) -> Chart | None:
        of_runs, of_next_run = [_curves_of_run(scene, run) for run in scene.shown], _curves_of_next_run(scene)
        layers = [layer for course in (*of_runs, of_next_run) for layer in course]
        if not layers:
            return None
        # with the rest of a schedule that was stopped, so that the axis is the same before and after
        courses = [[*_curves_of_run(scene, run), *_rest_if_stopped(scene, run)] for run in scene.shown]
        logarithmic = spans_decades(courses or [of_next_run], whole_range(scene))
        if scene.run is not None:
            layers += [*_replaced_curves(scene, scene.run), *_labels(scene, scene.run)]
        return chart(scene, layers, self.NAME, logarithmic=logarithmic, from_zero=True)

    def legends_of(self, scene: Scene) -> list[Legend]:
        """Return the runs' letters, or what solid, dotted and dashed lines are."""
        if not scene.shown and scene.finding and scene.better:
            planned, better = (LINE_SAMPLE, "chart--line-1"), (DASHED_SAMPLE, "chart--candidate")
            fixes = [f"better: {scene.finding.fix}", "better"]
            return [legend_of((*planned, "next run"), (*better, fix)) for fix in fixes]
        if len(scene.shown) != 1:
            return run_legends(scene)
        (run,) = scene.shown
        style, change = line_style(run, scene), _last_change(run.state)
        past = [(LINE_SAMPLE, style, "past")]
        has_future = run.is_live and run.number in scene.futures
        to_come = [(FUTURE_SAMPLE, style + FADED, "planned")] if has_future else []
        before = []
        # not if the course is equal to the new one, or outside the chart
        if change is not None and GHOST in self.query_one(ChartView).drawn_styles:
            before = [(DASHED_SAMPLE, GHOST, f"before {change_name(change)}")]
        return [legend_of(*past, *to_come, *before), legend_of(*past, *before)] if to_come or before else []


GHOST = "chart--ghost"
"""Style of the course before a change."""

LOG_RATIO = 100.0
"""Ratio of lrs from which the lr axis is logarithmic."""


def spans_decades(courses: Sequence[Sequence[Layer]], whole: tuple[float, float]) -> bool:
    """Return whether one of the lrs falls below 1/100 of its peak for more than a tenth of the whole run.

    For more than a tenth, since the last steps of a schedule that ends at 0 fall below any ratio.

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
        if is_attached_and_going(run.state) and not series.has_values:
            continue
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
        better_groups = range(scene.better.lrs.shape[1])
        layers += [
            Curve(scene.better.series(group), 0.0, rate, "chart--candidate", "dashed", None, "better lr")
            for group in better_groups
        ]
    layers += [Curve(scene.preview.series(group), 0.0, rate, style, form, None, "next run lr") for group in groups]
    return layers


def _future_curves(scene: Scene, run: ShownRun, group: int, style: str) -> list[Curve]:
    """Return the lr of a run's parameter group from the present step on, scaled as the lr is now.

    On a time axis it is drawn at the mean time per step so far, and left out before that is known.
    """
    state = run.state
    scale = state.scale[group] if group < len(state.scale) else 1.0
    return _forecast_curves(scene, run, group, style, scene.futures.get(run.number), state.step, scale)


def _forecast_curves(
    scene: Scene, run: ShownRun, group: int, style: str, future: Future | None, step: int, scale: float
) -> list[Curve]:
    """Return a forecast of a run's parameter group from a step on."""
    if future is None or group >= future.lrs.shape[1]:
        return []
    state, axis = run.state, scene.view.viewport.axis
    done = max(0, step - future.start_step)
    seconds = seconds_per_step(state)
    if done >= len(future.lrs) or (axis == "time" and not seconds):
        return []
    rate = 1.0 / seconds if axis == "time" and seconds else batches_per_epoch(state) if axis == "epoch" else 1.0
    start = x_of_step(state, future.start_step + done, axis) - done / rate
    name = f"{label_of(run)} {_name_of_group(run, group)} to come"
    return [Curve(future.series(group), start, rate, style + FADED, "dotted", None, name, done, scale)]


def _rest_if_stopped(scene: Scene, run: ShownRun) -> list[Curve]:
    """Return the planned lr of a run that was stopped, which is not drawn."""
    if run.is_live:
        return []
    return [curve for group in range(len(run.state.lrs)) for curve in _future_curves(scene, run, group, "")]


# -- changes of the lr ------------------------------------------------------------------------------------------------


def _last_change(state: RunState) -> LrSet | ScheduleSwitched | None:
    """Return the last change that the user made."""
    changes = reversed(state.changes)
    return next((each for each in changes if isinstance(each, ScheduleSwitched) or each.by != "plateau"), None)


def _replaced_curves(scene: Scene, run: ShownRun) -> list[Curve]:
    """Return the course that the lr would have taken without the user's last change, from that change on."""
    change = _last_change(run.state)
    if change is None:
        return []
    curves: list[Curve] = []
    for group in range(len(run.state.lrs)):
        style = line_style(run, scene, group if _has_group_styles(scene) else 0)
        if isinstance(change, ScheduleSwitched):
            before, future = before_switch(run.state), scene.replaced.get(run.number)
            scale = before.scale[group] if before and group < len(before.scale) else 1.0
            curves += _forecast_curves(scene, run, group, style, future, change.step, scale)
        else:
            curves += _curves_without_nudge(scene, run, group, style, change)
    before_change = f"before {change_name(change)}"
    return [replace(curve, style=GHOST, form="ghost", name=f"{curve.name} {before_change}") for curve in curves]


def _curves_without_nudge(scene: Scene, run: ShownRun, group: int, style: str, nudge: LrSet) -> list[Curve]:
    """Return a group's lr divided by the nudge, which multiplies the whole course: no forecast is needed."""
    if group >= len(nudge.lrs_before):
        # added after the nudge
        return []
    before, after = nudge.lrs_before[group], nudge.lrs_after[group]
    if after <= 0 or before == after:
        return []
    state, name = run.state, f"{label_of(run)} {_name_of_group(run, group)}"
    past = curve_of_steps(scene, run, state.lrs[group], style, "ghost", name)
    curves = [replace(past, first=nudge.step - state.first_step)] if past else []
    curves += _future_curves(scene, run, group, style) if run.is_live else []
    return [replace(curve, factor=curve.factor * before / after) for curve in curves]


def change_name(change: LrSet | ScheduleSwitched) -> str:
    """Return a change in a word or two: `x1.25`, `undo`, `lr 0.001`, `OneCycle`."""
    if isinstance(change, ScheduleSwitched):
        # imported with the first switch: the parser takes 20 ms
        from lrtui.schedules.short_notation import short_name

        return short_name(change.schedule)
    if change.by == "undo":
        return "undo"
    # a group that is frozen at 0 does not change
    group = trained_group(change.lrs_after if any(change.lrs_after) else change.lrs_before)
    before, after = change.lrs_before[group], change.lrs_after[group]
    if before <= 0 or (change.by == "user" and change.command.startswith("lr=")):
        return f"lr {four_digits(after)}"
    return f"x{after / before:.3g}"


def _labels(scene: Scene, run: ShownRun) -> list[Label]:
    """Return a label for each change of a run's lr."""
    axis = scene.view.viewport.axis
    changes = run.state.changes
    return [Label(x_of_event(run.state, each.step, each.seconds, axis), change_name(each)) for each in changes]


def _name_of_group(run: ShownRun, group: int) -> str:
    """Return the name of a group's lr in an export."""
    return f"lr {run.state.name_of_group(group)}" if len(run.state.lrs) > 1 else "lr"


def _has_group_styles(scene: Scene) -> bool:
    """Return whether colours and glyphs distinguish parameter groups; with several runs they distinguish the runs."""
    return len(scene.shown) == 1 and scene.run is not None and len(scene.run.state.lrs) > 1


def _glyph_of_group(group: int) -> str:
    """Return the glyph at the end of a group's curve."""
    return "abcdefghijklmnopqrstuvwxyz"[group % 26]
