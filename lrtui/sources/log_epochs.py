"""The epochs of a log: which epoch each step belongs to, and which tests end one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lrtui.sources.placed_values import PlacedValues

NEAR_THE_END = 0.02
"""Part of an epoch that may be missing at the test that ends it: a last batch that is left out, rounded fractions."""


@dataclass(frozen=True, slots=True)
class LogEpochs:
    """The epochs of a run.

    Args:
        starts: position of the first step of each epoch, in increasing order; the first one is 0.
        numbers: number of each epoch, from 1.
        length: steps per epoch, if the log says it; then `starts` has nothing but 0.
        first: the run's first step.
        ended: the number of the epoch that each test ends; 0 if it ends none.
    """

    starts: NDArray[np.int64]
    numbers: NDArray[np.int64]
    ended: NDArray[np.int64]
    length: int | None = None
    first: int = 0

    def epochs(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the epoch of each of these steps, from 1."""
        if self.length is not None:
            # at a multiple of the length, "step" is the number of steps done: those logs begin with step 1
            return np.maximum(0, places + self.first - 1) // self.length + 1
        return self.numbers[np.searchsorted(self.starts, places, side="right") - 1]

    def batches(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of each of these steps within its epoch, from 0."""
        if self.length is not None:
            return np.maximum(0, places + self.first - 1) % self.length
        return places - self.starts[np.searchsorted(self.starts, places, side="right") - 1]

    def first_difference(self, other: LogEpochs) -> int | None:
        """Return the position of the first step whose epoch is another one; None if all are equal."""
        if self.length is not None or other.length is not None:
            return None if (self.length, self.first) == (other.length, other.first) else 0
        both = min(len(self.starts), len(other.starts))
        differ = (self.starts[:both] != other.starts[:both]) | (self.numbers[:both] != other.numbers[:both])
        at = int(differ.argmax()) if differ.any() else both
        places = [int(each.starts[at]) for each in (self, other) if at < len(each.starts)]
        return min(places, default=None)


def known_epochs(logged: PlacedValues) -> NDArray[np.bool_]:
    """Return which of the logged values can be epochs."""
    known: NDArray[np.bool_] = np.isfinite(logged.values) & (np.abs(logged.values) < 1e9)
    return known


def epochs_of(
    tests: NDArray[np.int64], logged: PlacedValues, *, is_whole: bool, length: int | None, first: int
) -> LogEpochs:
    """Return the epochs of a log.

    Args:
        tests: positions of the tests that can end an epoch, in order.
        logged: the logged epochs, if there are any: whole numbers, or fractions of the training data seen.
        is_whole: whether they are whole numbers.
        length: steps per epoch, if the log says it.
        first: the run's first step.
    """
    if length is not None:
        steps = tests + first
        numbers = np.maximum(0, steps - 1) // length + 1
        missing = numbers * length - 1 - steps
        is_last = np.append(numbers[1:] != numbers[:-1], True)[: len(numbers)]
        ended = np.where(is_last & (missing <= NEAR_THE_END * length), numbers, 0)
        return LogEpochs(np.zeros(1, np.int64), np.ones(1, np.int64), ended, length, first)
    known = known_epochs(logged)
    if not known.any():
        numbers = np.arange(1, len(tests) + 1)
        return LogEpochs(np.append(0, tests + 1), np.append(1, numbers + 1), numbers)
    places, values = logged.places[known], np.maximum.accumulate(logged.values[known])
    if is_whole:
        # whole numbers from 0, or from 1
        numbers = np.maximum(1, values.astype(np.int64) + (values[0] == 0))
    else:
        numbers = np.maximum(1, np.ceil(values - 1e-6).astype(np.int64))
    before = np.searchsorted(places, tests, side="right") - 1
    ended = numbers[np.maximum(before, 0)]
    is_last = np.append(ended[1:] != ended[:-1], True)[: len(ended)]
    if is_whole:
        # unless a later value has the same epoch
        after = np.minimum(before + 1, len(numbers) - 1)
        is_last &= (before + 1 >= len(numbers)) | (numbers[after] > ended)
    else:
        is_last &= ended - values[np.maximum(before, 0)] <= NEAR_THE_END
    ended = np.where(is_last, ended, 0)
    return _with_starts(places, numbers, tests[is_last] + 1, ended[is_last] + 1, ended)


def _with_starts(
    places: NDArray[np.int64],
    numbers: NDArray[np.int64],
    after_tests: NDArray[np.int64],
    next_numbers: NDArray[np.int64],
    ended: NDArray[np.int64],
) -> LogEpochs:
    """Return the epochs that begin where the log names them first, or after the test that ends the one before."""
    places, numbers = np.concatenate((places, after_tests)), np.concatenate((numbers, next_numbers))
    order = np.argsort(places, kind="stable")
    places, numbers = places[order], np.maximum.accumulate(numbers[order])
    begins = np.diff(numbers, prepend=0) > 0
    places, numbers = places[begins], numbers[begins]
    # several at one step: the last one counts
    last = np.append(places[1:] != places[:-1], True)
    places, numbers = places[last], numbers[last]
    places[0] = 0
    return LogEpochs(places, numbers, ended)
