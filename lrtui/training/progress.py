"""How far a run is in its current epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch

from lrtui.training.random_state import RandomStates

_EARLIER_NAMES = {"started_at": "begun", "seconds_excluded": "seconds_aside", "live_units": "reached"}
"""Names of fields in older checkpoints."""

_LATER: dict[str, Any] = {"live_units": {}, "tested_step": -1}
"""Fields that older checkpoints lack, and their values."""


@dataclass(slots=True)
class Progress:
    """The progress of the current epoch, and the values that EpochDone will report; the loop updates it."""

    random: RandomStates
    """The random states at the epoch's start."""
    epoch: int = 1
    """From 1."""
    steps: int = 0
    """Optimizer steps of the epoch that are done."""
    testing: bool = False
    """Whether all of them are done, and the test that ends the epoch comes next."""
    result: dict[str, float] = field(default_factory=dict)
    """The result of that test for the model itself; empty before it."""
    tested_step: int = -1
    """Step of the run at which the epoch's last periodic test was made; -1 before it."""
    lrs: tuple[float, ...] = ()
    """The lrs of the last step, one per parameter group."""
    samples: int = 0
    """Samples that the epoch's steps have processed."""
    started_at: float = 0.0
    """Start of the epoch in seconds on the run's clock."""
    seconds_excluded: float = 0.0
    """Seconds spent writing checkpoints and running tests on demand, which don't count as training."""
    samples_per_second: float = 0.0
    """Known when all steps are done."""
    live_units: Mapping[str, torch.Tensor] = field(default_factory=dict)
    """By layer, the units that got a gradient in the epoch's last steps: bool, shape (units,)."""

    def start_next_epoch(self, seconds: float, random: RandomStates) -> None:
        """Move to the next epoch; `seconds` are those of the run's clock."""
        # in place, since the loop and the training state share this object
        self.restore(Progress(random, self.epoch + 1, lrs=self.lrs, started_at=seconds).state())

    def measure_speed(self, seconds: float) -> None:
        """Set the samples per second of the epoch's training, tests excluded."""
        training = seconds - self.started_at - self.seconds_excluded
        self.samples_per_second = self.samples / max(training, 1e-9)

    def state(self) -> dict[str, Any]:
        """Return it as plain values and tensors."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Load what `state` returned.

        Raises:
            KeyError: if a value is missing.
        """
        for item in fields(self):
            name = item.name if item.name in state else _EARLIER_NAMES.get(item.name, item.name)
            is_missing = name not in state and item.name in _LATER
            setattr(self, item.name, _LATER[item.name] if is_missing else state[name])
