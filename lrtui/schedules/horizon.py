"""The optimizer steps of a run that a schedule covers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lrtui.schedules.catalogue import Per

if TYPE_CHECKING:
    from lrtui.run.spec import RunSpec
    from lrtui.run.state import RunState


@dataclass(frozen=True, slots=True)
class Horizon:
    """The steps of a run that a schedule covers.

    Args:
        epochs: epochs of the whole run; those that begin after the last step are left out.
        batches_per_epoch: optimizer steps per epoch.
        start_step: optimizer steps done when the schedule starts.
        max_steps: optimizer steps after which the run ends, within its last epoch; None if that epoch is whole.
    """

    epochs: int
    batches_per_epoch: int
    start_step: int = 0
    max_steps: int | None = None

    def __post_init__(self) -> None:
        if self.max_steps is None:
            return
        epochs = -(-self.max_steps // self.batches_per_epoch)
        if self.max_steps >= self.epochs * self.batches_per_epoch or self.max_steps == epochs * self.batches_per_epoch:
            object.__setattr__(self, "max_steps", None)
        object.__setattr__(self, "epochs", min(self.epochs, epochs))

    @classmethod
    def of(cls, spec: RunSpec, batches_per_epoch: int, start_step: int = 0) -> Horizon:
        """Return the steps of a run with these settings."""
        return cls(spec.epochs, batches_per_epoch, start_step, spec.max_steps)

    @classmethod
    def so_far(cls, state: RunState) -> Horizon:
        """Return the length of a run that has started; of an unknown one what it has made so far."""
        started = state.started
        assert started is not None
        epochs, batches_per_epoch = started.spec.epochs, started.batches_per_epoch
        if started.total_steps is not None or not state.step:
            return cls.of(started.spec, batches_per_epoch)
        if batches_per_epoch == 1:
            # the mean of the complete ones; the epoch that is not over yet if there is no other
            batches_per_epoch = (state.step - 1 - state.batch) // (state.epoch - 1) if state.epoch > 1 else state.step
        return cls(max(epochs, -(-state.step // batches_per_epoch)), batches_per_epoch)

    def apply_to(self, spec: RunSpec) -> RunSpec:
        """Return a run's settings with this length, which may have been extended."""
        return spec.extended_to(self.epochs, self.total_steps)

    @property
    def whole(self) -> Horizon:
        """All steps of the run."""
        return replace(self, start_step=0)

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole run."""
        return self.epochs * self.batches_per_epoch if self.max_steps is None else self.max_steps

    def extended(self, epochs: int) -> Horizon:
        """Return the horizon of a run that is longer by the steps of this many epochs."""
        max_steps = None if self.max_steps is None else self.max_steps + epochs * self.batches_per_epoch
        return replace(self, epochs=self.epochs + epochs, max_steps=max_steps)

    def end_of_epoch(self, epoch: int) -> int:
        """Return how many optimizer steps are done at the end of an epoch, from 1."""
        return min(epoch * self.batches_per_epoch, self.total_steps)

    @property
    def steps(self) -> int:
        """Optimizer steps from the start step to the end."""
        return self.total_steps - self.start_step

    def calls(self, per: Per) -> int:
        """Return how many `step()` calls are still to come, including that of the current epoch."""
        if per == "batch":
            return self.steps
        return self.epochs - self.start_step // self.batches_per_epoch

    def moments(self, units: Collection[Per]) -> Iterator[tuple[int, Per]]:
        """Yield the `step()` calls of a schedule in order: the optimizer steps of the run done, and the unit.

        Args:
            units: units of the schedule.
        """
        length, total = self.batches_per_epoch, self.total_steps
        if "batch" in units:
            for done in range(self.start_step + 1, total + 1):
                yield done, "batch"
                if "epoch" in units and (done % length == 0 or done == total):
                    yield done, "epoch"
        else:
            for epoch in range(self.start_step // length + 1, self.epochs + 1):
                yield self.end_of_epoch(epoch), "epoch"

    def after(self, calls: int, per: Per) -> Horizon:
        """Return the horizon of what follows this many `step()` calls; without steps if they take the whole run."""
        start = self.start_step + calls
        if per == "epoch" and calls:
            start = (self.start_step // self.batches_per_epoch + calls) * self.batches_per_epoch
        return replace(self, start_step=min(start, self.total_steps))
