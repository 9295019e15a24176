"""Passes over the data that are interrupted and resumed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from random_tasks import Augmented, OwnBatches, RandomTask, Stream
from torch.utils.data import BatchSampler, DataLoader, RandomSampler

from lrtui.training.batches import Batches, sample_count
from lrtui.training.data import read_batches
from lrtui.training.loaded_batches import LoadedBatches
from lrtui.training.memory_batches import MemoryBatches
from lrtui.training.random_state import random_states, seed_everything, set_random_states


def loaded(data: Any) -> Batches:
    def training_data() -> Any:
        return data

    return read_batches(
        data,
        training_data,
        "training",
        batch_size=5,
        limit=None,
        device=torch.device("cpu"),
        order=torch.Generator(),
        say=lambda _: None,
    )


def values(batches: Iterator[Any]) -> list[Any]:
    return [[part.tolist() for part in batch] for batch in batches]


@pytest.mark.parametrize("form", ["in memory", "dataset", "no workers", "own generator", "weighted", "replacement"])
@pytest.mark.parametrize("done", [1, 4, 8])
def test_the_rest_of_a_resumed_pass_is_the_same(form: str, done: int) -> None:
    seed_everything(5)
    data = loaded(RandomTask(form).training_data())
    begun = random_states(data.generators)
    whole = values(data.shuffled())
    ended = random_states(data.generators)
    set_random_states(begun, data.generators)
    looks = []
    rest = data.resumed(done, lambda: looks.append(1))
    assert values(rest) == whole[done:]
    assert values(data.shuffled()) != whole
    set_random_states(ended, data.generators)
    if isinstance(data, LoadedBatches):
        assert len(looks) == done
    else:
        assert isinstance(data, MemoryBatches)


def test_the_generators_of_a_loader_are_found_wherever_it_holds_them() -> None:
    own = [torch.Generator() for _ in range(3)]
    data = Augmented()
    data.generator = own[2]  # type: ignore[attr-defined]
    sampler = BatchSampler(RandomSampler(data, generator=own[1]), 5, drop_last=False)
    assert loaded(DataLoader(data, batch_sampler=sampler, generator=own[0])).generators == (own[0], own[1], own[2])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ((torch.zeros(9, 4), torch.zeros(9)), None),
        (Augmented(), None),
        (DataLoader(Augmented(), num_workers=2), None),
        ([(torch.zeros(5, 4), torch.zeros(5))] * 3, None),
        (DataLoader(Augmented(), num_workers=1, persistent_workers=True), "live on from epoch to epoch"),
        (DataLoader(Augmented(), num_workers=1, in_order=False), "as they come (in_order=False)"),
        (DataLoader(Stream()), "training_data() is a stream (IterableDataset)"),
        (Stream(), "training_data() is a stream (IterableDataset)"),
        (OwnBatches(), "training_data() returned a OwnBatches, which decides about its own order"),
    ],
    # the repr of an object contains its address
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value[:40],
)
def test_data_that_cannot_be_resumed_exactly_is_recognized(data: Any, why: str | None) -> None:
    inexact = loaded(data).inexact
    assert inexact is None if why is None else why in str(inexact)


def boxes(*counts: int) -> list[dict[str, torch.Tensor]]:
    return [{"boxes": torch.zeros(count, 4), "labels": torch.zeros(count)} for count in counts]


def images(count: int) -> list[torch.Tensor]:
    return [torch.zeros(3, 8, 8 + number) for number in range(count)]


@pytest.mark.parametrize(
    ("inputs", "targets", "count"),
    [
        # detection: a list of images, a list of dicts
        (images(2), boxes(5, 1), 2),
        (images(2), boxes(0, 7), 2),
        (images(2), boxes(3, 3), 2),
        (images(4), boxes(4, 2, 2, 2), 4),
        (tuple(images(2)), tuple(boxes(9, 1)), 2),
        (torch.zeros(2, 3, 8, 8), boxes(5, 1), 2),
        (images(2), [torch.zeros(5, 4), torch.zeros(1, 4)], 2),
        (images(3), [torch.tensor(1), torch.tensor(0), torch.tensor(1)], 3),
        (images(3), [1, 0, 1], 3),
        # fields, each with all samples
        (torch.zeros(7, 4), torch.zeros(7), 7),
        (torch.zeros(5, 7, 4), torch.zeros(7), 7),
        (torch.zeros(7, 4), [torch.zeros(7), torch.zeros(7, 2)], 7),
        ([torch.zeros(7, 4), torch.zeros(7, 2)], [torch.zeros(7), torch.zeros(7, 2)], 7),
        (torch.zeros(7, 4), [{"a": torch.zeros(7)}, {"b": torch.zeros(7)}], 7),
        ({"ids": torch.zeros(7, 4)}, {"labels": torch.zeros(7)}, 7),
        ({"ids": torch.zeros(7, 4)}, None, 7),
        # the boxes of all images in one tensor
        (torch.zeros(3, 3, 8, 8), torch.zeros(9, 6), 3),
        (torch.zeros(3, 3, 8, 8), torch.zeros(0, 6), 3),
        # a sequence first
        (torch.zeros(5, 7, 4), torch.zeros(7, 2), 7),
        # targets of flattened sequences
        (torch.zeros(5, 7), torch.zeros(35), 35),
        # CTC: targets of all samples in a row, and their lengths
        (torch.zeros(7, 4, 9), (torch.zeros(30), torch.zeros(7)), 7),
        (torch.zeros(4), torch.tensor(1.0), 1),
        ("text", None, 1),
    ],
)
def test_the_samples_of_a_batch_are_counted_in_every_form(inputs: Any, targets: Any, count: int) -> None:
    assert sample_count((inputs, targets)) == count
