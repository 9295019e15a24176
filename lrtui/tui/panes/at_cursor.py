"""What was the case at the cursor: the exact figures of that moment, for every run that is drawn."""

from __future__ import annotations

import math

from lrtui.run.events import EvalDone, LrSet, ScheduleSwitched
from lrtui.run.lines import change_line
from lrtui.run.numbers import four_digits
from lrtui.run.series import Series
from lrtui.tui.charts.places import value_at
from lrtui.tui.charts.x_axis import x_words
from lrtui.tui.moments import step_at, x_of_event
from lrtui.tui.panes.curves import shown_range, sign_of
from lrtui.tui.shown_run import ShownRun
from lrtui.tui.view import Scene

NOTHING = "-"


def moment(scene: Scene) -> str:
    """Return where the cursor is: the step of the run on screen, and the time where that is the axis."""
    cursor, axis = scene.view.viewport.cursor, scene.view.viewport.axis
    if cursor is None:
        return ""
    if scene.run is None or scene.run.state.started is None:
        return x_words(cursor, axis)
    step = f"step {step_at(scene.run.state, cursor, axis):,}"
    return step if axis == "step" else f"{x_words(cursor, axis)}, {step}"


def lr_at_cursor(scene: Scene) -> str:
    """Return the exact lr of each run, and what was done to it there."""
    change = change_at_cursor(scene)
    return _line(scene, [_lr(scene, run) for run in scene.shown] or [_preview(scene)], "lr ", change)


def loss_at_cursor(scene: Scene) -> str:
    """Return the training loss of each run, smoothed and of the batch, and the latest test's."""
    words = []
    for run in scene.shown:
        index = _index(scene, run)
        span = scene.view.smoothing
        parts = [_number(run.state.loss, index)]
        if span:
            parts = [_number(run.state.smoothed_loss(span), index), f"(batch {parts[0]})"]
        test = test_at_cursor(scene, run)
        words.append(f"{' '.join(parts)} test {four_digits(test.loss) if test else NOTHING}")
    return _line(scene, words, "train ")


def metric_at_cursor(scene: Scene, name: str) -> str:
    """Return what the latest test of each run found of a metric."""
    words = []
    for run in scene.shown:
        test = test_at_cursor(scene, run)
        value = None if test is None else test.accuracy if name == "accuracy" else test.metrics.get(name)
        words.append(NOTHING if test is None or value is None else f"{_metric(name, value)} (epoch {test.epoch})")
    return _line(scene, words, "")


def test_at_cursor(scene: Scene, run: ShownRun) -> EvalDone | None:
    """Return the latest test of the run's own model up to the end of the cursor's column, or None."""
    axis, end = scene.view.viewport.axis, _column(scene)[1]
    own = (result for result in reversed(run.state.evaluations) if not result.averaged)
    return next((test for test in own if x_of_event(run.state, test.step, test.seconds, axis) <= end), None)


def change_at_cursor(scene: Scene) -> str:
    """Return the words of the last switch or nudge in the cursor's column, of whichever run on the chart has one."""
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
    """Return where the last switch, nudge or test of the run on screen in the cursor's column is, or None."""
    if scene.run is None:
        return None
    state, axis = scene.run.state, scene.view.viewport.axis
    low, high = _column(scene)
    events = [*state.evaluations, *state.changes]
    places = [x_of_event(state, event.step, event.seconds, axis) for event in events]
    return max((x for x in places if low <= x <= high), default=None)


def _index(scene: Scene, run: ShownRun) -> int | None:
    """Return which value of the run's series the cursor is at; None where it has none there."""
    cursor = scene.view.viewport.cursor
    if cursor is None:
        return None
    step = step_at(run.state, cursor, scene.view.viewport.axis)
    index = step - run.state.first_step
    return index if 0 <= index < len(run.state.loss) else None


def _metric(name: str, value: float) -> str:
    return f"{value:.4f}" if name == "accuracy" else four_digits(value)


def _number(series: Series, index: int | None) -> str:
    return NOTHING if index is None else four_digits(value_at(series, index))


def _lr(scene: Scene, run: ShownRun) -> str:
    state, index = run.state, _index(scene, run)
    if index is not None:
        exact = [str(value_at(series, index)) for series in state.lrs]
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
    lrs = (str(float(lr * scale)) for lr, scale in zip(future.lrs[row], scales, strict=False))
    return "will be " + " ".join(lrs)


def _preview(scene: Scene) -> str:
    cursor, axis = scene.view.viewport.cursor, scene.view.viewport.axis
    if scene.preview is None or cursor is None or axis == "time":
        return NOTHING
    row = int(cursor * (scene.preview_batches_per_epoch if axis == "epoch" else 1))
    lrs = scene.preview.lrs
    return "will be " + " ".join(str(float(lr)) for lr in lrs[row]) if 0 <= row < len(lrs) else NOTHING


def _line(scene: Scene, words: list[str], what: str, more: str = "") -> str:
    if len(words) > 1:
        words = [f"{sign_of(run, scene)} {word}" for run, word in zip(scene.shown, words, strict=True)]
    parts = [moment(scene), what + "  ".join(words), *([more] if more else [])]
    return " · ".join(parts)
