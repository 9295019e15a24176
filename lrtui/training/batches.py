"""Training and test data in batches, whatever form the task gives them in."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import fields, is_dataclass
from itertools import islice
from typing import Any, Protocol

import torch
from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from lrtui.run.errors import TaskError, describe_exception, source_location
from lrtui.tasks.task import Say

Batch = Any
"""A batch in the form that the task's data has: a pair of inputs and targets, a dict, a tensor ..."""


class Batches(Protocol):
    """A data set in batches.

    Args:
        samples: how many there are, if known.
        batch_size: batch size of all batches but the last one, if known.
        generators: the random generators that a pass may draw from, besides the global ones.
        inexact: why a resumed pass may differ from an uninterrupted one, or None if it can't.
        parts: the task's objects that a pass uses.
        made_by: the task's method whose loader makes the batches; empty if lrtui makes them.
        goes_on: whether each pass in a new order continues where the last one ended, as that of a stream which is
            longer than an epoch.
    """

    samples: int | None
    batch_size: int | None
    generators: tuple[torch.Generator, ...]
    inexact: str | None
    parts: tuple[Any, ...]
    made_by: str
    goes_on: bool

    def __len__(self) -> int:
        """Return the number of batches in a pass."""
        ...

    def shuffled(self) -> Iterator[Batch]:
        """Go through the samples once, in a new order; nothing random is drawn before the first batch is requested."""
        ...

    def resumed(self, done: int, between_batches: Callable[[], None]) -> Iterator[Batch]:
        """Repeat a pass of which `done` batches are done, and return the remaining batches.

        The caller sets the random states that the pass started with, and restores the current ones afterwards.

        Args:
            done: batches to skip, since the first pass if passes go on; on return, all random numbers that determine
                the order have been drawn.
            between_batches: called between two skipped batches; may raise to abort.
        """
        ...

    def start_workers(self) -> None:
        """Start processes that live on from epoch to epoch, as an uninterrupted run has done in its first epoch.

        The caller restores the random states afterwards.
        """
        ...

    def in_order(self) -> Iterator[Batch]:
        """Go through the samples once, always in the same order unless the task's loader chooses another."""
        ...

    def first_of_one_sample(self) -> int | None:
        """Return the number, from 0, of the first batch of a pass that has one sample; None if there is none known."""
        ...


