"""Training and test data in batches, whatever form the task gives them in."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol

import torch

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


def first_of_one_sample(samples: int, size: int) -> int | None:
    """Return the number of the first batch that has one sample, if a pass has this many samples; else None."""
    if size == 1:
        return 0
    return samples // size if samples % size == 1 else None


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
