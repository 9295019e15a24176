from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_fashion import TEST, TRAIN, write_small_fashion
from torch import nn
from torch.nn import functional

from lrtui.run.errors import DataError
from lrtui.tasks import fashion_mnist
from lrtui.tasks.dropout import ByteDropout
from lrtui.tasks.fashion_mnist import NAMES, FashionMnist
from lrtui.tasks.task import DataRequest, DataSource


def _prepared(folder: Path, train: int | None = None, test: int | None = None) -> tuple[FashionMnist, DataSource]:
    task = FashionMnist()
    return task, task.prepare(DataRequest(str(folder), train, test), lambda _: None)


def test_the_data_source_is_reported(tmp_path: Path) -> None:
    task, source = _prepared(write_small_fashion(tmp_path / "small"))
    assert source == DataSource("Fashion-MNIST", "cache", str(tmp_path / "small"))
    assert [len(targets) for _, targets in (task.training_data(), task.test_data())] == [TRAIN, TEST]


def test_a_limit_takes_the_first_samples(tmp_path: Path) -> None:
    folder = write_small_fashion(tmp_path / "small")
    whole, part = _prepared(folder)[0], _prepared(folder, 7, 3)[0]
    assert torch.equal(part.training_data()[0], whole.training_data()[0][:7])
    assert torch.equal(part.test_data()[1], whole.test_data()[1][:3])


def test_damaged_data_never_reaches_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_small_fashion(tmp_path / "small")
    (folder / NAMES[0]).write_bytes(b"damaged")
    without_sample = replace(fashion_mnist.FASHION_MNIST, sample=tmp_path / "no-sample")
    monkeypatch.setattr(fashion_mnist, "FASHION_MNIST", without_sample)
    with pytest.raises(DataError, match="no-sample"):
        _prepared(folder)


class _Tutorial(nn.Module):
    """The tutorial's network, without its dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 32, 3), nn.Conv2d(32, 64, 3)
        self.fc1, self.fc2 = nn.Linear(9216, 128), nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.conv2(functional.relu(self.conv1(x))))
        x = functional.relu(self.fc1(torch.flatten(functional.max_pool2d(x, 2), 1)))
        return functional.log_softmax(self.fc2(x), dim=1)


def test_it_trains_as_the_tutorials_network_does() -> None:
    task = FashionMnist()
    torch.manual_seed(3)
    theirs = _Tutorial().double()
    torch.manual_seed(3)
    ours = task.model().double().to(memory_format=torch.channels_last)
    for layer in ours:
        if isinstance(layer, ByteDropout):
            layer.p = 0.0
    their_adam = torch.optim.Adam(theirs.parameters(), lr=0.001)
    our_adam = torch.optim.Adam(ours.parameters(), lr=0.001, fused=True)
    targets = torch.arange(16) % 10
    inputs = torch.randn(16, 1, 28, 28, dtype=torch.float64) + targets.view(-1, 1, 1, 1) / 5
    losses = []
    for _ in range(8):
        their_adam.zero_grad()
        our_adam.zero_grad()
        loss, expected = task.loss(ours(inputs), targets), functional.nll_loss(theirs(inputs), targets)
        torch.testing.assert_close(loss, expected, rtol=1e-9, atol=0)
        loss.backward()
        expected.backward()
        our_adam.step()
        their_adam.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine.contiguous(), other, rtol=1e-6, atol=1e-9)


def test_the_same_seed_gives_the_same_weights() -> None:
    weights = []
    for _ in range(2):
        torch.manual_seed(5)
        weights.append(torch.cat([parameter.flatten() for parameter in FashionMnist().model().parameters()]))
    assert torch.equal(*weights)


def test_accuracy_has_one_value_per_sample() -> None:
    outputs = torch.eye(10)[torch.tensor([3, 1, 4, 1])]
    right = FashionMnist().metrics(outputs, torch.tensor([3, 1, 4, 2]))["accuracy"]
    assert right.tolist() == [True, True, True, False]
