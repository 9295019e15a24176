"""Steps that start again in every epoch, such as the number of a batch, as steps of the whole run."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lrtui.run.minmax_pyramid import Floats


def filled(values: Floats, last: float) -> Floats:
    """Return the values with the one before in place of NaN.

    Args:
        last: the value before the first one.
    """
    rows = np.where(np.isnan(values), -1, np.arange(len(values)))
    rows = np.maximum.accumulate(rows)
    return np.where(rows < 0, last, values[np.maximum(rows, 0)])


class StepsWithinEpochs:
    """Continues the steps of an epoch after those of the epoch before; other steps are left as they are.

    Steps start again in every epoch if they fall to half or less where the epoch rises. An epoch is as long as its
    last logged step says.
    """

    def __init__(self) -> None:
        self._step = 0
        self._epoch = math.nan
        self._base = 0.0
        self._base_of: dict[float, float] = {}
        self.is_within = False
        """Whether steps start again in every epoch."""
        self._starts_at_0: bool | None = None
        self._interval = 1.0
        # the last two rows that have a step, and their epochs
        self._steps_before, self._epochs_before = np.empty(0), np.empty(0)

    def add(self, steps: Floats, epochs: Floats | None) -> NDArray[np.int64]:
        """Return the steps of these rows in the whole run; a row without a step has that of the row before.

        Args:
            steps: whole numbers; NaN in rows without one.
            epochs: the epoch of each row; NaN in rows without one.
        """
        own = np.flatnonzero(~np.isnan(steps))
        placed = np.full(len(steps), np.nan)
        placed[own] = steps[own]
        if epochs is not None:
            epochs = np.floor(filled(epochs, self._epoch))
            self._epoch = float(epochs[-1])
        if len(own) and (epochs is not None or self.is_within):
            known = epochs if epochs is not None else np.full(len(steps), self._epoch)
            placed[own] += self._bases(steps[own], known[own])
        result = filled(placed, float(self._step)).astype(np.int64)
        self._step = int(result[-1])
        return result

    def _bases(self, steps: Floats, epochs: Floats) -> Floats:
        """Return what is added to each of these steps."""
        if self._starts_at_0 is None:
            self._starts_at_0 = bool(steps[0] == 0)
        before = len(self._steps_before)
        steps = np.concatenate((self._steps_before, steps))
        epochs = np.concatenate((self._epochs_before, epochs))
        bases = np.full(len(steps), self._base)
        is_change = (epochs[1:] != epochs[:-1]) & ~np.isnan(epochs[1:]) & ~np.isnan(epochs[:-1])
        if not self.is_within:
            starts = np.flatnonzero(is_change & (epochs[1:] > epochs[:-1]) & (steps[1:] <= steps[:-1] / 2)) + 1
            starts = starts[starts >= max(1, before)]
            if len(starts):
                self.is_within = True
                is_change[: starts[0] - 1] = False
                # all epochs until then were counted together
                self._base_of[float(epochs[starts[0] - 1])] = 0.0
        if self.is_within:
            for row in (np.flatnonzero(is_change) + 1).tolist():
                if row >= max(1, before):
                    self._change_epoch(steps[max(0, row - 2) : row], epochs[max(0, row - 2) : row], float(epochs[row]))
                    bases[row:] = self._base
        self._steps_before, self._epochs_before = steps[-2:], epochs[-2:]
        return bases[before:]

    def _change_epoch(self, steps: Floats, epochs: Floats, epoch: float) -> None:
        """Set the base of an epoch; the steps and epochs are those of the last two rows before it."""
        if len(steps) == 2 and epochs[0] == epochs[1] and steps[1] > steps[0]:
            self._interval = float(steps[1] - steps[0])
        if epoch > epochs[-1]:
            self._base += max(1.0, float(steps[-1]) + (self._interval if self._starts_at_0 else 0.0))
            self._base_of[epoch] = self._base
        else:
            # the run went back
            earlier = [number for number in self._base_of if number <= epoch]
            self._base = self._base_of[max(earlier)] if earlier else 0.0
