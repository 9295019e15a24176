"""Training and test data as the loop goes through them: batch after batch, whatever form the task gave them in."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from lrtui.run.errors import TaskError
from lrtui.tasks.fault import describe_exception, place_of, shape_words
from lrtui.tasks.task import Data, Say

Batch = tuple[Any, Any]
"""Inputs and targets."""

EXPECTED = "expected a pair of tensors, a Dataset or a DataLoader of pairs (inputs, targets)"


class Batches(Protocol):
    """A data set in batches.

    Args:
        samples: how many there are, where that is known.
        batch_size: of all batches but the last one, where that is known.
        generators: of its own, which going through it may draw from.
    """

    samples: int | None
    batch_size: int | None
    generators: tuple[torch.Generator, ...]

    def __len__(self) -> int:
        """Return how many batches one pass has."""
        ...

    def shuffled(self) -> Iterator[Batch]:
        """Go through the samples once, in a new order."""
        ...

    def in_order(self) -> Iterator[Batch]:
        """Go through the samples once, always in the same order where that is ours to say."""
        ...


class MemoryBatches:
    """Samples that fit into the device's memory, prepared once: the fast path.

    Args:
        inputs: shape (samples, ...).
        targets: shape (samples, ...).
        order: the generator that new orders are drawn from.
    """

    def __init__(
        self, inputs: torch.Tensor, targets: torch.Tensor, batch_size: int, device: torch.device, order: torch.Generator
    ) -> None:
        self.samples: int | None = len(targets)
        self.batch_size: int | None = batch_size
        self._inputs, self._targets = inputs.to(device), targets.to(device)
        self.generators: tuple[torch.Generator, ...] = (order,)
        self._count, self._size, self._device, self._order = len(targets), batch_size, device, order

    def __len__(self) -> int:
        return -(-self._count // self._size)

    def shuffled(self) -> Iterator[Batch]:
        """Go through the samples once, in a new order."""
        order = torch.randperm(self._count, generator=self._order).to(self._device)
        for indices in torch.split(order, self._size):
            yield self._inputs[indices], self._targets[indices]

    def in_order(self) -> Iterator[Batch]:
        """Go through the samples once, in their order."""
        for start in range(0, self._count, self._size):
            yield self._inputs[start : start + self._size], self._targets[start : start + self._size]


class LoadedBatches:
    """Batches out of the task's own loader, or of one made for its Dataset.

    Args:
        loader: can be gone through again and again.
        length: batches a pass, as counted or wanted; None for what the loader says.
        samples: as `Batches` has it.
        method: the task's method that gave the data, for messages.
        say: told where the loader's length is not what it says.
    """

    def __init__(self, loader: Iterable[Any], length: int | None, samples: int | None, method: Any, say: Say) -> None:
        self.samples, self._say = samples, say
        size = getattr(loader, "batch_size", None)
        self.batch_size = size if isinstance(size, int) else None
        owned = (getattr(holder, "generator", None) for holder in (loader, getattr(loader, "sampler", None)))
        self.generators = tuple({id(own): own for own in owned if isinstance(own, torch.Generator)}.values())
        self._loader, self._method = loader, method
        self._length = len(loader) if length is None and isinstance(loader, Sized) else length or 0

    def __len__(self) -> int:
        return self._length

    def shuffled(self) -> Iterator[Batch]:
        """Go through the loader once; what is new about the order is the loader's affair.

        Schedules rest on the length of an epoch. A loader that ends before it is begun again.

        Raises:
            TaskError: as `in_order` does, and for a loader that gives nothing.
        """
        given = 0
        while given < self._length:
            before = given
            for batch in self.in_order():
                yield batch
                given += 1
                if given == self._length:
                    return
            if given == before:
                raise TaskError(f"{self._method.__name__}(){place_of(self._method)} gives no more batches")
            self._say(
                f"{self._method.__name__}() has {self._length:,} batches by its length and gave {given - before:,}: "
                "the epoch goes on with the next pass over it"
            )

    def in_order(self) -> Iterator[Batch]:
        """Go through the loader once.

        Raises:
            TaskError: for a batch that can't be had, or is no pair.
        """
        for number, batch in zip(range(self._length), self._read(), strict=False):
            if not (isinstance(batch, (tuple, list)) and len(batch) == 2):
                raise TaskError(
                    f"batch {number} of {self._method.__name__}(){place_of(self._method)} is no pair "
                    f"(inputs, targets) but a {shape_words(batch)}"
                )
            yield batch[0], batch[1]

    def _read(self) -> Iterator[Any]:
        try:
            yield from self._loader
        except Exception as error:  # a user's data set can raise anything
            where = f"{self._method.__name__}(){place_of(self._method)}"
            raise TaskError(f"the data of {where} fails: {describe_exception(error)}") from error


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
        limit: how many samples to use, the first ones; None for all. Of batches, as many as have so many samples.
        device: where data in memory is kept.
        order: shuffles training data that is ours to shuffle; None for a test set.
        say: told what a user might not expect.

    Raises:
        TaskError: for data of no form that a task may have.
    """
    where = f"{method.__name__}(){place_of(method)}"
    if isinstance(data, TensorDataset) and len(data.tensors) == 2:
        data = data.tensors
    if _is_pair_of_arrays(data):
        inputs, targets = (torch.as_tensor(part) for part in data)
        if inputs.dim() == 0 or targets.dim() == 0 or len(inputs) != len(targets) or not len(targets):
            raise TaskError(f"{where} gives {shape_words(data)}, expected as many targets as inputs, and at least one")
        count = _limited(len(targets), limit, what, say)
        generator = order or torch.Generator()
        return MemoryBatches(inputs[:count], targets[:count], batch_size, device, generator)
    if isinstance(data, Dataset) and not isinstance(data, IterableDataset) and isinstance(data, Sized):
        if not len(data):
            raise TaskError(f"{where} gives a data set without samples")
        count = _limited(len(data), limit, what, say)
        subset = data if count == len(data) else Subset(data, range(count))
        loader: Any = DataLoader(subset, batch_size, shuffle=order is not None, generator=order)
        return LoadedBatches(loader, None, count, method, say)
    if isinstance(data, IterableDataset):
        data = DataLoader(data, batch_size)
    if isinstance(data, Iterator) or not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
        more = ", which can be gone through only once" if isinstance(data, Iterator) else ""
        raise TaskError(f"{where} gives a {shape_words(data)}{more}; {EXPECTED}")
    return _loaded(data, method, what, limit, say)


