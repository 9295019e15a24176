"""How several processes read the batches of one loader: each its share, or rank 0 everything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, TypeGuard

from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
)

from lrtui.distributed.process_group import ProcessGroup, packed
from lrtui.run.errors import LrtuiError, UsageError
from lrtui.text.format import counted
from lrtui.training.batch_share import Share, divide, make_share
from lrtui.training.batches import Batch
from lrtui.training.random_state import random_states, set_random_states

_SAMPLERS = (SequentialSampler, RandomSampler, SubsetRandomSampler, WeightedRandomSampler)
"""Samplers that choose the same order in all processes, since their random generators have equal states."""


class SharedLoader:
    """The shares of one process in the batches of a loader, in the loader's order.

    Of samples that can be read in any order, each process reads its share. All other loaders are read by rank 0, which
    sends the shares: a stream has one position, and samplers and collections of the user's own may not give the same
    batches everywhere.

    Args:
        loader: the loader; processes that don't read it have one all the same.
        group: the processes.
        where: the method of the task that returned the data, for messages.

    Raises:
        UsageError: for a loader with a DistributedSampler, whose batches are divided already.
    """

    def __init__(self, loader: Iterable[Any], group: ProcessGroup, where: str) -> None:
        samplers = (getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None))
        if any(isinstance(sampler, DistributedSampler) for sampler in samplers):
            raise UsageError(
                f"{where} returned a loader with a DistributedSampler: leave it out, since lrtui divides each batch "
                f"among the {counted(group.world_size, 'process')}"
            )
        self._loader, self._group, self._where = loader, group, where
        self.own_loader = _own_loader(loader, group) if _can_be_read_in_shares(loader) else None
        """The loader of this process's samples; None if rank 0 reads everything."""

    def __iter__(self) -> Iterator[Share]:
        if self.own_loader is not None:
            counts = _counts(self.own_loader.batch_sampler)
            return map(partial(_share, self._group), counts, self.own_loader)
        return self._sent() if self._group.is_first else self._received()

    def _sent(self) -> Iterator[Share]:
        before = packed(random_states())
        for batch in self._loader:
            try:
                shares = divide(batch, self._group, self._where)
            except LrtuiError as error:
                self._send_all(error)
                raise
            states = random_states()
            # all processes go on with the numbers that rank 0 draws next, such as those of dropout
            drawn = states if (now := packed(states)) != before else None
            yield self._group.scatter([(share, drawn) for share in shares])[0]
            before = now
        self._send_all(None)

    def _send_all(self, message: LrtuiError | None) -> None:
        self._group.scatter([(message, None)] * self._group.world_size)

    def _received(self) -> Iterator[Share]:
        """Yield the shares that rank 0 sends, until it sends None or an error."""
        while True:
            share, drawn = self._group.scatter(None)
            if share is None:
                return
            if isinstance(share, LrtuiError):
                raise share
            if drawn is not None:
                set_random_states(drawn)
            yield share


def _share(group: ProcessGroup, count: int, batch: Batch) -> Share:
    return make_share(group, count, lambda _: batch)


class _ShareSampler(BatchSampler):
    """The numbers of this process's samples in each batch.

    Args:
        batches: PyTorch's own, of a sampler that gives the same order in all processes.
        group: the processes.
    """

    def __init__(self, batches: BatchSampler, group: ProcessGroup) -> None:
        super().__init__(batches.sampler, batches.batch_size, batches.drop_last)
        self._group = group

    def __iter__(self) -> Iterator[list[int]]:
        for numbers in super().__iter__():
            yield make_share(self._group, len(numbers), numbers.__getitem__).batch


def _counts(batches: Any) -> Iterator[int]:
    """Yield the number of samples of each whole batch."""
    left, size = len(batches.sampler), batches.batch_size
    for _ in range(len(batches)):
        yield min(size, left)
        left -= size


def _can_be_read_in_shares(loader: Any) -> TypeGuard[DataLoader[Any]]:
    return (
        type(loader) is DataLoader
        and not isinstance(loader.dataset, IterableDataset)
        and type(loader.batch_sampler) is BatchSampler
        and type(loader.batch_sampler.sampler) in _SAMPLERS
        and getattr(loader, "in_order", True)
    )


def _own_loader(loader: DataLoader[Any], group: ProcessGroup) -> DataLoader[Any]:
    """Return a loader like this one that reads only the samples of this process."""
    assert loader.batch_sampler is not None
    return DataLoader(
        loader.dataset,
        batch_sampler=_ShareSampler(loader.batch_sampler, group),  # type: ignore[arg-type]
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        pin_memory=loader.pin_memory,
        timeout=loader.timeout,
        worker_init_fn=loader.worker_init_fn,
        multiprocessing_context=loader.multiprocessing_context,
        generator=loader.generator,
        prefetch_factor=loader.prefetch_factor,
        persistent_workers=loader.persistent_workers,
    )
