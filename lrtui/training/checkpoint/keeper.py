"""Who makes checkpoints of one run, where there is a place for them."""

from __future__ import annotations

from lrtui.training.checkpoint.policy import Checkpoints, Reason
from lrtui.training.checkpoint.state import TrainingState
from lrtui.training.reporter import Reporter


class Keeper:
    """Makes checkpoints between two steps, and between two batches of a test.

    Args:
        checkpoints: the run's place for them; None where nothing is kept.
        state: what they are made of.
        reporter: tells of each.
    """

    def __init__(self, checkpoints: Checkpoints | None, state: TrainingState, reporter: Reporter) -> None:
        self._checkpoints, self._state, self._reporter = checkpoints, state, reporter

    @property
    def is_due(self) -> bool:
        """Whether it is time for the next."""
        return self._checkpoints is not None and self._checkpoints.is_due(self._reporter.step)

    def save_if_due(self) -> None:
        """Make a checkpoint where it is time for the next."""
        if self.is_due:
            self.save("time")

    def save(self, reason: Reason, command_id: str = "") -> str | None:
        """Make a checkpoint; return why none was made, or None. Losses that are kept have to be told before."""
        if self._checkpoints is None:
            return "nothing is kept of this run; start it with a --store"
        begun = self._reporter.clock.seconds
        refusal = self._checkpoints.save(reason, self._state, self._reporter, command_id)
        self._state.progress.seconds_aside += self._reporter.clock.seconds - begun
        return refusal
