"""A batch of one sample under BatchNorm is refused before training, where BatchNorm would fail on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler, TensorDataset
from training_runs import tiny_spec

from lrtui.__main__ import main
from lrtui.run.errors import TaskError, UsageError
from lrtui.training.run_setup import set_up


class Normed:
    """17 samples with 4 features each.

    Args:
        model: the model.
        data: makes the training data of inputs and targets.
    """

    def __init__(self, model: nn.Module, data: Any = lambda *pair: pair) -> None:
        self._model, self._data = model, data
        self._inputs = torch.randn(17, 4, generator=torch.Generator().manual_seed(1))
        self._targets = torch.arange(17) % 2

    def training_data(self) -> Any:
        return self._data(self._inputs, self._targets)

    def test_data(self) -> Any:
        return self._inputs[:6], self._targets[:6]

    def model(self) -> nn.Module:
        return self._model

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, targets)


def norm() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))


def in_space(size: int) -> nn.Module:
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)),
        nn.Conv2d(1, 3, 3 - size, padding=0),
        nn.BatchNorm2d(3),
        nn.Flatten(),
        nn.LazyLinear(2),
    )


def frozen() -> nn.Module:
    model = norm()
    model.train = lambda mode=True: nn.Module.train(model, False)  # type: ignore[method-assign]
    model.train()
    return model


def check(task: Normed, **settings: Any) -> None:
    set_up(tiny_spec(**settings), lambda text: None, task)


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        (Normed(norm()), {"batch_size": 16}, r"the last of the 2 training batches has one .*--train-samples 16"),
        (Normed(norm()), {"batch_size": 4, "train_samples": 9}, r"last of the 3 .*--batch-size or --train-samples 8"),
        (Normed(norm()), {"batch_size": 1}, r"every training batch has one sample.*'1'.*another --batch-size$"),
        (Normed(norm()), {"batch_size": 8, "accumulate": 3}, "the last of the 3 training batches"),
        (Normed(in_space(1)), {"batch_size": 16}, "BatchNorm '2'"),
        (Normed(norm(), TensorDataset), {"batch_size": 16}, "--batch-size"),
        (Normed(norm(), lambda *p: DataLoader(TensorDataset(*p), 16)), {}, r"drop_last=True.*training_data\(\)$"),
        (
            Normed(
                norm(),
                lambda *p: DataLoader(
                    TensorDataset(*p), batch_sampler=BatchSampler(RandomSampler(range(17)), 4, drop_last=False)
                ),
            ),
            {},
            "the last of the 5",
        ),
        # samples in a list, a data set that lrtui batches, and a stream, which is counted
        (Normed(norm(), lambda x, y: list(zip(x, y, strict=True))), {"batch_size": 16}, "the last of the 2"),
        (Normed(norm(), lambda x, y: DataLoader(list(zip(x, y, strict=True)), 16)), {}, "the last of the 2"),
        (Normed(norm(), lambda *p: DataLoader(Stream(*p), 16)), {}, r"the last of the 2 .*drop_last=True"),
        (Normed(norm(), lambda x, y: {"input": x, "labels": y}), {"batch_size": 16}, "the last of the 2"),
        (
            Normed(norm(), lambda x, y: [(x[:4], y[:4]), (x[4:5], y[4:5]), (x[5:], y[5:])]),
            {},
            "training batch 1 has one sample",
        ),
    ],
)
def test_one_value_per_channel_is_refused(task: Normed, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check(task, **settings)


@pytest.mark.parametrize(
    ("task", "settings"),
    [
        (Normed(norm()), {"batch_size": 15}),
        (Normed(norm()), {"batch_size": 16, "train_samples": 16}),
        (Normed(nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3), nn.Linear(3, 2))), {"batch_size": 16}),
        (Normed(in_space(2)), {"batch_size": 16}),
        (Normed(frozen()), {"batch_size": 16}),
        (Normed(norm(), lambda *p: DataLoader(TensorDataset(*p), 16, drop_last=True)), {}),
        (Normed(norm(), lambda *p: DataLoader(TensorDataset(*p), 16)), {"train_samples": 16}),
        (Normed(norm()), {"batch_size": 16, "max_steps": 1}),
    ],
)
def test_what_trains_is_not_refused(task: Normed, settings: dict[str, Any]) -> None:
    check(task, **settings)


class Stream(IterableDataset[Any]):
    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor) -> None:
        self._pairs = list(zip(inputs, targets, strict=True))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._pairs)


class OwnBatches:
    """An iterable of the batches of a loader, with a length."""

    def __init__(self, *pair: torch.Tensor) -> None:
        self._loader = DataLoader(TensorDataset(*pair), 16)

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._loader)


def test_a_batch_that_is_known_only_when_it_comes_fails_with_the_remedy() -> None:
    setup = set_up(
        tiny_spec(),
        lambda text: None,
        Normed(norm(), OwnBatches),
    )
    *_, last = setup.train.in_order()
    with pytest.raises(TaskError, match=r"BatchNorm can't be trained on one sample: .*drop_last=True"):
        setup.task.training_step(setup.model, last)


def test_the_refusal_is_a_usage_error_that_leaves_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "normed.py"
    file.write_text(
        "from torch import nn\nfrom tiny_task import Tiny\n\n\nclass Mine(Tiny):\n    def model(self):\n"
        "        return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))\n"
    )
    store = str(tmp_path / "store")
    arguments = ["--task", f"{file}:Mine", "--batch-size", "16", "--train-samples", "81", "--store", store]
    assert main(["train", "StepLR(1)", *arguments]) == 2
    assert "lrtui train: the last of the 6 training batches has one sample" in capsys.readouterr().err
    assert main(["runs", "list", "--json", "--store", store]) == 0
    assert capsys.readouterr().out == ""
