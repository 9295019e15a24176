"""Where the moments of a run lie on the x axis: by epoch, by step, or by training time."""

from __future__ import annotations

import math

import numpy as np

from lrtui.plotting.places import index_at, value_at
from lrtui.plotting.scale import round_step
from lrtui.plotting.x_axis import AxisName, time_step
from lrtui.run.state import RunState


def batches_per_epoch(state: RunState) -> int:
    """Return the optimizer steps of the run's epoch; 1 before it started, when there is nothing to draw."""
    return state.started.batches_per_epoch if state.started else 1


def pace(state: RunState) -> float | None:
    """Return the seconds that a step took so far, evaluations included; None before the first."""
    done = state.step - state.first_step
    return state.elapsed / done if done > 0 and state.elapsed > 0 else None


def x_of_step(state: RunState, step: float, axis: AxisName) -> float:
    """Return where a step is; in time one that is still to come is where the pace so far would put it."""
    if axis == "epoch":
        return step / batches_per_epoch(state)
    if axis == "step":
        return step
    index = step - state.first_step
    if not len(state.seconds) or index < 0:
        return 0.0
    if index >= len(state.seconds):
        return state.elapsed + (step - state.step) * (pace(state) or 0.0)
    return value_at(state.seconds, int(index))


def x_of_event(state: RunState, step: int, seconds: float, axis: AxisName) -> float:
    """Return where an event is, which knows both its step and its second."""
    return seconds if axis == "time" else x_of_step(state, step, axis)


def step_at(state: RunState, x: float, axis: AxisName) -> int:
    """Return the step that is under way at that place."""
    if axis == "epoch":
        return math.floor(x * batches_per_epoch(state) + 1e-9)
    if axis == "step":
        return math.floor(x + 1e-9)
    if not len(state.seconds):
        return state.first_step
    if x > state.elapsed:
        return state.step + math.floor((x - state.elapsed) / (pace(state) or 1.0))
    index = int(index_at(state.seconds, np.array([x]))[0])
    return state.first_step + min(index, len(state.seconds) - 1)


def end_of(state: RunState, epochs: int, axis: AxisName) -> float:
    """Return where the run ends, or will.

    Args:
        epochs: of a run that has not started.
    """
    if axis == "epoch":
        return float(state.started.spec.epochs if state.started else epochs)
    if axis == "step":
        return float(state.total_steps)
    if not state.is_live:
        return state.elapsed
    end = x_of_step(state, state.total_steps, axis) if pace(state) else state.elapsed
    # the guess is never the same twice: the axis would tremble
    step = time_step(end, 20) if end >= 20 else round_step(end, 20)
    return math.ceil(end / step) * step if end > 0 else 1.0
