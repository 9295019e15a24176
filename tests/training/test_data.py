"""The forms in which a task may return its data, and what each of them is read as."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from lrtui.run.errors import TaskError
from lrtui.training import data
from lrtui.training.batches import Batches
from lrtui.training.data import read_batches
from lrtui.training.loaded_batches import LoadedBatches
from lrtui.training.loader_options import LoaderOptions, loader_options
from lrtui.training.memory_batches import MemoryBatches


def training_data() -> None:
    """The method of the task, for messages."""


def read(given: Any, said: list[str] | None = None, *, train: bool = True, **settings: Any) -> Batches:
    return read_batches(
        given,
        training_data,
        "training",
        **{"batch_size": 4, "limit": None, **settings},
        device=torch.device("cpu"),
        order=torch.Generator() if train else None,
        say=(said if said is not None else []).append,
    )


def arange(*shape: int) -> torch.Tensor:
    return torch.arange(int(np.prod(shape)), dtype=torch.float32).reshape(shape)


def shapes(batch: Any) -> Any:
    if isinstance(batch, dict):
        return {key: shapes(part) for key, part in batch.items()}
    return [shapes(part) for part in batch] if isinstance(batch, (tuple, list)) else tuple(batch.shape)


def pairs(count: int, inputs: tuple[int, ...], targets: tuple[int, ...]) -> list[Any]:
    return [(arange(*inputs), arange(*targets)) for _ in range(count)]


@pytest.mark.parametrize(
    ("data", "first"),
    [
        ((arange(10, 3), arange(10)), [(4, 3), (4,)]),
        ([arange(10, 3), arange(10)], [(4, 3), (4,)]),
        ((arange(10, 3).numpy(), arange(10, 2).numpy()), [(4, 3), (4, 2)]),
        (arange(10, 3), (4, 3)),
        (((arange(10, 3), arange(10, 2)), arange(10)), [[(4, 3), (4, 2)], (4,)]),
        ([[arange(10, 3), arange(10, 2)], arange(10)], [[(4, 3), (4, 2)], (4,)]),
        (((arange(10, 3), arange(10, 2)), (arange(10), arange(10))), [[(4, 3), (4, 2)], [(4,), (4,)]]),
        ((arange(10, 3), arange(10, 2), arange(10).numpy()), [(4, 3), (4, 2), (4,)]),
        ({"ids": arange(10, 3), "labels": np.arange(10)}, {"ids": (4, 3), "labels": (4,)}),
        (({"ids": arange(10, 3)}, arange(10)), [{"ids": (4, 3)}, (4,)]),
        (TensorDataset(arange(10, 3)), [(4, 3)]),
        (TensorDataset(arange(10, 3), arange(10), arange(10)), [(4, 3), (4,), (4,)]),
    ],
    # the repr of a tensor is long
    ids=lambda value: type(value).__name__,
)
def test_arrays_of_all_samples_are_kept_in_memory_in_any_nesting(data: Any, first: Any) -> None:
    batches = read(data)
    assert isinstance(batches, MemoryBatches)
    assert (len(batches), batches.samples) == (3, 10)
    assert shapes(next(batches.in_order())) == first
    rows = [batch for batch in batches.shuffled()]
    assert len(rows) == 3
    assert shapes(next(read(data, limit=2).in_order())) == shapes(list(read(data).in_order())[-1])


def test_the_parts_of_a_sample_stay_together() -> None:
    inputs = arange(10, 1)
    batches = read(((inputs, inputs + 100), {"y": inputs + 200}))
    for (first, second), rest in batches.shuffled():
        assert torch.equal(second, first + 100)
        assert torch.equal(rest["y"], first + 200)


@pytest.mark.parametrize(
    ("data", "first"),
    [
        (pairs(10, (3,), ()), [(4, 3), (4,)]),
        (pairs(10, (20,), (3,)), [(4, 20), (4, 3)]),
        (pairs(10, (1, 28, 28), (10,)), [(4, 1, 28, 28), (4, 10)]),
        ([(x.numpy(), y.numpy()) for x, y in pairs(10, (20,), (3,))], [(4, 20), (4, 3)]),
        ([(arange(5), 1)] * 10, [(4, 5), (4,)]),
        ([([1.0, 2.0, 3.0], 1)] * 10, None),
        ([((arange(5), arange(2)), arange(3))] * 10, [[(4, 5), (4, 2)], (4, 3)]),
        (tuple(pairs(10, (20,), (3,))), [(4, 20), (4, 3)]),
        ([{"x": arange(5), "label": 2}] * 10, {"x": (4, 5), "label": (4,)}),
        ([(arange(3, 8, 8), {"boxes": arange(n, 4)}) for n in (1, 2, 5, 3, 0)] * 2, None),
    ],
    ids=lambda value: "",
)
def test_a_list_of_samples_is_batched(data: Any, first: Any) -> None:
    batches = read(data)
    assert isinstance(batches, LoadedBatches)
    assert (len(batches), batches.samples, batches.batch_size) == (3, 10, 4)
    if first is not None:
        assert shapes(next(batches.in_order())) == first


def test_a_list_of_samples_gets_a_new_order_each_epoch_and_a_test_set_stays_in_order() -> None:
    data = [(torch.tensor([float(number)]), number) for number in range(40)]
    batches = read(data)
    first, second = ([int(t) for _, targets in batches.shuffled() for t in targets] for _ in range(2))
    assert first != second
    assert sorted(first) == sorted(second) == list(range(40))
    assert [int(t) for _, targets in read(data, train=False).in_order() for t in targets] == list(range(40))


@pytest.mark.parametrize(
    "data",
    [
        pairs(10, (64, 3), (64,)),
        [*pairs(9, (2, 3), (2,)), *pairs(1, (1, 3), (1,))],
        [*pairs(9, (64,), (64,)), *pairs(1, (3,), (3,))],
        [(arange(n, 7), arange(n, 7)) for n in (5, 9, 3, 12)],
        [([arange(3, 8, 8), arange(3, 8, 9)], [{"boxes": arange(2, 4)}, {"boxes": arange(1, 4)}])] * 5,
        [*[(["a text"] * 8, arange(8))] * 5, (["a text"] * 3, arange(3))],
        pairs(1, (3, 8, 8), (3,)),
    ],
    ids=lambda value: "",
)
def test_a_list_of_batches_is_used_as_it_is(data: Any) -> None:
    batches = read(data)
    assert len(batches) == len(data)
    assert [len(part) for part in next(batches.in_order())] == [len(part) for part in data[0]]


@pytest.mark.parametrize(
    "data",
    [
        pairs(10, (1, 28, 28), (1,)),
        pairs(10, (3, 32, 32), (3,)),
        pairs(10, (8,), (8,)),
        pairs(10, (5, 7, 4), (7,)),
        [{"ids": arange(16), "labels": arange(16)}] * 10,
        [arange(28, 28)] * 10,
        [(["some", "words"], arange(2))] * 10,
        tuple(pairs(10, (3, 32, 32), (3,))),
    ],
    ids=lambda value: "",
)
def test_a_list_that_may_be_either_is_refused_with_what_to_write(data: Any) -> None:
    with pytest.raises(TaskError) as refusal:
        read(data)
    text = str(refusal.value)
    for words in ("training_data()", "list of 10 items", "samples", "batch_size=64, shuffle=True", "batch_size=None"):
        assert words in text
    # what it says to write is read as it says
    assert (len(read(DataLoader(data, batch_size=None))), len(read(DataLoader(data, batch_size=5)))) == (10, 2)


def test_batches_of_numpy_arrays_become_tensors() -> None:
    inputs, targets = next(read([(np.zeros((8, 3)), np.zeros(8))] * 3).in_order())
    assert isinstance(inputs, torch.Tensor)
    assert isinstance(targets, torch.Tensor)


class Rescaled(TensorDataset):
    def __getitem__(self, index: int) -> Any:
        return self.tensors[0][index] / 255, self.tensors[1][index]


class Listed:
    """A data set that is no subclass of Dataset."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        return arange(3), index


