"""Turns the data of a task, in any of its forms, into batches."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset, default_convert

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.errors import TaskError, describe_exception, describe_shape, source_location
from lrtui.tasks.task import Data, Say
from lrtui.text.format import counted
from lrtui.training.batches import Batches, sample_count
from lrtui.training.list_data import list_form
from lrtui.training.loaded_batches import LoadedBatches
from lrtui.training.loader_options import LoaderOptions
from lrtui.training.memory_batches import MemoryBatches, Rows, is_array, leaves, map_arrays

EXPECTED = (
    "expected tensors or arrays of all samples, such as (inputs, targets); a Dataset or a list of samples; or a "
    "DataLoader or a list of batches"
)

MAX_COUNT_SECONDS = 10.0
"""Seconds after which a loader without a length is considered endless."""


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
    options: LoaderOptions | None = None,
    most_batches: int | None = None,
    group: ProcessGroup = ALONE,
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
        options: how batches are made of samples.
        most_batches: batches after which a pass over data without a length ends, if there is no other limit.
        group: the processes that share each batch.

    Raises:
        TaskError: for data in none of a task's forms, and for a list that may be one of samples or of batches.
    """
    where = f"{method.__name__}(){source_location(method)}"
    options = options or LoaderOptions()
    if _has_rows_of(TensorDataset, data):
        data = data.tensors
    if _is_arrays(data):
        with _explained_conversion(where):
            arrays = map_arrays(torch.as_tensor, data)
        count = _common_length(arrays, where, data)
        if options.num_workers and options.collate_fn is None:
            say(f"num_workers={options.num_workers} is not used: {method.__name__}() returned data in memory")
        if options.collate_fn is None:
            used = _limited(count, limit, what, say)
            arrays = map_arrays(lambda array: array[:used], arrays)
            _check_some_batch(used, batch_size, options, where)
            return MemoryBatches(
                arrays, batch_size, device, order or torch.Generator(), drop_last=options.drop_last, group=group
            )
        data = Rows(arrays)
    if _holds_samples(data, where, options):
        if not len(data):
            raise TaskError(f"{where} returned a data set without samples")
        count = _limited(len(data), limit, what, say)
        _check_some_batch(count, batch_size, options, where)
        loader: Any = DataLoader(
            data if count == len(data) else Subset(data, range(count)),
            batch_size,
            shuffle=order is not None,
            generator=order,
            drop_last=options.drop_last,
            collate_fn=options.collate_fn,
            num_workers=options.num_workers,
        )
        used = count // batch_size * batch_size if options.drop_last else count
        return LoadedBatches(loader, None, used, method, say, is_tasks_own=False, group=group)
    is_tasks_own = not isinstance(data, IterableDataset)
    if isinstance(data, IterableDataset):
        data = DataLoader(
            data,
            batch_size,
            drop_last=options.drop_last,
            collate_fn=options.collate_fn,
            num_workers=options.num_workers,
        )
    elif isinstance(data, Dataset):
        raise TaskError(f"{where} returned a Dataset without a length: give {type(data).__name__} a __len__")
    elif options.given:
        say(f"{method.__name__}() makes its own batches: {', '.join(options.given)} of the task is not used")
    if isinstance(data, Iterator) or not (hasattr(data, "__iter__") or hasattr(data, "__getitem__")):
        more = ", which can be iterated only once" if isinstance(data, Iterator) else ""
        raise TaskError(f"{where} returned a {describe_shape(data)}{more}; {EXPECTED}")
    if isinstance(data, (list, tuple)) and any(isinstance(leaf, np.ndarray) for leaf in leaves(data)):
        with _explained_conversion(where):
            data = [default_convert(batch) for batch in data]  # type: ignore[no-untyped-call]
    return _loaded(data, method, what, limit, say, is_tasks_own, most_batches, group)


