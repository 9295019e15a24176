"""The samples of a batch that one process computes, when several train a run together."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from lrtui.distributed.process_group import ProcessGroup
from lrtui.run.errors import UsageError, describe_shape
from lrtui.text.format import counted
from lrtui.training.batches import Batch, is_list_of_samples, sample_count, with_fields, with_items

_ARRAYS = (torch.Tensor, np.ndarray)


@dataclass(frozen=True, slots=True)
class Share:
    """The samples of a batch that one process computes.

    Args:
        batch: these samples, in the form of the whole batch. A process without any gets the first sample, since the
            processes exchange gradients at the same times.
        rows: which samples of the whole batch these are.
        samples: how many of them count: none of a process without any.
        of: samples of the whole batch.
    """

    batch: Batch
    rows: slice
    samples: int
    of: int


def share_of(batch: Batch) -> Share:
    """Return the share as it is, and of a batch that is not shared out all of it."""
    if isinstance(batch, Share):
        return batch
    count = sample_count(batch)
    return Share(batch, slice(0, count), count, count)


def make_share(group: ProcessGroup, count: int, take: Callable[[slice], Batch]) -> Share:
    """Return this process's share of a batch.

    Args:
        count: samples of the whole batch.
        take: returns these samples of it.
    """
    rows = group.share(count)
    samples = rows.stop - rows.start
    if not samples:
        rows = slice(0, 1)
    return Share(take(rows), rows, samples, count)


def divide(batch: Batch, group: ProcessGroup, where: str) -> list[Share]:
    """Return the share of each process, as copies on the CPU.

    Arrays with an entry per sample and lists of samples are divided, whatever their nesting; numbers, strings and
    0-d tensors are repeated.

    Args:
        where: the method of the task that returned the data, for messages.

    Raises:
        UsageError: for an array or an object that can't be divided by samples.
    """
    count = sample_count(batch)
    divisible = _Divisible(batch, count)
    try:
        return [
            make_share(group.of_rank(rank), count, lambda rows: divisible.some(batch, rows, is_whole=True))
            for rank in range(group.world_size)
        ]
    except _NotDivisible as error:
        raise UsageError(
            f"{where}: in a batch of {counted(count, 'sample')} is a {error}, which "
            f"{counted(group.world_size, 'process')} can't divide; return a Dataset or a DataLoader over one, "
            "arrays with an entry per sample, or use --nproc 1"
        ) from None


class _NotDivisible(Exception):  # noqa: N818 - carries what it is
    """A part of a batch that does not have an entry per sample."""


class _Divisible:
    """Takes some samples of a batch.

    Args:
        batch: the whole batch.
        count: its samples.
    """

    def __init__(self, batch: Batch, count: int) -> None:
        self._count = count
        self._is_list = is_list_of_samples(batch)
        # if one list of a batch holds samples, such as dicts of boxes, so do lists that could be either
        self._has_lists = any(map(self._holds_lists, _entries(batch)))

    def some(self, value: Any, rows: slice, *, is_whole: bool = False) -> Any:
        """Return some samples of a part of the batch, arrays as copies on the CPU.

        Args:
            is_whole: whether the part is the whole batch, whose entries are inputs and targets, not samples.

        Raises:
            _NotDivisible: for a part without an entry per sample.
        """
        if isinstance(value, _ARRAYS):
            return self._some_of_array(value, rows)
        if isinstance(value, Mapping):
            return with_items(value, {key: self.some(item, rows) for key, item in value.items()})
        # the class knows its samples, such as a PackedSequence or a graph
        if callable(getattr(value, "to", None)) or any(isinstance(item, _ARRAYS) for item in _attributes(value)):
            raise _NotDivisible(describe_shape(value))
        if isinstance(value, (tuple, list)):
            are_samples = self._is_list if is_whole else self._are_samples(value)
            items = list(value[rows]) if are_samples else [self.some(item, rows) for item in value]
            return _sequence(value, items)
        if is_dataclass(value) and not isinstance(value, type):
            return with_fields(value, {item.name: self.some(getattr(value, item.name), rows) for item in fields(value)})
        if isinstance(value, SimpleNamespace):
            return type(value)(**{name: self.some(item, rows) for name, item in vars(value).items()})
        return value

    def _some_of_array(self, array: Any, rows: slice) -> Any:
        if isinstance(array, np.ndarray):
            if array.ndim and len(array) != self._count:
                raise _NotDivisible(describe_shape(array))
            return array[rows].copy() if array.ndim else array
        if array.is_nested or (array.dim() and len(array) != self._count):
            raise _NotDivisible(describe_shape(array))
        # a slice would be sent with the memory of all samples
        return (array[rows] if array.dim() else array).detach().to("cpu", copy=True)

    def _are_samples(self, items: Any) -> bool:
        if hasattr(items, "_fields") or len(items) != self._count:
            return False
        return self._has_lists or not all(map(self._is_field, items))

    def _is_field(self, item: Any) -> bool:
        """Return whether an entry of a list has an entry per sample, so that it is no sample itself."""
        if isinstance(item, _ARRAYS):
            return bool(item.ndim) and len(item) == self._count
        # a loader makes no list of dicts
        return isinstance(item, (tuple, list)) and (len(item) == self._count or all(map(self._is_field, item)))

    def _holds_lists(self, value: Any) -> bool:
        if isinstance(value, (tuple, list)) and len(value) == self._count and not all(map(self._is_field, value)):
            return True
        return any(map(self._holds_lists, _entries(value)))


def _entries(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, (tuple, list)) else []


def _attributes(value: Any) -> list[Any]:
    if is_dataclass(value) or isinstance(value, SimpleNamespace):
        return []
    return list(getattr(value, "__dict__", {}).values())


def _sequence(like: Any, items: list[Any]) -> Any:
    if isinstance(like, list):
        result = copy.copy(like)
        result[:] = items
        return result
    return type(like)(*items) if hasattr(like, "_fields") else type(like)(items)
