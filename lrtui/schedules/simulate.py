"""The lr that each batch of a run will use, by stepping the real scheduler: exact, since it is the same code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lrtui.run.errors import LrtuiError, NotationError, UsageError
from lrtui.schedules.anchors import ANCHORS
from lrtui.schedules.build import build, build_tiny_optimizer
from lrtui.schedules.filling import fill_in
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.optimizer_notation import OptimizerSpec
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.stepping import step_scheduler

Results = Sequence[Mapping[str, float]]
"""Figures of each epoch's test, by name, the first epoch's first."""


def simulate(
    schedule: Schedule,
    optimizer: OptimizerSpec,
    horizon: Horizon,
    *,
    base_lrs: Sequence[float] | None = None,
    metrics: Results | None = None,
) -> NDArray[np.float64]:
    """Return the lr of each batch from the horizon's start to the end.

    Args:
        schedule: what to follow; lengths left out are filled in.
        optimizer: its class, lr and groups.
        horizon: the run's length and where the schedule starts.
        base_lrs: lr to build on, one per parameter group, in place of the optimizer's.
        metrics: test results of the epochs from the horizon's start on, for schedules that follow one; where they
            end, the schedule is not stepped.

    Returns:
        float64, shape (steps from the start to the end, parameter groups).

    Raises:
        NotationError: for a schedule that can't be built on this optimizer or stepped to the end.
        TaskError: where the user's own class fails.
    """
    tiny = build_tiny_optimizer(optimizer)
    if base_lrs is not None:
        for group, lr in zip(tiny.param_groups, base_lrs, strict=True):
            group["lr"] = lr
    filled, _ = fill_in(schedule, horizon)
    scheduler = build(filled, tiny, horizon)
    # PyTorch warns of a scheduler that steps before its optimizer
    tiny.step()
    groups = tiny.param_groups
    lrs = np.empty((horizon.steps, len(groups)))
    try:
        _step_through(lrs, groups, scheduler, filled, horizon, metrics)
    except LrtuiError:
        raise
    except Exception as error:  # a user's class can put anything where an lr belongs
        raise NotationError(f"{type(error).__name__}: {error}", str(schedule)) from error
    return lrs


def _step_through(
    lrs: NDArray[np.float64],
    groups: Sequence[Mapping[str, Any]],
    scheduler: Any,
    filled: Schedule,
    horizon: Horizon,
    metrics: Results | None,
) -> None:
    if filled.per == "batch":
        for step in range(horizon.steps):
            lrs[step] = [group["lr"] for group in groups]
            step_scheduler(scheduler, filled, None)
        return
    step, epoch = 0, 0
    while step < horizon.steps:
        # the first epoch may be under way already
        end = step + horizon.batches_per_epoch - (horizon.start_step + step) % horizon.batches_per_epoch
        lrs[step:end] = [group["lr"] for group in groups]
        step_scheduler(scheduler, filled, metrics[epoch] if metrics is not None and epoch < len(metrics) else None)
        step, epoch = end, epoch + 1


def simulate_anchor(
    schedule: Schedule,
    optimizer: OptimizerSpec,
    horizon: Horizon,
    anchor: str,
    current_lrs: Sequence[float],
    *,
    metrics: Results | None = None,
) -> NDArray[np.float64]:
    """Return the lr of each batch that remains, as a switch with this anchor would make it.

    Args:
        anchor: `base`, `current` or `start`.
        current_lrs: this moment's lr, one per parameter group; what `current` builds on.
        metrics: as in `simulate`; for `start` from the run's first epoch on.

    Returns:
        float64, shape (steps from the horizon's start to the end, parameter groups).

    Raises:
        NotationError: as `simulate` does.
        UsageError: for an unknown anchor.
    """
    if anchor not in ANCHORS:
        raise UsageError(f"unknown anchor {anchor[:40]!r}; there are {', '.join(ANCHORS)}")
    if anchor == "start":
        whole = Horizon(horizon.epochs, horizon.batches_per_epoch)
        return simulate(schedule, optimizer, whole, metrics=metrics)[horizon.start_step :]
    base_lrs = current_lrs if anchor == "current" else None
    return simulate(schedule, optimizer, horizon, base_lrs=base_lrs, metrics=metrics)