class LoadedBatches:
    """Batches of the task's loader, or of one made for its Dataset.

    Args:
        loader: can be iterated again and again.
        length: batches a pass, as counted or requested; None for the loader's length.
        samples: as in `Batches`.
        method: the task's method that returned the data, for messages.
        say: receives a message if the loader's length is wrong.
        is_tasks_own: whether the task makes the batches.
        goes_on: as in `Batches`.
    """

    def __init__(
        self,
        loader: Iterable[Any],
        length: int | None,
        samples: int | None,
        method: Any,
        say: Say,
        *,
        is_tasks_own: bool = True,
        goes_on: bool = False,
    ) -> None:
        size = getattr(loader, "batch_size", None)
        self.samples = samples
        self.batch_size = size if isinstance(size, int) else None
        self.generators = _generators_of(loader)
        self.inexact = _why_inexact(loader, f"{method.__name__}()")
        if goes_on and self.inexact:
            self.inexact += "; it is started again, and the batches that are done are skipped"
        self.parts = _parts_of(loader)
        self.made_by = f"{method.__name__}()" if is_tasks_own else ""
        self.goes_on = goes_on
        self._loader, self._method, self._say = loader, method, say
        self._stream: Iterator[Any] | None = None
        self._has_ended = False
        self._length = len(loader) if length is None and isinstance(loader, Sized) else length or 0

    def __len__(self) -> int:
        return self._length

    def shuffled(self) -> Iterator[Batch]:
        """Go through the loader once; it chooses the order.

        Schedules depend on the length of an epoch, so a loader that ends early is started again.

        Raises:
            TaskError: as `in_order` does, and for a loader that yields nothing.
        """
        yielded, batches = 0, self._stream
        while yielded < self._length:
            before, is_new = yielded, batches is None
            if batches is None:
                batches = self._read() if self.goes_on else self.in_order()
                self._stream = batches if self.goes_on else None
            for batch in islice(batches, self._length - yielded):
                yield batch
                yielded += 1
            if yielded == before and is_new:
                raise TaskError(f"{self._method.__name__}(){source_location(self._method)} returned no more batches")
            if yielded < self._length:
                batches = None
                self._say_ended(yielded - before)

    def _say_ended(self, batches: int) -> None:
        name = f"{self._method.__name__}()"
        if not self.goes_on:
            self._say(
                f"{name} has length {self._length:,} but returned {batches:,} batches: "
                "the epoch continues with another pass over it"
            )
        elif not self._has_ended:
            self._has_ended = True
            self._say(f"{name} came to its end, and starts again each time")

    def resumed(self, done: int, between_batches: Callable[[], None]) -> Iterator[Batch]:
        """Repeat the batches that are done, and drop them.

        Raises:
            TaskError: as `shuffled` does.
        """
        self._say(f"resuming within an epoch: {done:,} batches are drawn again and skipped")
        while done >= self._length:
            for _ in self.shuffled():
                between_batches()
            done -= self._length
        batches = self.shuffled()
        for _ in islice(batches, done):
            between_batches()
        return batches

    def start_workers(self) -> None:
        """Start persistent workers: starting them draws a seed, which would shift the order of a later epoch."""
        if isinstance(self._loader, DataLoader) and self._loader.persistent_workers and not self.goes_on:
            iter(self._loader)

    def in_order(self) -> Iterator[Batch]:
        """Go through the loader once.

        Raises:
            TaskError: for a batch that can't be loaded.
        """
        yield from islice(self._read(), self._length)

    def first_of_one_sample(self) -> int | None:
        """Return the number of the first batch that has one sample, if the loader's type shows it."""
        first: int | None = None
        listed: Any = self._loader
        if isinstance(listed, DataLoader) and listed.batch_size is None and listed.batch_sampler is None:
            listed = listed.dataset
        if isinstance(listed, (list, tuple)):
            first = next((i for i, batch in enumerate(listed) if _is_single(batch)), None)
        # a subclass may make other batches
        elif isinstance(self._loader, DataLoader) and type(self._loader.batch_sampler) is BatchSampler:
            batches = self._loader.batch_sampler
            if isinstance(batches.sampler, Sized) and not (batches.drop_last and batches.batch_size > 1):
                first = first_of_one_sample(len(batches.sampler), batches.batch_size)
        return first if first is not None and first < self._length else None

    def _read(self) -> Iterator[Any]:
        try:
            yield from self._loader
        except Exception as error:  # a user's data set can raise anything
            where = f"{self._method.__name__}(){source_location(self._method)}"
            raise TaskError(f"reading the data of {where} failed: {describe_exception(error)}") from error


def first_of_one_sample(samples: int, size: int) -> int | None:
    """Return the number of the first batch that has one sample, if a pass has this many samples; else None."""
    if size == 1:
        return 0
    return samples // size if samples % size == 1 else None


def _is_single(batch: Any) -> bool:
    return sample_count(batch) == 1


def _parts_of(loader: Any) -> tuple[Any, ...]:
    """Return a loader and what it is made of: samplers and data set."""
    batch_sampler = getattr(loader, "batch_sampler", None)
    parts = (loader, getattr(loader, "sampler", None), batch_sampler, getattr(batch_sampler, "sampler", None))
    return tuple(part for part in (*parts, getattr(loader, "dataset", None)) if part is not None)


def _generators_of(loader: Any) -> tuple[torch.Generator, ...]:
    """Return the generators of a loader and of its parts, each once."""
    found = (getattr(part, "generator", None) for part in _parts_of(loader))
    return tuple({id(each): each for each in found if isinstance(each, torch.Generator)}.values())


