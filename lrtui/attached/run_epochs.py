"""The epochs of an attached run: how many there are, how long they are, and where in them a step is."""

from __future__ import annotations

from bisect import bisect_right


class RunEpochs:
    """The epochs of an attached run: of a known number of steps, or as the script ends them.

    Args:
        steps_per_epoch: optimizer steps per epoch; None if unknown.
        count: epochs of the run; None if unknown.
    """

    def __init__(self, steps_per_epoch: int | None, count: int | None = None) -> None:
        self.steps_per_epoch, self.count = steps_per_epoch, count
        self.are_iterated = False
        """Whether the script's loop asks for each epoch, so that the run can be extended."""
        self._starts = [0]

    def note_end(self, step: int) -> None:
        """Note that an epoch has ended after this many steps."""
        if step > self._starts[-1]:
            self._starts.append(step)

    def place(self, step: int) -> tuple[int, int]:
        """Return the epoch of a step, from 1, and its place within the epoch, from 0."""
        if self.steps_per_epoch:
            return step // self.steps_per_epoch + 1, step % self.steps_per_epoch
        epoch = bisect_right(self._starts, step)
        return epoch, step - self._starts[epoch - 1]

    def epoch_after(self, steps: int) -> int:
        """Return the epoch of the last of so many steps."""
        return self.place(max(0, steps - 1))[0]
