"""The lr that is still to come in a run, by stepping the real scheduler."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import LrtuiError
from lrtui.run.state import RunState

Floats = NDArray[np.float64]

Remaining = Callable[[RunState], "Floats | None"]
"""Returns the lr of each step still to come, the scale included, float64, shape (steps, parameter groups); None where
it can't be told."""

MOST_STEPS = 500_000
"""A schedule that is stepped after every batch is not stepped further than that: it takes 10 s, in the process that
trains."""


def follows_a_metric(state: RunState) -> bool:
    """Say whether the schedule waits for what the tests say: it can only lower the lr, and does so by itself."""
    return state.schedule.startswith("ReduceLROnPlateau(")


def from_here(state: RunState, start_step: int, raw: Floats) -> Floats:
    """Return what is left of a forecast, with the scale that holds now.

    Args:
        start_step: step of the first row.
        raw: lr before the scale, shape (steps, parameter groups).
    """
    left = raw[max(0, state.step - start_step) :]
    scale = np.asarray(state.scale)
    return left * scale if len(scale) == left.shape[1] else left


def at_most_now(state: RunState) -> Floats | None:
    """Return this moment's lr for every step to come: the most that a schedule that only lowers it will use."""
    steps = state.total_steps - state.step
    lrs = np.asarray(state.current_lrs, dtype=np.float64)
    return np.broadcast_to(lrs, (steps, len(lrs))) if steps > 0 and len(lrs) else None


class Simulated:
    """What remains of a run's schedule, simulated once for each schedule that is put in place."""

    def __init__(self) -> None:
        self._made: tuple[tuple[object, ...], Floats | None] | None = None

    def __call__(self, state: RunState) -> Floats | None:
        """Return the lr still to come; imports torch at the first call."""
        if state.started is None:
            return None
        if follows_a_metric(state):
            return at_most_now(state)
        switch = state.last_switch
        wanted = (state.schedule, switch.seq if switch else -1, state.total_steps)
        if self._made is None or self._made[0] != wanted:
            self._made = (wanted, _simulate(state))
        raw = self._made[1]
        return None if raw is None else from_here(state, switch.step if switch else 0, raw)


def _simulate(state: RunState) -> Floats | None:
    from lrtui.schedules.horizon import Horizon
    from lrtui.schedules.notation import parse_optimizer, parse_schedule
    from lrtui.schedules.simulate import simulate_anchor

    started, switch = state.started, state.last_switch
    assert started is not None
    try:
        schedule, optimizer = parse_schedule(state.schedule), parse_optimizer(started.spec.optimizer)
        horizon = Horizon(started.spec.epochs, started.batches_per_epoch, switch.step if switch else 0)
        if schedule.per == "batch" and horizon.total_steps > MOST_STEPS:
            return None
        current = switch.lrs_before if switch else optimizer.lrs
        return simulate_anchor(schedule, optimizer, horizon, switch.anchor if switch else "base", current)
    except LrtuiError:
        return None
    except Exception:  # an own scheduler class can raise anything; advice is not worth a run
        return None
