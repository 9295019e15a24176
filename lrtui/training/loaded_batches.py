"""Batches that come from a loader: the task's own, or one that lrtui makes of its Dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import Any

from torch.utils.data import BatchSampler, DataLoader, IterableDataset

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.errors import LrtuiError, TaskError, describe_exception, source_location
from lrtui.tasks.loader_parts import generators_of, parts_of
from lrtui.tasks.task import Say
from lrtui.text.format import counted
from lrtui.training.batches import Batch, first_of_one_sample, sample_count
from lrtui.training.shared_loader import SharedLoader


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
        last_samples: samples of the last batch, if they are known.
        group: the processes that share each batch.

    Raises:
        UsageError: for a loader that divides its batches among processes itself.
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
        last_samples: int | None = None,
        group: ProcessGroup = ALONE,
    ) -> None:
        size = getattr(loader, "batch_size", None)
        self.samples = samples
        self.batch_size = size if isinstance(size, int) else None
        self.generators = generators_of(loader)
        self.inexact = _why_inexact(loader, f"{method.__name__}()")
        if goes_on and self.inexact:
            self.inexact += "; it is started again, and the batches that are done are skipped"
        self.parts = parts_of(loader)
        self.made_by = f"{method.__name__}()" if is_tasks_own else ""
        self.goes_on = goes_on
        self._last_samples = last_samples
        self._loader, self._method, self._say = loader, method, say
        self._shared = SharedLoader(loader, group, f"{method.__name__}()") if group.world_size > 1 else None
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
                f"{name} has length {self._length:,} but returned {counted(batches, 'batch')}: "
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
        self._say(f"resuming within an epoch: {counted(done, 'batch')} drawn again and skipped")
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
        loader = self._loader if self._shared is None else self._shared.own_loader
        if isinstance(loader, DataLoader) and loader.persistent_workers and not self.goes_on:
            iter(loader)

    def in_order(self) -> Iterator[Batch]:
        """Go through the loader once.

        Raises:
            TaskError: for a batch that can't be loaded.
        """
        yield from islice(self._read(), self._length)

    def first_of_one_sample(self) -> int | None:
        """Return the number of the first batch that has one sample, if the loader's type shows it."""
        first: int | None = None
        if self._last_samples == 1:
            first = self._length - 1
        listed: Any = self._loader
        if isinstance(listed, DataLoader) and listed.batch_size is None and listed.batch_sampler is None:
            listed = listed.dataset
        if isinstance(listed, (list, tuple)):
            first = next((i for i, batch in enumerate(listed) if sample_count(batch) == 1), None)
        # a subclass may make other batches
        elif isinstance(self._loader, DataLoader) and type(self._loader.batch_sampler) is BatchSampler:
            batches = self._loader.batch_sampler
            size = batches.batch_size
            if isinstance(batches.sampler, Sized) and not (batches.drop_last and size > 1):
                first = first_of_one_sample(len(batches.sampler), size)
        return first if first is not None and first < self._length else None

    def _read(self) -> Iterator[Any]:
        try:
            yield from self._shared or self._loader
        except LrtuiError:
            raise
        except Exception as error:  # a user's data set can raise anything
            where = f"{self._method.__name__}(){source_location(self._method)}"
            raise TaskError(f"reading the data of {where} failed: {describe_exception(error)}") from error


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
