"""The lr of every step of a run, and its places in the run as text: all that some traps examine."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lrtui.schedules.horizon import Horizon

Floats = NDArray[np.float64]


class LrContext:
    """The lr of every step, whatever it comes from.

    Args:
        lrs: lr of each step from the horizon's start, float64, shape (steps, parameter groups).
        horizon: says which steps these are.
    """

    def __init__(self, lrs: Floats, horizon: Horizon) -> None:
        self.lrs, self.horizon = lrs, horizon

    @property
    def starts(self) -> NDArray[np.int64]:
        """The first step that uses the lr of each `step()` call, starting with the initial lr; shape (calls,)."""
        return np.arange(len(self.lrs))

    @property
    def repeats_cycles(self) -> bool:
        """Whether cycles between two lrs of their own repeat, which may end anywhere."""
        return False

    @property
    def restarts(self) -> bool:
        """Whether cycles begin again at their highest lr."""
        return False

    @property
    def averages_at_end(self) -> bool:
        """Whether weights are averaged at the end of the run, at a high lr on purpose."""
        return False

    # --- lrs ---------------------------------------------------------------------------------------------------------

    @cached_property
    def is_finite(self) -> bool:
        """Whether every lr is finite."""
        return bool(np.isfinite(self.lrs).all())

    @cached_property
    def peaks(self) -> Floats:
        """The highest lr of each parameter group."""
        peaks: Floats = self.lrs.max(axis=0, initial=0.0)
        return peaks

    @cached_property
    def share(self) -> Floats:
        """The lr of each step as a share of its group's peak, the maximum over the parameter groups; shape (steps,).

        Groups that are frozen with an lr of 0 are left out; all shares are 0 if every group is frozen.
        """
        trained = self.peaks > 0
        if not trained.any() or not self.is_finite:
            return np.zeros(len(self.lrs))
        shares: Floats = (self.lrs[:, trained] / self.peaks[trained]).max(axis=1)
        return shares

    @property
    def peak(self) -> float:
        """The highest lr of all parameter groups."""
        return float(self.peaks.max(initial=0.0))

    @property
    def last(self) -> float:
        """The highest lr of all parameter groups in the last step."""
        return float(self.lrs[-1].max())

    # --- text for messages -------------------------------------------------------------------------------------------

    @property
    def unit(self) -> str:
        """The unit after which `step()` is called, `epoch` or `step`."""
        return "step"

    def step_text(self, step: int) -> str:
        """Return the place of a step in the run: `epoch 4`, `step 1,200 (epoch 2)`."""
        step = int(step) + self.horizon.start_step
        epoch, batch = divmod(step, self.horizon.batches_per_epoch)
        return f"step {step:,} (epoch {epoch + 1:,})" if batch else f"epoch {epoch + 1:,}"

    def epoch_text(self, step: int) -> str:
        """Return the epoch, from 1, that a step of the horizon belongs to: `epoch 4`."""
        return f"epoch {(int(step) + self.horizon.start_step) // self.horizon.batches_per_epoch + 1:,}"
