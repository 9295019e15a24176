"""Turns the data of a task, in any of its forms, into batches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from lrtui.run.errors import TaskError, describe_shape, source_location
from lrtui.tasks.task import Data, Say
from lrtui.training.batches import Batches, LoadedBatches, MemoryBatches

EXPECTED = "expected a pair of tensors, a Dataset or a DataLoader of pairs (inputs, targets)"

MAX_COUNTED_BATCHES = 1_000_000
"""Batches after which a loader without a length is considered endless."""


def read_batches(
    data: Data,
    method: Any,
    what: str,
    *,
    batch_size: int,
    limit: int | None,
    device: torch.device,
    order: torch.Generator | None,
    say: Say,
) -> Batches:
    """Return the data in batches.

    Args:
        data: what the task's method returned.
        method: that method, for messages.
        what: `training` or `test`, for messages.
        batch_size: for data that is not batched already.
        limit: number of samples to use, the first ones; None for all. Data in batches is cut to whole batches.
        device: device of data in memory.
        order: shuffles training data that has no fixed order; None for a test set.
        say: receives warnings, such as that a limit is too large.

    Raises:
        TaskError: for data in none of a task's forms.
    """
    where = f"{method.__name__}(){source_location(method)}"
    if isinstance(data, TensorDataset) and len(data.tensors) == 2:
        data = data.tensors
    if _is_pair_of_arrays(data):
        inputs, targets = (torch.as_tensor(part) for part in data)
        if inputs.dim() == 0 or targets.dim() == 0 or len(inputs) != len(targets) or not len(targets):
            raise TaskError(
                f"{where} returned {describe_shape(data)}, expected as many targets as inputs, and at least one"
            )
        count = _limited(len(targets), limit, what, say)
        return MemoryBatches(inputs[:count], targets[:count], batch_size, device, order or torch.Generator())
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset) and isinstance(data, Sized):
        if not len(data):
            raise TaskError(f"{where} returned a data set without samples")
        count = _limited(len(data), limit, what, say)
        subset = data if count == len(data) else Subset(data, range(count))
        loader: Any = DataLoader(subset, batch_size, shuffle=order is not None, generator=order)
        return LoadedBatches(loader, None, count, method, say)
    if isinstance(data, IterableDataset):
        data = DataLoader(data, batch_size)
    elif isinstance(data, Dataset):
        raise TaskError(f"{where} returned a Dataset without a length: give {type(data).__name__} a __len__")
    if _is_list_of_samples(data):
        raise TaskError(
            f"{where} returned a list of {len(data):,} pairs that are samples, not batches: stack them into a pair of "
            "tensors, or give a Dataset"
        )
    if isinstance(data, Iterator) or not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
        more = ", which can be iterated only once" if isinstance(data, Iterator) else ""
        raise TaskError(f"{where} returned a {describe_shape(data)}{more}; {EXPECTED}")
    return _loaded(data, method, what, limit, say)


def _is_pair_of_arrays(data: Data) -> bool:
    return (
        isinstance(data, (tuple, list))
        and len(data) == 2
        and all(isinstance(part, (torch.Tensor, np.ndarray)) for part in data)
    )


def _is_list_of_samples(data: Data) -> bool:
    """Return whether these are single samples: pairs whose target is one number, without a batch dimension."""
    if not isinstance(data, (list, tuple)) or not data or not isinstance(data[0], (tuple, list)) or len(data[0]) != 2:
        return False
    target = data[0][1]
    return isinstance(target, (int, float)) or getattr(target, "ndim", None) == 0


def _limited(available: int, limit: int | None, what: str, say: Say) -> int:
    if limit is not None and limit > available:
        say(f"{limit:,} {what} samples were requested, but there are only {available:,}: all are used")
    return available if limit is None else min(limit, available)


def _loaded(loader: Any, method: Any, what: str, limit: int | None, say: Say) -> LoadedBatches:
    where = f"{method.__name__}(){source_location(method)}"
    length = _length(loader)
    size = getattr(loader, "batch_size", None)
    if length is None:
        length = _count(loader, where, what, say, most=None if limit is None else -(-limit // (size or 1)))
    if limit is not None and isinstance(size, int):
        wanted = -(-limit // size)
        if wanted > length:
            say(f"{limit:,} {what} samples were requested, but there are {length:,} batches of {size}: all are used")
        length = min(wanted, length)
    elif limit is not None:
        say(f"{limit:,} {what} samples were requested, but {method.__name__}() makes its own batches: all are used")
    if not length:
        raise TaskError(f"{where} returned a loader without batches; {EXPECTED}")
    dataset = getattr(loader, "dataset", None)
    samples = _length(dataset) if dataset is not None else None
    if samples is not None and isinstance(size, int):
        samples = min(samples, length * size)
    return LoadedBatches(loader, length, samples, method, say)


def _length(data: Any) -> int | None:
    """Return its length, or None: `len` of a loader over a data set without a length raises."""
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None


def _count(loader: Iterable[Any], where: str, what: str, say: Say, most: int | None) -> int:
    """Return the number of batches of a loader without a length, which a schedule has to know.

    Args:
        most: batches that are needed; None for all.
    """
    option = "--train-samples" if what == "training" else "--test-samples"
    say(f"{where} has no length: counting its batches ({option} N or a __len__ avoids this)")
    count, last_report = 0, time.monotonic()
    for count, _ in enumerate(loader, start=1):
        if count == most:
            break
        if count > MAX_COUNTED_BATCHES:
            raise TaskError(f"{where} returns an endless stream of batches: limit a pass with {option} N")
        if time.monotonic() - last_report > 2:
            say(f"{count:,} batches so far")
            last_report = time.monotonic()
    return count
