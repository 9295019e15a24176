"""What the schedule's own lr is multiplied with."""

from __future__ import annotations

import math
from collections.abc import Sequence

from lrtui.run.errors import UsageError


class LrScale:
    """A factor for each parameter group, and what it was before each change.

    Args:
        groups: how many there are.
    """

    def __init__(self, groups: int) -> None:
        self.factors = [1.0] * groups
        self.earlier: list[list[float]] = []
        """What can be undone, the latest change last."""

    def multiply(self, factor: float, unscaled: Sequence[float]) -> None:
        """Multiply all factors.

        Args:
            unscaled: the schedule's own lrs of this moment.

        Raises:
            UsageError: for a factor that is not finite and positive.
        """
        if not (math.isfinite(factor) and factor > 0):
            raise UsageError(f"the lr is multiplied by a positive number, not {factor}")
        self._change([scale * factor for scale in self.factors], unscaled)

    def make(self, lr: float, unscaled: Sequence[float], group: int | None) -> None:
        """Choose the factors that make the schedule's own lrs this one.

        Raises:
            UsageError: for a negative or non-finite lr, a group that is not there, or where the schedule's own lr
                is 0, since no factor can make something of it.
        """
        if not (math.isfinite(lr) and lr >= 0):
            raise UsageError(f"an lr is a finite number of at least 0, not {lr}")
        if group is not None and not 0 <= group < len(unscaled):
            raise UsageError(f"there is no parameter group {group}; there are {len(unscaled)}, counted from 0")
        chosen = range(len(unscaled)) if group is None else [group]
        if any(unscaled[index] == 0 for index in chosen):
            raise UsageError("the schedule's own lr is 0 here and can't be scaled to another; switch the schedule")
        factors = list(self.factors)
        for index in chosen:
            factors[index] = _exact_ratio(lr, unscaled[index])
        self._change(factors, unscaled)

    def undo(self) -> None:
        """Go back to what the factors were before the last change.

        Raises:
            UsageError: where there is none.
        """
        if not self.earlier:
            raise UsageError("nothing to undo: the lr was not changed since the schedule was put in place")
        self.factors = self.earlier.pop()

    def _change(self, factors: list[float], unscaled: Sequence[float]) -> None:
        if not all(math.isfinite(raw * factor) for raw, factor in zip(unscaled, factors, strict=True)):
            raise UsageError("the lr would not be finite")
        self.earlier.append(self.factors)
        self.factors = factors


def _exact_ratio(lr: float, raw: float) -> float:
    """Return f with raw * f == lr, where lr / raw or a float beside it does it: who sets 0.1 sees 0.1."""
    ratio = lr / raw
    neighbours = (ratio, math.nextafter(ratio, math.inf), math.nextafter(ratio, -math.inf))
    return next((factor for factor in neighbours if raw * factor == lr), ratio)
