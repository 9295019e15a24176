"""The learning rate over the whole run: what was, what will be, what could be."""

from __future__ import annotations

from lrtui.plotting.chart import Chart
from lrtui.plotting.layers import FADED, Curve, Form, Layer, Marks
from lrtui.text.numbers import four_digits
from lrtui.tui.moments import batches_per_epoch, pace, x_of_step
from lrtui.tui.panes.at_cursor import lr_at_cursor
from lrtui.tui.panes.chart_pane import ChartPane
from lrtui.tui.panes.curves import chart_of, curve_of_steps, legend, line_style, preview_rate, sign_of
from lrtui.tui.run_list.shown_run import ShownRun
from lrtui.tui.view import Future, Scene

EMPTY = "The learning rate of every batch, as it will be: drawn as soon as PyTorch is imported."


def lr_pane() -> ChartPane:
    """Return the pane."""
    return ChartPane("Learning rate", lr_figure, lr_chart, EMPTY, id="lr")


def lr_figure(scene: Scene) -> str:
    """Return the lr now; before a run, the schedule that it will follow; at the cursor what it was there."""
    if scene.view.viewport.cursor is not None:
        return lr_at_cursor(scene)
    run = scene.run
    if run is None:
        return f"next run: {scene.view.spec.schedule}"
    lrs = run.state.current_lrs
    if len(lrs) > 1 and run.state.started:
        signs = [f"{_sign_of_group(group)}:" if _is_drawn_apart(scene) else "" for group in range(len(lrs))]
        rows = zip(signs, run.state.started.group_names, lrs, strict=True)
        return "lr " + "  ".join(f"{sign}{name} {four_digits(lr)}" for sign, name, lr in rows)
    runs = f"{legend(scene)}  " if legend(scene) and scene.one_pane else ""
    return f"{runs}lr {four_digits(lrs[0])}" if lrs else runs


def lr_chart(scene: Scene) -> Chart | None:
    """Return every group's lr: solid up to now, dotted and dim from now on, dashed what the next run would have."""
    layers: list[Layer] = []
    run = scene.run
    apart = _is_drawn_apart(scene)
    for other in scene.shown:
        for group in range(len(other.state.lrs)):
            style = line_style(other, scene, group if apart else 0)
            name = f"#{other.number} {name_of_group(other, group)}"
            if other.state.is_live:
                layers += future_curves(scene, other.number, group, style)
            if curve := curve_of_steps(scene, other, other.state.lrs[group], style, "line", name):
                layers.append(curve)
                if apart or len(scene.shown) > 1:
                    # told apart without colour, too
                    x = x_of_step(other.state, other.state.step - 1, scene.view.viewport.axis)
                    sign = _sign_of_group(group) if apart else sign_of(other, scene)
                    layers.append(Marks([x], [other.state.lrs[group].last], style, sign))
    if scene.preview is not None and (rate := preview_rate(scene)):
        form: Form = "dotted" if run is None else "dashed"
        style = "chart--line-1" if run is None else "chart--candidate"
        for group in range(scene.preview.lrs.shape[1]):
            layers.append(Curve(scene.preview.series(group), 0.0, rate, style, form, None, "next run lr"))
    if not layers:
        return None
    return chart_of(scene, layers, "lr", from_zero=True)


def name_of_group(run: ShownRun, group: int) -> str:
    """Return what the lr of a group is called in an export."""
    started = run.state.started
    return f"lr {started.group_names[group]}" if started and len(run.state.lrs) > 1 else "lr"


def _is_drawn_apart(scene: Scene) -> bool:
    """Say whether parameter groups have a colour and a sign each: with several runs these are what tells the runs."""
    return len(scene.shown) == 1 and scene.run is not None and len(scene.run.state.lrs) > 1


def _sign_of_group(group: int) -> str:
    """Return the sign at a group's curve, where it has come to."""
    return "abcdefghijklmnopqrstuvwxyz"[group % 26]


def future_curves(scene: Scene, number: int, group: int, style: str) -> list[Layer]:
    """Return the dim and dotted course of a live run's group from its present step on, nudges included.

    In time it is where the pace so far would put it; before there is one it is left out.
    """
    future: Future | None = scene.futures.get(number)
    run = next(run for run in scene.shown if run.number == number)
    if future is None or group >= future.lrs.shape[1]:
        return []
    state, axis = run.state, scene.view.viewport.axis
    ahead = max(0, state.step - future.start_step)
    scale = state.scale[group] if group < len(state.scale) else 1.0
    seconds = pace(state)
    if ahead >= len(future.lrs) or (axis == "time" and not seconds):
        return []
    rate = 1.0 / seconds if axis == "time" and seconds else batches_per_epoch(state) if axis == "epoch" else 1.0
    start = x_of_step(state, future.start_step + ahead, axis) - ahead / rate
    name = f"#{number} {name_of_group(run, group)} to come"
    return [Curve(future.series(group), start, rate, style + FADED, "dotted", None, name, ahead, scale)]
