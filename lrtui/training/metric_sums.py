"""Means over the test set, of values that its batches have one for each sample, or one in all."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch


class MetricSums:
    """Sums over the test set, held on the device so that batches don't wait for it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        # mps has no float64
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self._sums: dict[str, _Sum] = {}

    def add(self, name: str, values: torch.Tensor, samples: int) -> None:
        """Add a batch's values: one per sample (or finer), or the mean of its samples."""
        value = values.detach().sum(dtype=self._dtype if values.device.type == self._device.type else torch.float64)
        # a metric that is a Python number or a NumPy array comes from the CPU
        value = value.to(self._device, self._dtype, non_blocking=True)
        if name not in self._sums:
            self._sums[name] = _Sum(torch.zeros_like(value), torch.zeros_like(value))
        self._sums[name].add(value, values, samples)

    def means(self) -> dict[str, float]:
        """Return all means, read from the device together."""
        totals = torch.stack([each.total for each in self._sums.values()]).tolist()
        # a metric without values, such as the accuracy on a class that the test set lacks, is NaN
        return {
            name: total / count if (count := each.weight) else math.nan
            for (name, each), total in zip(self._sums.items(), totals, strict=True)
        }


@dataclass(slots=True)
class _Sum:
    """Sums of one metric, with every element as one value and with every batch as one value.

    Args:
        elements: sum of the elements.
        batches: sum of the batches' means, each times its samples.
    """

    elements: torch.Tensor
    batches: torch.Tensor
    _element_count: int = 0
    _sample_count: int = 0
    _sizes: set[tuple[int, int]] = field(default_factory=set)
    _are_means: bool = True

    def add(self, value: torch.Tensor, values: torch.Tensor, samples: int) -> None:
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

    @property
    def _is_per_batch(self) -> bool:
        """Whether every batch has the same number of values, whatever its samples: one per class, or shape (1,)."""
        values, samples = (set(each) for each in zip(*self._sizes, strict=True))
        return self._are_means and len(values) == 1 and len(samples) > 1

    @property
    def total(self) -> torch.Tensor:
        """The sum of the weighted values."""
        return self.batches if self._is_per_batch else self.elements

    @property
    def weight(self) -> int:
        """The sum of the weights."""
        return self._sample_count if self._is_per_batch else self._element_count
