"""The outputs and targets of a whole test set, gathered batch by batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch

from lrtui.training.batches import with_fields, with_items

CACHES = ("past_key_values",)
"""Keys of outputs that hold what the model needs to go on, as large as the model's activations, and no result."""


class Gathered:
    """Values of one kind, such as the outputs of every batch, as copies on the CPU."""

    def __init__(self) -> None:
        self._batches: list[Any] = []
        self._samples: list[int] = []

    def add(self, value: Any, samples: int) -> None:
        """Add a batch's value.

        Args:
            value: tensors in any nesting; copied, so that it may be changed afterwards.
            samples: samples of the batch.
        """
        self._batches.append(copied(value))
        self._samples.append(samples)

    def joined(self) -> Any:
        """Return the values of all batches as one; see `join`."""
        return join(self._batches, self._samples)

    @property
    def bytes_per_sample(self) -> float:
        """Memory of a sample in the batches so far, in bytes."""
        return _bytes(self._batches) / max(1, sum(self._samples))


def copied(value: Any) -> Any:
    """Return the value with a detached copy of each tensor on the CPU; bfloat16 as float32, since NumPy lacks it."""
    if isinstance(value, torch.Tensor):
        dtype = torch.float32 if value.dtype == torch.bfloat16 else value.dtype
        return value.detach().to("cpu", dtype, copy=True)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return with_items(value, {key: copied(item) for key, item in value.items() if key not in CACHES})
    if isinstance(value, (tuple, list)):
        return _sequence(value, [copied(item) for item in value])
    if is_dataclass(value) and not isinstance(value, type):
        return with_fields(value, {item.name: copied(getattr(value, item.name)) for item in fields(value)})
    return value


def join(batches: Sequence[Any], samples: Sequence[int]) -> Any:
    """Return the values of several batches as one, in the nesting that each of them has.

    Tensors are concatenated along the first dimension, 0-d ones stacked; a list of samples gets longer. Tensors that
    differ in further dimensions become a list with an entry per sample.

    Args:
        batches: the value of each batch.
        samples: samples of each batch.
    """
    first = batches[0]
    if any(type(batch) is not type(first) for batch in batches):
        return list(batches)
    if isinstance(first, torch.Tensor):
        if not first.dim():
            return torch.stack(list(batches))
        is_even = len({batch.shape[1:] for batch in batches}) == 1
        return torch.cat(list(batches)) if is_even else [sample for batch in batches for sample in batch]
    if isinstance(first, np.ndarray):
        if not first.ndim:
            return np.stack(batches)
        is_even = len({batch.shape[1:] for batch in batches}) == 1
        return np.concatenate(batches) if is_even else [sample for batch in batches for sample in batch]
    if isinstance(first, Mapping):
        if any(batch.keys() != first.keys() for batch in batches):
            return list(batches)
        return with_items(first, {key: join([batch[key] for batch in batches], samples) for key in first})
    if isinstance(first, (tuple, list)):
        if not _are_fields(batches, samples):
            return [sample for batch in batches for sample in batch]
        return _sequence(first, [join(items, samples) for items in zip(*batches, strict=True)])
    if is_dataclass(first) and not isinstance(first, type):
        parts = {item.name: [getattr(batch, item.name) for batch in batches] for item in fields(first)}
        return with_fields(first, {name: join(part, samples) for name, part in parts.items()})
    return None if first is None else list(batches)


def _are_fields(batches: Sequence[Any], samples: Sequence[int]) -> bool:
    """Return whether the entries are fields, each with all samples of its batch, and not samples."""
    if hasattr(batches[0], "_fields"):
        return True
    pairs = list(zip(batches, samples, strict=True))
    if any(len(batch) != count for batch, count in pairs):
        return len({len(batch) for batch in batches}) == 1
    # as many entries as samples, also in the last batch: a loader makes no list of dicts
    return all(_is_field(item, count) for batch, count in pairs for item in batch)


def _is_field(item: Any, count: int) -> bool:
    if isinstance(item, (torch.Tensor, np.ndarray)):
        return bool(item.ndim) and len(item) == count
    return isinstance(item, (tuple, list)) and all(_is_field(each, count) for each in item)


def _sequence(like: Any, items: list[Any]) -> Any:
    return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)


def _bytes(value: Any) -> int:
    if isinstance(value, (torch.Tensor, np.ndarray)):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(map(_bytes, value.values()))
    if is_dataclass(value) and not isinstance(value, type):
        return sum(_bytes(getattr(value, item.name)) for item in fields(value))
    return sum(map(_bytes, value)) if isinstance(value, (tuple, list)) else 0
