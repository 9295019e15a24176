"""Training and test data in batches, whatever form the task gives them in."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from numbers import Real
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import torch

from lrtui.run.errors import LrtuiError, TaskError, describe_exception, describe_shape, source_location

_ARRAYS = (torch.Tensor, np.ndarray)

Batch = Any
"""A batch in the form that the task's data has: a pair of inputs and targets, a dict, a tensor ..."""


class Batches(Protocol):
    """A data set in batches.

    Where several processes train a run together, each iterates over its `Share` of every batch, and all of them in the
    same order and equally often.

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
    """Return the number of the first batch that has one sample; None if there is none.

    Args:
        samples: samples of a pass.
        size: batch size.
    """
    if size == 1:
        return 0
    return samples // size if samples % size == 1 else None


def to_device(value: Any, device: torch.device) -> Any:
    """Return the value with every tensor in it on the device, whatever its nesting; the value itself is unchanged.

    Tensors are found in tuples, lists, mappings, dataclasses and namespaces; any other object with a method `to` is
    asked for its copy. Copies from pinned memory overlap with computation.

    Raises:
        TaskError: if an object of a class of its own can't be copied.
    """
    if type(value) is dict:
        return {key: to_device(item, device) for key, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(to_device(item, device) for item in value)
    if isinstance(value, type):
        return value
    try:
        return _object_to_device(value, device)
    except Exception as error:  # a class of the user can raise anything
        if isinstance(error, LrtuiError):
            raise
        raise TaskError(
            f"a batch has a {describe_shape(value)}{source_location(type(value))} that can't be moved to the device "
            f"{device}: {describe_exception(error)}; expected tensors in tuples, lists, dicts and dataclasses, or an "
            "object with a method to(device)"
        ) from error


def _object_to_device(value: Any, device: torch.device) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return with_items(value, {key: to_device(item, device) for key, item in value.items()})
    # before tuples: a PackedSequence is a tuple whose method keeps a part of it on the CPU
    if callable(getattr(value, "to", None)):
        return value.to(device)
    if isinstance(value, tuple):
        items = [to_device(item, device) for item in value]
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    if isinstance(value, list):
        moved_list = copy.copy(value)
        moved_list[:] = [to_device(item, device) for item in value]
        return moved_list
    if is_dataclass(value):
        return with_fields(value, {item.name: to_device(getattr(value, item.name), device) for item in fields(value)})
    if isinstance(value, SimpleNamespace):
        return type(value)(**{name: to_device(item, device) for name, item in vars(value).items()})
    return value


def with_items(mapping: Mapping[Any, Any], items: dict[Any, Any]) -> Any:
    """Return a copy of a mapping with these items, None for the keys that they lack; `items` if it can't be changed.

    The copy keeps what else the mapping holds, such as the factory of a defaultdict or the attributes of the outputs of
    a transformer.
    """
    if type(mapping) is dict:
        return items
    try:
        result: Any = copy.copy(mapping)
        for key, item in items.items():
            result[key] = item
        for key in mapping.keys() - items.keys():
            result[key] = None
    except (TypeError, LookupError):
        return items
    return result


def with_fields(value: Any, items: Mapping[str, Any]) -> Any:
    """Return a copy of a dataclass, frozen or not, with these fields."""
    result = copy.copy(value)
    for name, item in items.items():
        object.__setattr__(result, name, item)
    return result


def sample_count(batch: Batch) -> int:
    """Return how many samples a batch has, by which its loss and metrics are weighted.

    A tensor or an array has as many as its length. A list can hold samples, such as images of different sizes or dicts
    of boxes, or fields, such as two tensors of targets. Of a pair, the number is the most likely one for the targets
    that is possible for the inputs; of a dict, an object or a longer tuple, the one that most of its parts may have.
    """
    if is_list_of_samples(batch):
        return len(batch)
    if isinstance(batch, (tuple, list)) and len(batch) == 2:
        inputs, targets = _possible_counts(batch[0]), _possible_counts(batch[1])
        if _are_boxes_of_images(*batch):
            targets = []
        return next((count for count in targets if count in inputs), next(iter((*targets, *inputs)), 1))
    parts = [_possible_counts(part) for part in _parts(batch)]
    possible = Counter(count for part in parts for count in part)
    likely = Counter(part[0] for part in parts if part)
    # the first field, usually the inputs, decides a tie
    return max(possible, key=lambda count: (possible[count], likely[count]), default=1)


def is_list_of_samples(batch: Batch) -> bool:
    """Return whether a batch is a list of samples that no loader has collated: each has arrays and single numbers."""
    if not isinstance(batch, list) or not batch:
        return False
    samples = [list(item.values()) if isinstance(item, Mapping) else item for item in batch]
    return all(isinstance(item, (tuple, list)) and 0 < sum(map(_is_scalar, item)) < len(item) for item in samples)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Real) or (isinstance(value, _ARRAYS) and not value.ndim)


def _parts(batch: Batch) -> Iterable[Any]:
    if isinstance(batch, Mapping):
        return list(batch.values())
    if isinstance(batch, (tuple, list)):
        return batch
    if isinstance(batch, _ARRAYS):
        return [batch]
    if is_dataclass(batch):
        return [getattr(batch, item.name) for item in fields(batch)]
    return list(getattr(batch, "__dict__", {}).values())


def _are_boxes_of_images(inputs: Any, targets: Any) -> bool:
    """Return whether the targets are the boxes of all images in one tensor, with the image's number in each row."""
    are_tensors = isinstance(inputs, torch.Tensor) and isinstance(targets, torch.Tensor)
    return are_tensors and inputs.dim() == 4 and targets.dim() == 2 and len(inputs) != len(targets)


def _possible_counts(part: Any) -> list[int]:
    """Return the numbers of samples that inputs or targets may have, the most likely one first."""
    if isinstance(part, _ARRAYS):
        if not part.ndim:
            return [1]
        # a nested tensor has no len()
        return [part.size(0) if isinstance(part, torch.Tensor) else len(part)]
    if isinstance(part, Mapping):
        return _counts_of_fields(part.values())
    if isinstance(part, tuple) and hasattr(part, "_fields"):
        return _counts_of_fields(part)
    if not isinstance(part, (tuple, list)) or not part:
        return []
    fields = _counts_of_fields(part)
    # fields have one length in common; a loader makes no list of dicts, and no list of tensors without a dimension
    has_scalars = any(map(_is_scalar, part))
    are_fields = len(fields) == 1 and not has_scalars and not all(isinstance(item, Mapping) for item in part)
    return [*fields, len(part)] if are_fields else [len(part), *fields]


def _counts_of_fields(fields: Iterable[Any]) -> list[int]:
    """Return the different numbers of samples of the fields, those of the first field first."""
    return list(dict.fromkeys(count for field in fields for count in _possible_counts(field)))
