"""How far a run has come in the epoch under way."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from lrtui.training.dead_units import Reached
from lrtui.training.random_state import RandomStates


@dataclass(slots=True)
class Progress:
    """The epoch under way and what its end will tell of it; the loop counts it up."""

    random: RandomStates
    """The random states that the epoch began with."""
    epoch: int = 1
    """From 1."""
    steps: int = 0
    """Optimizer steps of the epoch that are done."""
    testing: bool = False
    """Whether all of them are done, and the test at the epoch's end is what comes next."""
    result: dict[str, float] = field(default_factory=dict)
    """What that test said of the model itself; empty before it has."""
    lrs: tuple[float, ...] = ()
    """What the last step used."""
    samples: int = 0
    """That the epoch's steps went through."""
    begun: float = 0.0
    """On the run's clock."""
    seconds_aside: float = 0.0
    """Spent on tests that a command asked for, and on checkpoints."""
    samples_per_second: float = 0.0
    """Known when all steps are done."""
    reached: Reached = field(default_factory=dict)
    """The units that a gradient has reached in the epoch's last steps."""

    def begin_next_epoch(self, seconds: float, random: RandomStates) -> None:
        """Turn to the next epoch; `seconds` are those of the run's clock."""
        fresh = Progress(random, self.epoch + 1, lrs=self.lrs, begun=seconds)
        self.restore(fresh.state())

    def note_speed(self, seconds: float) -> None:
        """Note how fast training was: the tests have their own time; `seconds` are those of the run's clock."""
        self.samples_per_second = self.samples / max(seconds - self.begun - self.seconds_aside, 1e-9)

    def state(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned.

        Raises:
            KeyError: where something is missing.
        """
        for item in fields(self):
            # a checkpoint of before they were looked at does not have them
            setattr(self, item.name, state.get("reached", {}) if item.name == "reached" else state[item.name])
