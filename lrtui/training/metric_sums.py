"""Means over the test set, of values that its batches have one for each sample, or one in all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch

from lrtui.distributed.process_group import ALONE, ProcessGroup

Number = TypeVar("Number", torch.Tensor, float)
"""Sums are tensors on the device until they are read."""


class MetricSums:
    """Sums over the test set, held on the device so that batches don't wait for it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # mps has no float64
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self._sums: dict[str, _Sum[torch.Tensor]] = {}

    def add(self, name: str, values: torch.Tensor, samples: int) -> None:
        """Add a batch's values: one per sample (or finer), or the mean of its samples."""
        value = values.detach().sum(dtype=self._dtype if values.device.type == self._device.type else torch.float64)
        # a metric that is a Python number or a NumPy array comes from the CPU
        value = value.to(self._device, self._dtype, non_blocking=True)
        if name not in self._sums:
            self._sums[name] = _Sum(torch.zeros_like(value), torch.zeros_like(value))
        self._sums[name].add(value, values, samples)

    def means(self, group: ProcessGroup = ALONE) -> dict[str, float]:
        """Return all means, read from the device together.

        Args:
            group: the processes whose sums are added; all of them get the same means.
        """
        sums = {
            name: each.read(numbers) for (name, each), numbers in zip(self._sums.items(), self._read(), strict=True)
        }
        everyone = group.gather(sums)
        return group.in_first(lambda: _means(everyone))  # type: ignore[no-any-return]

    def _read(self) -> list[list[float]]:
        if not self._sums:
            return []
        found: list[list[float]] = torch.stack(
            [torch.stack([each.elements, each.batches]) for each in self._sums.values()]
        ).tolist()
        return found


def _means(everyone: Sequence[Mapping[str, _Sum[float]]]) -> dict[str, float]:
    totals: dict[str, _Sum[float]] = {}
    for sums in everyone:
        for name, each in sums.items():
            totals[name] = totals[name].plus(each) if name in totals else each
    # a metric without values, such as the accuracy on a class that the test set lacks, is NaN
    return {name: each.total / count if (count := each.weight) else math.nan for name, each in totals.items()}


@dataclass(slots=True)
class _Sum(Generic[Number]):
    """Sums of one metric, with every element as one value and with every batch as one value.

    Args:
        elements: sum of the elements.
        batches: sum of the batches' means, each times its samples.
    """

    elements: Number
    batches: Number
    _element_count: int = 0
    _sample_count: int = 0
    _sizes: set[tuple[int, int]] = field(default_factory=set)
    _are_means: bool = True

    def add(self: _Sum[torch.Tensor], value: torch.Tensor, values: torch.Tensor, samples: int) -> None:
        """Add the sum of a batch's values."""
        count = values.numel() if values.dim() else samples
        self.elements = self.elements + (value if values.dim() else value * samples)
        if values.dim() and count:
            value = value / count
        self.batches = self.batches + value * samples
        self._element_count += count
        self._sample_count += samples
        self._sizes.add((values.numel(), samples))
        # several bools are elements, such as the hits among some of the tokens
        self._are_means &= values.dim() > 0 and (values.dtype != torch.bool or values.numel() == 1)

    def read(self, numbers: Sequence[float]) -> _Sum[float]:
        """Return the same with the sums as numbers."""
        counts = self._element_count, self._sample_count, self._sizes, self._are_means
        return _Sum(numbers[0], numbers[1], *counts)

    def plus(self: _Sum[float], other: _Sum[float]) -> _Sum[float]:
        """Return the sum over the batches of both."""
        return _Sum(
            self.elements + other.elements,
            self.batches + other.batches,
            self._element_count + other._element_count,
            self._sample_count + other._sample_count,
            self._sizes | other._sizes,
            self._are_means and other._are_means,
        )

    @property
    def _is_per_batch(self) -> bool:
        """Whether every batch has the same number of values, whatever its samples: one per class, or shape (1,)."""
        values, samples = (set(each) for each in zip(*self._sizes, strict=True))
        return self._are_means and len(values) == 1 and len(samples) > 1

    @property
    def total(self) -> Number:
        """The sum of the weighted values."""
        return self.batches if self._is_per_batch else self.elements

    @property
    def weight(self) -> int:
        """The sum of the weights."""
        return self._sample_count if self._is_per_batch else self._element_count
