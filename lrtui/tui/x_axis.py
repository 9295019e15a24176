"""The x axis that all charts share: positions of steps, the visible part, and the cursor."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lrtui.plotting.scale import AxisName, round_step, time_step
from lrtui.run.series import index_at, value_at
from lrtui.run.state import RunState

if TYPE_CHECKING:
    from lrtui.tui.view import Scene

Range = tuple[float, float]

FACTOR = 2.0
"""Factor by which one key press narrows or widens the window."""

PAN = 0.25
"""Share of the window's width by which one key press moves it."""

ROOM = 0.1
"""Share of the window that stays empty after the newest step while the window follows the run."""


# -- places of steps --------------------------------------------------------------------------------------------------


def batches_per_epoch(state: RunState) -> int:
    """Return the optimizer steps of one epoch; 1 before the run started."""
    return state.started.batches_per_epoch if state.started else 1


def seconds_per_step(state: RunState) -> float | None:
    """Return the mean seconds of a step so far, evaluations included; None before the first step."""
    done = state.step - state.first_step
    return state.elapsed / done if done > 0 and state.elapsed > 0 else None


def x_of_step(state: RunState, step: float, axis: AxisName) -> float:
    """Return the position of a step; on a time axis, that of a future step follows from the mean time per step."""
    if axis == "epoch":
        return step / batches_per_epoch(state)
    if axis == "step":
        return step
    index = step - state.first_step
    if not len(state.seconds) or index < 0:
        return 0.0
    if index >= len(state.seconds):
        return state.elapsed + (step - state.step) * (seconds_per_step(state) or 0.0)
    return value_at(state.seconds, int(index))


def x_of_event(state: RunState, step: int, seconds: float, axis: AxisName) -> float:
    """Return the position of an event, which has both a step and a time."""
    return seconds if axis == "time" else x_of_step(state, step, axis)


def step_at(state: RunState, x: float, axis: AxisName) -> int:
    """Return the step that is in progress at a position."""
    if axis == "epoch":
        return math.floor(x * batches_per_epoch(state) + 1e-9)
    if axis == "step":
        return math.floor(x + 1e-9)
    if not len(state.seconds):
        return state.first_step
    if x > state.elapsed:
        return state.step + math.floor((x - state.elapsed) / (seconds_per_step(state) or 1.0))
    index = int(index_at(state.seconds, np.array([x]))[0])
    return state.first_step + min(index, len(state.seconds) - 1)


def end_of(state: RunState, epochs: int, axis: AxisName) -> float:
    """Return the position of the run's end, estimated while it is live; for a log of unknown length, its newest step.

    Args:
        epochs: length of a run that has not started.
    """
    is_unknown = state.started is not None and state.started.total_steps is None
    if axis == "epoch" and not is_unknown:
        if state.started is None:
            return float(epochs)
        spec = state.started.spec
        # the last epoch of a limited run may be a part of one
        return float(spec.epochs) if spec.max_steps is None else state.total_steps / batches_per_epoch(state)
    if axis == "step" and not is_unknown:
        return float(state.total_steps)
    now = x_of_event(state, state.step, state.elapsed, axis)
    if not state.is_live:
        return now
    end = now if is_unknown or not seconds_per_step(state) else x_of_step(state, state.total_steps, axis)
    # rounded up, since the estimate changes with every step, and the axis would change as well
    step = time_step(end, 20) if axis == "time" and end >= 20 else round_step(end, 20)
    return math.ceil(end / step) * step if end > 0 else 1.0


# -- the axis of a scene ----------------------------------------------------------------------------------------------


def preview_rate(scene: Scene) -> float | None:
    """Return how many steps of the next run one unit of x covers, on a time axis at the speed of the run on screen.

    None if the next run is not drawn: while a run is live; beside a run that has not started or has the same schedule;
    if the user has not chosen the schedule; on a time axis if the speed is unknown.
    """
    run, view = scene.run, scene.view
    if scene.preview is None or scene.command_target is not None:
        return None
    if run is not None and not (scene.next_schedule and view.has_chosen_schedule):
        return None
    axis = scene.view.viewport.axis
    if axis == "time":
        seconds = seconds_per_step(run.state) if run else None
        return 1.0 / seconds if seconds else None
    return float(scene.preview_batches_per_epoch) if axis == "epoch" else 1.0


def whole_range(scene: Scene) -> Range:
    """Return the ends of the x axis, which covers the longest of the drawn runs, or the next run if there is none."""
    axis = scene.view.viewport.axis
    ends = [end_of(run.state, 0 if run.spec.epochs_follow else run.spec.epochs, axis) for run in scene.shown]
    rate = preview_rate(scene) if scene.run is None else None
    if scene.preview is not None and rate:
        ends.append(scene.view.spec.total_steps(scene.preview_batches_per_epoch) / rate)
    if not any(ends) and axis == "epoch":
        per_epoch = scene.preview_batches_per_epoch
        ends.append(scene.view.spec.total_steps(per_epoch) / per_epoch)
    return 0.0, max(ends, default=0.0) or 1.0


