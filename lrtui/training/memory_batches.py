"""Samples that are in memory as a whole, as arrays of all samples: the fast path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.training.batch_share import make_share
from lrtui.training.batches import Batch, first_of_one_sample


class MemoryBatches:
    """Samples that fit into the device's memory, prepared once.

    Args:
        arrays: tensors of shape (samples, ...), one or several in tuples, lists and dicts; a batch has the same form.
        order: the generator that new orders are drawn from.
        drop_last: whether a pass in a new order leaves out the last batch if it is smaller than the others.
        group: the processes that share each batch; all of them draw the same order.
    """

    def __init__(
        self,
        arrays: Any,
        batch_size: int,
        device: torch.device,
        order: torch.Generator,
        *,
        drop_last: bool = False,
        group: ProcessGroup = ALONE,
    ) -> None:
        self._arrays = map_arrays(lambda array: array.to(device), arrays)
        self._count = len(next(leaves(arrays)))
        self._used = self._count // batch_size * batch_size if drop_last else self._count
        self._size, self._device, self._order, self._group = batch_size, device, order, group
        self.samples: int | None = self._used
        self.batch_size: int | None = batch_size
        self.generators: tuple[torch.Generator, ...] = (order,)
        self.inexact: str | None = None
        self.parts: tuple[Any, ...] = ()
        self.made_by = ""
        self.goes_on = False

    def __len__(self) -> int:
        return -(-self._used // self._size)

    def shuffled(self) -> Iterator[Batch]:
        """Go through the samples once, in a new order."""
        yield from self._ordered(self._new_order())

    def resumed(self, done: int, between_batches: Callable[[], None]) -> Iterator[Batch]:
        """Draw the order again and skip the batches that are done, without gathering them."""
        return self._ordered(self._new_order()[done * self._size :])

    def start_workers(self) -> None:
        """Do nothing: there are no processes."""

    def _new_order(self) -> torch.Tensor:
        return torch.randperm(self._count, generator=self._order)[: self._used].to(self._device)

    def _ordered(self, order: torch.Tensor) -> Iterator[Batch]:
        for indices in torch.split(order, self._size):
            yield self._batch(len(indices), indices.__getitem__)

    def in_order(self) -> Iterator[Batch]:
        """Go through the samples once, in their order."""
        for start in range(0, self._used, self._size):
            count = min(self._size, self._used - start)
            yield self._batch(count, partial(_moved, start))

    def _batch(self, count: int, which: Callable[[slice], torch.Tensor | slice]) -> Batch:
        """Return a batch, or this process's share of it.

        Args:
            count: its samples.
            which: returns where some of its samples are in the arrays.
        """
        if self._group.world_size == 1:
            return self._pick(which(slice(0, count)))
        return make_share(self._group, count, lambda rows: self._pick(which(rows)))

    def _pick(self, which: torch.Tensor | slice) -> Batch:
        picked: Batch = map_arrays(lambda array: array[which], self._arrays)
        return picked

    def first_of_one_sample(self) -> int | None:
        """Return the number of the first batch that has one sample."""
        return first_of_one_sample(self._used, self._size)


def _moved(start: int, rows: slice) -> slice:
    return slice(start + rows.start, start + rows.stop)


class Rows:
    """The samples of arrays one by one, as a data set for a loader.

    Args:
        arrays: as for `MemoryBatches`.
    """

    def __init__(self, arrays: Any) -> None:
        self._arrays = arrays

    def __len__(self) -> int:
        return len(next(leaves(self._arrays)))

    def __getitem__(self, index: int) -> Any:
        return map_arrays(lambda array: array[index], self._arrays)


def leaves(data: Any) -> Iterator[Any]:
    """Yield what tuples, lists and mappings contain, whatever their nesting."""
    if isinstance(data, Mapping):
        data = data.values()
    elif not isinstance(data, (tuple, list)):
        yield data
        return
    for part in data:
        yield from leaves(part)


def map_arrays(function: Callable[[Any], Any], data: Any) -> Any:
    """Return the data with the function applied to each of its arrays."""
    if is_array(data):
        return function(data)
    if isinstance(data, Mapping):
        return {key: map_arrays(function, part) for key, part in data.items()}
    parts = [map_arrays(function, part) for part in data]
    if isinstance(data, tuple):
        return type(data)(*parts) if hasattr(data, "_fields") else tuple(parts)
    return parts


def is_array(value: Any) -> bool:
    """Return whether it is a tensor or a numpy array."""
    return isinstance(value, (torch.Tensor, np.ndarray))
