"""The exact values at the cursor, for every run that is drawn."""

from __future__ import annotations

import math

from lrtui.plotting.scale import format_x
from lrtui.run.evaluations import ACCURACY, LOSS, metric_of, shown_loss
from lrtui.run.events import EvalDone, LrSet, ScheduleSwitched
from lrtui.run.log import change_line
from lrtui.run.series import Series, value_at
from lrtui.text.format import four_digits
from lrtui.tui.panes.chart_pane import glyph_of
from lrtui.tui.run_list.source_runs import ShownRun, moment_of
from lrtui.tui.view import Scene
from lrtui.tui.x_axis import axis_label, shown_range, step_at, x_of_event

NOTHING = "-"


def moment(scene: Scene) -> str:
    """Return the cursor's position: the epoch or time, if the axis shows it, and the step of the run on screen."""
    cursor, axis = scene.view.viewport.cursor, axis_label(scene)
    if cursor is None:
        return ""
    if scene.run is None or scene.run.state.started is None:
        return format_x(cursor, axis)
    step = f"step {step_at(scene.run.state, cursor, axis):,}"
    return step if axis == "step" else f"{format_x(cursor, axis)}, {step}"


def lr_at_cursor(scene: Scene) -> str:
    """Return the run's exact lr and the change at the cursor; for several runs, their lrs to four digits."""
    values = [_lr(scene, run) for run in scene.shown] or [_preview(scene)]
    return " · ".join(filter(None, [moment(scene), f"lr {_join_runs(scene, values)}", change_at_cursor(scene)]))


def loss_at_cursor(scene: Scene) -> str:
    """Return the training loss, smoothed and exact, and the latest test loss; for several runs without the exact one.

    The cursor's position is in the title line of the lr pane. It is repeated here if there is room, or if only one pane
    is shown.
    """
    values, many = [], len(scene.shown) > 1
    for run in scene.shown:
        train, batch = _steps_at_cursor(scene, run, run.state.loss)
        loss = metric_of(test_at_cursor(scene, run), LOSS)
        test_loss = NOTHING if loss is None else four_digits(loss)
        values.append(f"{train}/{test_loss}" if many else f"{train}{batch} test {test_loss}")
    return _with_moment(scene, f"{'train/test' if many else 'train'} {_join_runs(scene, values)}")


def metric_at_cursor(scene: Scene, name: str) -> str:
    """Return the metric of each run: that of the step, smoothed and exact, and that of the latest test."""
    values, many = [], len(scene.shown) > 1
    for run in scene.shown:
        parts = []
        if (series := run.state.metrics.get(name)) is not None:
            smoothed, exact = _steps_at_cursor(scene, run, series)
            parts.append(smoothed if many else f"{smoothed}{exact}")
        test = test_at_cursor(scene, run)
        if test is not None and (value := metric_of(test, name)) is not None:
            digits = f"{value:.4f}" if name == ACCURACY else four_digits(value)
            parts.append(digits if many else f"{'test ' if parts else ''}{digits} ({moment_of(run, test)})")
        values.append(("/" if many else " ").join(parts) or NOTHING)
    return _with_moment(scene, _join_runs(scene, values))


def _steps_at_cursor(scene: Scene, run: ShownRun, series: Series) -> tuple[str, str]:
    """Return the value of the step at the cursor as it is drawn, and in brackets the exact one if that is smoothed."""
    span, index = scene.view.smoothing, _index(scene, run)
    exact = _number(series, index)
    if series is run.state.loss and index is not None:
        exact = four_digits(shown_loss(value_at(series, index), is_log=run.spec.is_log))
    started = run.state.started
    has_gaps = series is not run.state.loss or (started is not None and not started.has_every_loss)
    if exact != NOTHING and has_gaps and math.isnan(value_at(series, index or 0)):
        # a metric, or the loss of a script, may have no value at some steps
        exact = NOTHING
    drawn = _number(run.state.smoothed(series, span), index) if span else exact
    return drawn, f" (batch {exact})" if span else ""


def test_at_cursor(scene: Scene, run: ShownRun) -> EvalDone | None:
    """Return the latest test of the run's model up to the end of the cursor's column, or None."""
    axis, end = scene.view.viewport.axis, _column(scene)[1]
    tests = (result for result in reversed(run.state.evaluations) if not result.averaged)
    return next((test for test in tests if x_of_event(run.state, test.step, test.seconds, axis) <= end), None)