def _why_inexact(loader: Any, where: str) -> str | None:
    if isinstance(loader, (list, tuple)):
        return None
    if not isinstance(loader, DataLoader):
        return f"{where} returned a {type(loader).__name__}, which decides about its own order"
    if isinstance(loader.dataset, IterableDataset):
        return f"{where} is a stream (IterableDataset), which keeps its own position and random state"
    if loader.persistent_workers:
        return (
            f"the workers of {where} live on from epoch to epoch (persistent_workers) with their random states, which "
            "matters only if they draw random numbers"
        )
    if not getattr(loader, "in_order", True):
        return f"the workers of {where} give batches as they come (in_order=False)"
    return None


def to_device(value: Any, device: torch.device) -> Any:
    """Return the value with every tensor in it on the device, whatever its nesting; the value itself is unchanged.

    Tensors are found in tuples, lists, mappings and dataclasses; any other object with a method `to` is asked for its
    copy. Copies from pinned memory overlap with computation.
    """
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        moved = {key: to_device(item, device) for key, item in value.items()}
        if type(value) is dict:
            return moved
        try:
            # keeps what else the mapping holds, such as the factory of a defaultdict
            result: Any = copy.copy(value)
            for key, item in moved.items():
                result[key] = item
        except TypeError:  # it can't be changed
            return moved
        return result
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(to_device(item, device) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(to_device(item, device) for item in value)
    if hasattr(value, "to") and callable(value.to):
        return value.to(device)
    if is_dataclass(value) and not isinstance(value, type):
        moved_object = copy.copy(value)
        for item in fields(value):
            # also in a frozen dataclass, which is a fresh copy here
            object.__setattr__(moved_object, item.name, to_device(getattr(value, item.name), device))
        return moved_object
    return value


def sample_count(batch: Batch) -> int:
    """Return how many samples a batch has, by which its loss and metrics are weighted.

    A tensor has as many as its length. A list can hold samples, such as images of different sizes or dicts of boxes, or
    fields, such as two tensors of targets. Of a pair, the number is the most likely one for the targets that is
    possible for the inputs; of a dict or a longer tuple, the most frequent one of its parts.
    """
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        inputs, targets = _possible_counts(batch[0]), _possible_counts(batch[1])
        if _are_boxes_of_images(*batch):
            targets = []
        return next((count for count in targets if count in inputs), next(iter((*targets, *inputs)), 1))
    # the first field, usually the inputs, decides a tie
    frequent = Counter(count for part in _parts(batch) for count in _possible_counts(part)[:1]).most_common(1)
    return frequent[0][0] if frequent else 1


def _parts(batch: Batch) -> Iterable[Any]:
    if isinstance(batch, Mapping):
        return list(batch.values())
    if isinstance(batch, (tuple, list)):
        return batch
    if is_dataclass(batch) and not isinstance(batch, type):
        return [getattr(batch, item.name) for item in fields(batch)]
    return [batch]


def _are_boxes_of_images(inputs: Any, targets: Any) -> bool:
    """Return whether the targets are the boxes of all images in one tensor, with the image's number in each row."""
    are_tensors = isinstance(inputs, torch.Tensor) and isinstance(targets, torch.Tensor)
    return are_tensors and inputs.dim() == 4 and targets.dim() == 2 and len(inputs) != len(targets)


def _possible_counts(part: Any) -> list[int]:
    """Return the numbers of samples that inputs or targets may have, the most likely one first."""
    if isinstance(part, torch.Tensor):
        return [len(part) if part.dim() else 1]
    if isinstance(part, Mapping):
        return _counts_of_fields(part.values())
    if isinstance(part, tuple) and hasattr(part, "_fields"):
        return _counts_of_fields(part)
    if not isinstance(part, (tuple, list)) or not part:
        return []
    fields = _counts_of_fields(part)
    # fields have one length in common; a loader makes no list of dicts, and no list of tensors without a dimension
    has_scalars = any(isinstance(item, torch.Tensor) and not item.dim() for item in part)
    are_fields = len(fields) == 1 and not has_scalars and not all(isinstance(item, Mapping) for item in part)
    return [*fields, len(part)] if are_fields else [len(part), *fields]


def _counts_of_fields(fields: Iterable[Any]) -> list[int]:
    """Return the different numbers of samples of the fields, those of the first field first."""
    return list(dict.fromkeys(count for field in fields for count in _possible_counts(field)))