def test_a_data_set_that_transforms_its_samples_is_asked_for_each() -> None:
    inputs, _ = next(read(Rescaled(torch.full((10, 3), 255.0), torch.zeros(10)), train=False).in_order())
    assert inputs.max() == 1
    assert next(read(Listed(), train=False).in_order())[1].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ((arange(10, 3), arange(9)), "expected as many targets as inputs"),
        ((arange(10, 3), arange(9), arange(10)), "arrays with the same number of samples"),
        ({"x": arange(10, 3), "y": arange(9)}, "arrays with the same number of samples"),
        ((arange(0, 3), arange(0)), "at least one"),
        (5, "DataLoader or a list of batches"),
        (iter(pairs(3, (8, 3), (8,))), "iterated only once"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_data_in_no_form_is_refused(data: Any, words: str) -> None:
    with pytest.raises(TaskError, match=words):
        read(data)


class WithOptions:
    drop_last = True
    num_workers = 2

    def collate_fn(self, samples: list[Any]) -> Any:
        return "own", len(samples)


def collate(samples: list[Any]) -> Any:
    return "plain", len(samples)


class WithFunction:
    collate_fn = collate


class WithTestCollate(WithOptions):
    test_collate_fn = staticmethod(collate)


def test_a_tasks_options_are_those_of_the_loader() -> None:
    options = loader_options(WithOptions(), training=True)
    assert options.given == ["drop_last=True", "collate_fn", "num_workers=2"]
    for_tests = loader_options(WithOptions(), training=False)
    assert (for_tests.drop_last, for_tests.num_workers) == (False, 2)
    for task, training, name in [
        (WithOptions(), False, "own"),
        (WithFunction(), True, "plain"),
        (WithFunction(), False, "plain"),
        (WithTestCollate(), True, "own"),
        (WithTestCollate(), False, "plain"),
    ]:
        collated = loader_options(task, training=training).collate_fn
        assert collated is not None
        assert collated([1, 2]) == (name, 2)
    assert loader_options(object(), training=True) == LoaderOptions()


@pytest.mark.parametrize(("name", "value"), [("drop_last", 1), ("num_workers", -1), ("collate_fn", "pad")])
def test_an_invalid_option_is_refused(name: str, value: object) -> None:
    with pytest.raises(TaskError, match=f"^{name} of Options"):
        loader_options(type("Options", (), {name: value})(), training=True)


class Squares(Dataset[Any]):
    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> Any:
        return torch.tensor([float(index)]), index**2


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([(torch.tensor([float(index)]), index) for index in range(10)])


@pytest.mark.parametrize("data", [(arange(10, 1), arange(10)), Squares(), pairs(10, (20,), (3,)), Stream()])
def test_drop_last_leaves_out_a_smaller_last_batch(data: Any) -> None:
    batches = read(data, options=LoaderOptions(drop_last=True))
    assert len(batches) == 2
    assert [len(batch[1]) for batch in batches.shuffled()] == [4, 4]
    assert [len(batch[1]) for batch in batches.resumed(1, lambda: None)] == [4]
    assert batches.samples in (8, None)
    assert len(read(data, options=LoaderOptions(drop_last=True), batch_size=5)) == 2


@pytest.mark.parametrize("data", [(arange(10, 1), arange(10)), Squares(), [(arange(3), arange(3))] * 10, Stream()])
def test_samples_are_collated_by_the_tasks_function(data: Any) -> None:
    batches = read(data, options=LoaderOptions(collate_fn=collate))
    assert list(batches.in_order()) == [("plain", 4), ("plain", 4), ("plain", 2)]


def test_options_that_have_no_use_are_said() -> None:
    said: list[str] = []
    read(DataLoader(Squares(), batch_size=4), said, options=LoaderOptions(drop_last=True))
    read((arange(10, 1), arange(10)), said, options=LoaderOptions(num_workers=2))
    assert said == [
        "training_data() makes its own batches: drop_last=True of the task is not used",
        "num_workers=2 is not used: training_data() returned data in memory",
    ]
    with pytest.raises(TaskError, match="no batch of 16"):
        read(Squares(), options=LoaderOptions(drop_last=True), batch_size=16)


class Counting(IterableDataset[Any]):
    """A stream of numbers from 0.

    Args:
        end: None for a stream without an end.
    """

    def __init__(self, end: int | None = None) -> None:
        self.end, self.starts = end, 0

    def __iter__(self) -> Iterator[Any]:
        self.starts += 1
        return ((torch.tensor([float(number)]), number) for number in (range(self.end) if self.end else count()))


def numbers(batches: Iterator[Any]) -> list[int]:
    return [int(number) for _, targets in batches for number in targets]


def test_a_stream_goes_on_over_epochs() -> None:
    stream = Counting()
    batches = read(stream, limit=8)
    assert batches.goes_on
    assert [numbers(batches.shuffled()) for _ in range(3)] == [[*range(8)], [*range(8, 16)], [*range(16, 24)]]
    assert stream.starts == 2  # once to count
    for done in (0, 1, 2, 5):
        assert numbers(read(Counting(), limit=8).resumed(done, lambda: None))[0] == 4 * done
    # a test has the same samples each time
    test = read_batches(
        Counting(),
        training_data,
        "test",
        batch_size=4,
        limit=8,
        device=torch.device("cpu"),
        order=None,
        say=lambda text: None,
    )
    assert [numbers(test.in_order()) for _ in range(2)] == [[*range(8)]] * 2


def test_a_stream_that_ends_starts_again_and_says_so_once() -> None:
    said: list[str] = []
    batches = read(Counting(12), said, limit=8)
    assert [numbers(batches.shuffled()) for _ in range(4)] == [
        [*range(8)],
        [8, 9, 10, 11, 0, 1, 2, 3],
        [*range(4, 12)],
        [*range(8)],
    ]
    assert sum("starts again" in text for text in said) == 1
    # without a limit an epoch is a pass
    batches = read(Counting(12))
    assert not batches.goes_on
    assert [numbers(batches.shuffled()) for _ in range(2)] == [[*range(12)]] * 2


def test_a_stream_without_an_end_is_refused_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "MAX_COUNT_SECONDS", 0.05)
    with pytest.raises(TaskError, match=r"has no length and did not end within .* --max-steps N, --train-samples N"):
        read(Counting())
    # a stream that is slow is taken as it is if it is known how much of it is needed
    monkeypatch.setattr(data, "MAX_COUNT_SECONDS", 0.0)
    assert len(read(Counting(), limit=800)) == 200