@contextmanager
def _explained_conversion(where: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # PyTorch has no type for dates and texts, and objects can raise anything
        raise TaskError(f"{where} returned an array that can't be a tensor: {describe_exception(error)}") from error


def _has_rows_of(kind: type[Any], data: Data) -> bool:
    """Return whether its samples are those of this class: a subclass may transform them."""
    return isinstance(data, kind) and type(data).__getitem__ is kind.__getitem__


def _is_arrays(data: Data) -> bool:
    """Return whether these are arrays of all samples, and not a list of samples or batches."""
    if is_array(data):
        return True
    if not isinstance(data, (tuple, list, Mapping)) or not data or not all(map(is_array, leaves(data))):
        return False
    if isinstance(data, Mapping):
        return True
    are_arrays = [is_array(part) for part in data]
    if not any(are_arrays):
        # a pair of pairs is (inputs, targets); a tuple of more pairs, or a list, is one of samples or batches
        return (
            isinstance(data, tuple) and len(data) == 2 and len({len(leaf) for leaf in leaves(data) if leaf.ndim}) == 1
        )
    return isinstance(data, tuple) or len(data) == 2 or not all(are_arrays)


def _common_length(arrays: Any, where: str, data: Data) -> int:
    """Return the number of samples.

    Raises:
        TaskError: if the arrays have different numbers, or none.
    """
    lengths = {len(array) if array.dim() else 0 for array in leaves(arrays)}
    if len(lengths) > 1 or not all(lengths):
        is_pair = isinstance(data, (tuple, list)) and len(data) == 2
        expected = "as many targets as inputs" if is_pair else "arrays with the same number of samples"
        raise TaskError(f"{where} returned {describe_shape(data)}, expected {expected}, and at least one")
    return lengths.pop()


def _holds_samples(data: Data, where: str, options: LoaderOptions) -> bool:
    """Return whether its items are single samples, which can be read in any order.

    Raises:
        TaskError: for a list that may be one of samples or of batches.
    """
    if isinstance(data, (Dataset, Rows)):
        return not isinstance(data, IterableDataset) and isinstance(data, Sized)
    if not (isinstance(data, (tuple, list)) or (hasattr(data, "__getitem__") and isinstance(data, Sized))):
        return False
    if isinstance(data, Mapping) or hasattr(data, "batch_size") or not len(data):
        return False
    if options.collate_fn is not None:
        return True  # only samples are collated
    try:
        return list_form(data, where) == "samples"
    except TaskError:
        raise
    except Exception:  # items of a user's object may have other keys than numbers; it is then iterated
        return False


def _check_some_batch(samples: int, batch_size: int, options: LoaderOptions, where: str) -> None:
    if options.drop_last and samples < batch_size:
        raise TaskError(
            f"{where} returned {counted(samples, 'sample')}, of which drop_last=True leaves no batch of "
            f"{batch_size:,}: use a smaller --batch-size"
        )


def _limited(available: int, limit: int | None, what: str, say: Say) -> int:
    if limit is not None and limit > available:
        say(f"{limit:,} {what} samples were requested, but there are only {available:,}: all are used")
    return available if limit is None else min(limit, available)


def _loaded(
    loader: Any,
    method: Any,
    what: str,
    limit: int | None,
    say: Say,
    is_tasks_own: bool,
    most_batches: int | None,
    group: ProcessGroup,
) -> LoadedBatches:
    where = f"{method.__name__}(){source_location(method)}"
    length = _length(loader)
    size = getattr(loader, "batch_size", None)
    most = None if limit is None else -(-limit // (size or 1))
    goes_on = False
    last_samples = None
    if length is None and most_batches is not None and (most is None or isinstance(size, int)):
        length, goes_on = most or most_batches, True
    elif length is None:
        length, last_samples = group.in_first(lambda: _count(loader, where, what, say, most))
        # the first samples again in each test, but not in each epoch
        goes_on = length == most and what == "training"
    if limit is not None and isinstance(size, int):
        wanted = -(-limit // size)
        if wanted > length:
            say(
                f"{limit:,} {what} samples were requested, but there are {counted(length, 'batch')} of {size}: "
                "all are used"
            )
        length = min(wanted, length)
    elif limit is not None and not goes_on:
        say(f"{limit:,} {what} samples were requested, but {method.__name__}() makes its own batches: all are used")
    if not length:
        raise TaskError(f"{where} returned a loader without batches; {EXPECTED}")
    dataset = getattr(loader, "dataset", None)
    samples = _length(dataset) if dataset is not None else None
    if samples is not None and isinstance(size, int):
        samples = min(samples, length * size)
    return LoadedBatches(
        loader,
        length,
        samples,
        method,
        say,
        is_tasks_own=is_tasks_own,
        goes_on=goes_on,
        last_samples=last_samples,
        group=group,
    )


def _length(data: Any) -> int | None:
    """Return its length, or None: `len` of a loader over a data set without a length raises."""
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None


def _count(loader: Iterable[Any], where: str, what: str, say: Say, most: int | None) -> tuple[int, int | None]:
    """Return the number of batches of a loader without a length, which a schedule has to know.

    Also return the number of samples of the last one, None if it has not been reached.

    Args:
        most: batches that are needed, and returned if counting takes too long; None for all.

    Raises:
        TaskError: if all are needed and counting takes too long: names the options that help.
    """
    option = "--max-steps N, --train-samples N" if what == "training" else "--test-samples N"
    say(f"{where} has no length: counting its batches ({option} or a __len__ avoids this)")
    count, started_at = 0, time.monotonic()
    last_report = started_at
    last = None
    for count, batch in enumerate(loader, start=1):
        last = batch
        if count == most:
            break
        now = time.monotonic()
        if now - started_at > MAX_COUNT_SECONDS:
            if most is not None:
                return most, None
            raise TaskError(
                f"{where} has no length and did not end within {counted(count, 'batch')} ({now - started_at:.0f} s): "
                f"set its length with {option} or a __len__"
            )
        if now - last_report > 2:
            say(f"{counted(count, 'batch')} so far")
            last_report = now
    return count, None if last is None else sample_count(last)