def _is_pair_of_arrays(data: Data) -> bool:
    return (
        isinstance(data, (tuple, list))
        and len(data) == 2
        and all(isinstance(part, (torch.Tensor, np.ndarray)) for part in data)
    )


def _limited(there: int, limit: int | None, what: str, say: Say) -> int:
    if limit is not None and limit > there:
        say(f"{limit:,} {what} samples were asked for and there are {there:,}: all are used")
    return there if limit is None else min(limit, there)


def _loaded(loader: Any, method: Any, what: str, limit: int | None, say: Say) -> LoadedBatches:
    where = f"{method.__name__}(){place_of(method)}"
    length = _length(loader)
    size = getattr(loader, "batch_size", None)
    if limit is not None and isinstance(size, int):
        wanted = -(-limit // size)
        if length is not None and wanted > length:
            say(f"{limit:,} {what} samples were asked for and there are {length:,} batches of {size}: all are used")
        length = wanted if length is None else min(wanted, length)
    elif limit is not None:
        say(f"{limit:,} {what} samples were asked for, and {method.__name__}() has batches of its own: all are used")
    if length is None:
        length = _count(loader, where, say)
    if not length:
        raise TaskError(f"{where} gives a loader without batches; {EXPECTED}")
    dataset = getattr(loader, "dataset", None)
    samples = _length(dataset) if dataset is not None else None
    if samples is not None and isinstance(size, int):
        samples = min(samples, length * size)
    return LoadedBatches(loader, length, samples, method, say)


def _length(data: Any) -> int | None:
    """Return its length, or None where it has none: a loader over a data set without one raises when it is asked."""
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None


def _count(loader: Iterable[Any], where: str, say: Say) -> int:
    """Go through a loader that does not know its length; a schedule has to know how long an epoch is."""
    say(f"{where} has no length: counting its batches (--train-samples N or a __len__ spares this)")
    count, last_said = 0, time.monotonic()
    for count, _ in enumerate(loader, start=1):
        if time.monotonic() - last_said > 2:
            say(f"{count:,} batches so far")
            last_said = time.monotonic()
    return count


def to_device(value: Any, device: torch.device) -> Any:
    """Return the value with every tensor in it on the device: tensors, and tuples, lists and dicts of them.

    From pinned memory the copy is made beside the computing.
    """
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return type(value)((key, to_device(item, device)) for key, item in value.items())
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_device(item, device) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(to_device(item, device) for item in value)
    return value.to(device) if hasattr(value, "to") and callable(value.to) else value


def sample_count(batch: Batch) -> int:
    """Return how many samples a batch has: the length of the first tensor in its targets, or in its inputs."""
    for part in (batch[1], batch[0]):
        stack = [part]
        while stack:
            value = stack.pop(0)
            if isinstance(value, torch.Tensor):
                return len(value) if value.dim() else 1
            if isinstance(value, dict):
                stack = [*value.values(), *stack]
            elif isinstance(value, (tuple, list)):
                stack = [*value, *stack]
    return 1
