"""The epochs of an attached run: how many there are, how long they are, and where in them a step is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator


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
        self._by_script = False
        """Whether the script ends its epochs itself, perhaps some steps earlier or later than it has said."""
        self._taken = 0
        """Epochs whose ends were taken."""

    def begin_at(self, step: int) -> None:
        """Continue after this many steps: the epochs before them are over."""
        if self.steps_per_epoch:
            self._taken = step // self.steps_per_epoch
            self._starts = [epoch * self.steps_per_epoch for epoch in range(self._taken + 1)]

    def note_end(self, step: int, *, by_script: bool = False) -> None:
        """Note that an epoch has ended after this many steps.

        Args:
            by_script: whether the script has stepped a scheduler per epoch there. One that it steps at other moments,
                such as every hundred steps, ends no epochs of a known length.
        """
        # after the first step it is not known yet that a scheduler is stepped per epoch
        if by_script and self.steps_per_epoch is not None and self.steps_per_epoch > 1:
            difference = abs(step - self._starts[-1] - self.steps_per_epoch)
            self._by_script = self._by_script or difference <= self.steps_per_epoch // 4
        if step > self._starts[-1]:
            self._starts.append(step)

    @property
    def _length(self) -> int | None:
        """The steps of every epoch; None if the script ends its epochs itself."""
        return None if self._by_script else self.steps_per_epoch

    def place(self, step: int) -> tuple[int, int]:
        """Return the epoch of a step, from 1, and its place within the epoch, from 0."""
        if self._length:
            return step // self._length + 1, step % self._length
        epoch = bisect_right(self._starts, step)
        return epoch, step - self._starts[epoch - 1]

    def epoch_after(self, steps: int) -> int:
        """Return the epoch of the last of so many steps."""
        return self.place(max(0, steps - 1))[0]

    @property
    def next_end(self) -> int | None:
        """Steps after which the next epoch ends, of those that were not taken; None if that is unknown yet."""
        if self._length:
            return (self._taken + 1) * self._length
        return self._starts[self._taken + 1] if self._taken + 1 < len(self._starts) else None

    def take_ended(self, steps: int) -> Iterator[tuple[int, int]]:
        """Yield each epoch that has ended since the last call, and the steps after which it ended.

        Args:
            steps: optimizer steps done.
        """
        while (end := self.next_end) is not None and end <= steps:
            self._taken += 1
            yield self._taken, end

    def steps_left(self, steps: int) -> int:
        """Return how many steps are left after so many, as far as the lengths are known; 0 if they are not."""
        epoch, batch = self.place(steps - 1)
        length = self.steps_per_epoch or 0
        if self._by_script and len(self._starts) > 1:
            # as long as the last one
            length = self._starts[-1] - self._starts[-2]
        return max(0, length - batch - 1) + max(0, (self.count or 0) - epoch) * length

    @property
    def are_over(self) -> bool:
        """Whether the script has ended as many epochs as there are."""
        return self._by_script and self.count is not None and len(self._starts) > self.count