def axis_label(scene: Scene) -> AxisName:
    """Return what the x axis counts: steps in place of epochs where their length is unknown in every run drawn."""
    axis, started = scene.view.viewport.axis, [run.state.started for run in scene.shown]
    is_unknown = [start is not None and not start.knows_epochs for start in started]
    return "step" if axis == "epoch" and is_unknown and all(is_unknown) else axis


def now_of(scene: Scene) -> float | None:
    """Return the position of the newest step of the run on screen, or None before it started."""
    run = scene.run
    if run is None or run.state.started is None:
        return None
    return x_of_event(run.state, run.state.step, run.state.elapsed, scene.view.viewport.axis)


def shown_range(scene: Scene) -> Range:
    """Return the left and the right end of what the charts show."""
    return scene.view.viewport.shown(whole_range(scene), now_of(scene))


def least_range(scene: Scene) -> float:
    """Return the width of the narrowest window: a few steps."""
    if scene.run is None or scene.run.state.started is None:
        return 1.0 / max(1, scene.preview_batches_per_epoch) if scene.view.viewport.axis == "epoch" else 1.0
    state = scene.run.state
    axis = scene.view.viewport.axis
    return 4 * ((seconds_per_step(state) or 0.25) if axis == "time" else x_of_step(state, 1.0, axis))


# -- window and cursor ------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Viewport:
    """The window on the x axis and the cursor, the same for all charts; positions are in units of the axis."""

    axis: AxisName = "epoch"
    window: Range | None = None
    """The visible range; None for the whole run."""
    following: bool = False
    """Whether the window moves with the newest step; true if that step was inside when the window was chosen."""
    cursor: float | None = None

    def shown(self, whole: Range, now: float | None) -> Range:
        """Return the left and the right end of what is shown.

        Args:
            whole: the ends of the axis.
            now: position of the newest step, or None.
        """
        if self.window is None:
            return whole
        low, high = self.window
        if self.following and now is not None and now > high - ROOM * (high - low):
            shift = now - (high - ROOM * (high - low))
            low, high = low + shift, high + shift
        return _within(low, high, whole)

    def zoom(self, inwards: bool, whole: Range, now: float | None, least: float) -> bool:
        """Narrow or widen the window around the cursor, or around the newest step; return whether it changed.

        Args:
            least: width of the narrowest window.
        """
        low, high = self.shown(whole, now)
        if not inwards and self.window is None:
            return False
        width = max((high - low) / FACTOR, min(least, high - low)) if inwards else (high - low) * FACTOR
        if abs(width - (high - low)) <= 1e-6 * width:
            return False
        centre = next((x for x in (self.cursor, now) if x is not None and low <= x <= high), (low + high) / 2)
        left = centre - (centre - low) * width / (high - low)
        self._choose(left, left + width, whole, now)
        return True

    def pan(self, widths: float, whole: Range, now: float | None) -> bool:
        """Move the window by this multiple of its width; return whether it changed."""
        if self.window is None:
            return False
        low, high = before = self.shown(whole, now)
        self._choose(low + widths * (high - low), high + widths * (high - low), whole, now)
        return self.window != before

    def _choose(self, low: float, high: float, whole: Range, now: float | None) -> None:
        low, high = _within(low, high, whole)
        self.window = None if high - low >= (whole[1] - whole[0]) * (1 - 1e-9) else (low, high)
        self.following = now is not None and low <= now <= high

    def show_whole(self) -> None:
        """Show the whole run again."""
        self.window, self.following = None, False

    def move_cursor(self, columns: int, of: int, whole: Range, now: float | None) -> None:
        """Move the cursor by columns of the charts; without a cursor, set it at the newest step.

        Args:
            columns: number of columns to the right; negative to the left.
            of: total number of columns of the charts.
        """
        low, high = self.shown(whole, now)
        column = (high - low) / max(1, of)
        if column <= 0:
            return
        if self.cursor is None:
            place = now if now is not None and low <= now <= high else (low + high) / 2
            # the first press shows the cursor without moving it
            columns = 0
        else:
            place = self.cursor
        x = low + (int((place - low) // column) + columns + 0.5) * column
        self.cursor = min(max(x, whole[0] + column / 2), whole[1] - column / 2)
        if not low <= self.cursor <= high:
            outside_by = self.cursor - (high if self.cursor > high else low)
            # by half of the move beyond the cursor: for one column, to the far edge of that column
            half_move = columns * column / 2
            shift = outside_by + half_move
            self._choose(low + shift, high + shift, whole, now)


def _within(low: float, high: float, whole: Range) -> Range:
    """Return the range moved into `whole`, and cut to it if it is wider."""
    width = min(high - low, whole[1] - whole[0])
    low = min(max(low, whole[0]), whole[1] - width)
    return low, low + width
