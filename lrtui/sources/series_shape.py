"""The values of a series in short, by which its meaning is recognized beside its name."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrtui.run.minmax_pyramid import Floats


@dataclass(frozen=True, slots=True)
class SeriesShape:
    """The values of a series in short.

    Args:
        count: how many there are, NaN and infinite ones included.
        first_step: the first step.
        last_step: the last step.
        minimum: the smallest finite value; NaN if there is none.
        maximum: the largest finite value; NaN if there is none.
        is_whole: whether all finite values are whole numbers.
        falls: whether a finite value is below the finite one before it.
        last: the last finite value; NaN if there is none.
    """

    count: int = 0
    first_step: int = 0
    last_step: int = 0
    minimum: float = nan
    maximum: float = nan
    is_whole: bool = True
    falls: bool = False
    last: float = nan

    def extended(self, steps: NDArray[np.int64], values: Floats) -> Self:
        """Return the shape with further values."""
        if not len(steps):
            return self
        finite = values[np.isfinite(values)]
        minimum, maximum, last, falls = self.minimum, self.maximum, self.last, self.falls
        if len(finite):
            minimum = float(np.fmin(minimum, finite.min()))
            maximum = float(np.fmax(maximum, finite.max()))
            falls = falls or bool(finite[0] < last) or bool((finite[1:] < finite[:-1]).any())
            last = float(finite[-1])
        return type(self)(
            count=self.count + len(steps),
            first_step=self.first_step if self.count else int(steps[0]),
            last_step=int(steps[-1]),
            minimum=minimum,
            maximum=maximum,
            is_whole=self.is_whole and bool((finite == np.rint(finite)).all()),
            falls=falls,
            last=last,
        )

    @property
    def is_counter(self) -> bool:
        """Whether the values count something: whole numbers that only rise."""
        return self.count >= 20 and self.is_whole and not self.falls and self.maximum > self.minimum
