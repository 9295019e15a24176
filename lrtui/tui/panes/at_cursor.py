"""What was the case at the cursor: the exact figures of that moment, for every run that is drawn."""

from __future__ import annotations

import math

from lrtui.plotting.places import value_at
from lrtui.plotting.x_axis import x_words
from lrtui.run.event_lines import change_line
from lrtui.run.events import EvalDone, LrSet, ScheduleSwitched
from lrtui.run.series import Series
from lrtui.text.numbers import four_digits
from lrtui.tui.moments import step_at, x_of_event
from lrtui.tui.panes.curves import shown_range, sign_of
from lrtui.tui.run_list.shown_run import ShownRun
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
    """Return the exact lr of the run, and what was done to it there; of several runs the lr to four digits."""
    words = [_lr(scene, run) for run in scene.shown] or [_preview(scene)]
    return " · ".join(filter(None, [moment(scene), f"lr {_each(scene, words)}", change_at_cursor(scene)]))


def loss_at_cursor(scene: Scene) -> str:
    """Return the training loss, smoothed and of the batch, and the latest test's; of several runs all but the batch's.

    The moment stands in the rule of the lr; here it is told only where there is the room, or no other pane.
    """
    words, span, many = [], scene.view.smoothing, len(scene.shown) > 1
    for run in scene.shown:
        index = _index(scene, run)
        train = _number(run.state.smoothed(run.state.loss, span) if span else run.state.loss, index)
        test = test_at_cursor(scene, run)
        tested = four_digits(test.loss) if test else NOTHING
        batch = f" (batch {_number(run.state.loss, index)})" if span else ""
        words.append(f"{train}/{tested}" if many else f"{train}{batch} test {tested}")
    return _with_moment(scene, f"{'train/test' if many else 'train'} {_each(scene, words)}")


def metric_at_cursor(scene: Scene, name: str) -> str:
    """Return what the latest test of each run found of a metric."""
    words = []
    for run in scene.shown:
        test = test_at_cursor(scene, run)
        value = None if test is None else test.accuracy if name == "accuracy" else test.metrics.get(name)
        epoch = f" (epoch {test.epoch})" if test and len(scene.shown) == 1 else ""
        words.append(NOTHING if value is None else f"{_metric(name, value)}{epoch}")
    return _with_moment(scene, _each(scene, words))


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
        alone = len(scene.shown) == 1
        values = [value_at(series, index) for series in state.lrs]
        exact = [str(value) if alone else four_digits(value) for value in values]
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
        # what is to come, in short
        return (">" if scene.view.ascii else "→") + " ".join(map(four_digits, lrs))
    return "will be " + " ".join(map(str, lrs))


def _preview(scene: Scene) -> str:
    cursor, axis = scene.view.viewport.cursor, scene.view.viewport.axis
    if scene.preview is None or cursor is None or axis == "time":
        return NOTHING
    row = int(cursor * (scene.preview_batches_per_epoch if axis == "epoch" else 1))
    lrs = scene.preview.lrs
    return "will be " + " ".join(str(float(lr)) for lr in lrs[row]) if 0 <= row < len(lrs) else NOTHING


def _each(scene: Scene, words: list[str]) -> str:
    """Return the words of each run, under its sign where there are several."""
    if len(words) > 1:
        words = [f"{sign_of(run, scene)} {word}" for run, word in zip(scene.shown, words, strict=True)]
    return "  ".join(words)


def _with_moment(scene: Scene, words: str) -> str:
    """Return the words after the moment, which the rule of the lr has as well where that pane is in sight."""
    return words if len(scene.shown) > 1 and not scene.one_pane else f"{moment(scene)} · {words}"
