"""How long a schedule has."""

from __future__ import annotations

from dataclasses import dataclass

from lrtui.schedules.catalogue import Per


@dataclass(frozen=True, slots=True)
class Horizon:
    """The stretch of a run that a schedule covers.

    Args:
        epochs: of the whole run.
        batches_per_epoch: optimizer steps an epoch.
        start_step: optimizer steps done when the schedule is put in place.
    """

    epochs: int
    batches_per_epoch: int
    start_step: int = 0

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.epochs * self.batches_per_epoch

    @property
    def steps(self) -> int:
        """Optimizer steps from the start step to the end."""
        return self.total_steps - self.start_step

    def calls(self, per: Per) -> int:
        """Return how many `step()` calls are to come; the epoch under way counts, since it still has its own."""
        if per == "batch":
            return self.steps
        return self.epochs - self.start_step // self.batches_per_epoch