def change_at_cursor(scene: Scene) -> str:
    """Return the line of the last change of the run on screen in the cursor's column."""
    axis = scene.view.viewport.axis
    low, high = _column(scene)
    found: list[ScheduleSwitched | LrSet] = []
    if scene.run is not None:
        state = scene.run.state
        found = [c for c in state.changes if low <= x_of_event(state, c.step, c.seconds, axis) <= high]
    return (change_line(found[-1]) or "") if found else ""


def _column(scene: Scene) -> tuple[float, float]:
    """Return the ends of the column of characters that the cursor is in."""
    cursor = scene.view.viewport.cursor
    if cursor is None:
        return math.inf, -math.inf
    low, high = shown_range(scene)
    width = (high - low) / max(1, scene.columns)
    if not width > 0:
        return cursor, cursor
    left = low + math.floor((cursor - low) / width + 1e-9) * width
    return left, left + width * (1 - 1e-9)


def event_at_cursor(scene: Scene) -> float | None:
    """Return the place of the last change or test of the run on screen in the cursor's column, or None."""
    if scene.run is None:
        return None
    state, axis = scene.run.state, scene.view.viewport.axis
    low, high = _column(scene)
    events = [*state.evaluations, *state.changes]
    places = [x_of_event(state, event.step, event.seconds, axis) for event in events]
    return max((x for x in places if low <= x <= high), default=None)


def _index(scene: Scene, run: ShownRun) -> int | None:
    """Return the index in the run's series of the step at the cursor, or None."""
    cursor = scene.view.viewport.cursor
    if cursor is None:
        return None
    step = step_at(run.state, cursor, scene.view.viewport.axis)
    index = step - run.state.first_step
    return index if 0 <= index < len(run.state.loss) else None


def _number(series: Series, index: int | None) -> str:
    return NOTHING if index is None else four_digits(value_at(series, index))


def _lr(scene: Scene, run: ShownRun) -> str:
    state, index = run.state, _index(scene, run)
    if index is not None:
        alone = len(scene.shown) == 1
        values = [value_at(series, index) for series in state.lrs]
        exact = [str(value) if alone else four_digits(value) for value in values]
        # the mean of a block, where the value of the step is not in memory
        about = "≈" if index < state.loss.known_from and not scene.view.ascii else ""
        return about + " ".join(exact)
    future = scene.futures.get(run.number)
    cursor = scene.view.viewport.cursor
    if future is None or cursor is None or not state.is_live:
        return NOTHING
    row = step_at(state, cursor, scene.view.viewport.axis) - future.start_step
    if not 0 <= row < len(future.lrs):
        return NOTHING
    scales = state.scale or (1.0,) * future.lrs.shape[1]
    lrs = [float(lr * scale) for lr, scale in zip(future.lrs[row], scales, strict=False)]
    if len(scene.shown) > 1:
        # an arrow marks future values
        return (">" if scene.view.ascii else "→") + " ".join(map(four_digits, lrs))
    return "will be " + " ".join(map(str, lrs))


def _preview(scene: Scene) -> str:
    cursor, axis = scene.view.viewport.cursor, scene.view.viewport.axis
    if scene.preview is None or cursor is None or axis == "time":
        return NOTHING
    row = int(cursor * (scene.preview_batches_per_epoch if axis == "epoch" else 1))
    lrs = scene.preview.lrs
    return "will be " + " ".join(str(float(lr)) for lr in lrs[row]) if 0 <= row < len(lrs) else NOTHING


def _join_runs(scene: Scene, values: list[str]) -> str:
    """Return the values of each run, after its glyph if there are several."""
    if len(values) > 1:
        values = [f"{glyph_of(run, scene)} {value}" for run, value in zip(scene.shown, values, strict=True)]
    return "  ".join(values)


def _with_moment(scene: Scene, values: str) -> str:
    """Return the values after the cursor's position, which is left out if the lr pane shows it."""
    return values if len(scene.shown) > 1 and not scene.one_pane else f"{moment(scene)} · {values}"
