"""Tasks whose models have BatchNorm in each of its forms, in double precision."""

from __future__ import annotations

from typing import Any

import torch
from shared_tasks import SAMPLES, InMemory
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset


class Normed(InMemory):
    """A task with one of the models below.

    Args:
        model: its class.
    """

    # the last batch leaves one of three processes without a sample
    test_batch_size = 33

    def __init__(self, model: type[nn.Module]) -> None:
        super().__init__()
        self._model = model
        self.train = self.train[0].double(), self.train[1]
        self.test = self.test[0].double(), self.test[1]

    def model(self) -> nn.Module:
        return self._model().double()


class SmallBatches(Normed):
    """Batches of different sizes, some smaller than the number of processes."""

    def training_data(self) -> Any:
        batches = [[*range(10)], [10, 11], [*range(12, 17)], [*range(17, SAMPLES)]]
        return DataLoader(TensorDataset(*self.train), batch_sampler=batches)


class TwoOptimizers(Normed):
    """Calls `backward()` itself, twice in a step."""

    def optimizer(self, model: Any) -> Any:
        return {
            "body": torch.optim.SGD(model.body.parameters(), lr=0.1),
            "head": torch.optim.Adam(model.head.parameters(), lr=0.01),
        }

    def step(self, model: Any, batch: Any, optimizers: Any) -> Any:
        for optimizer in optimizers.values():
            optimizer.zero_grad()
            loss = cross_entropy(model(batch[0]), batch[1])
            loss.backward()
            optimizer.step()
        return loss

    def test_step(self, model: Any, batch: Any) -> Any:
        outputs = model(batch[0])
        return cross_entropy(outputs, batch[1]), outputs


class Penalized(Normed):
    """The loss has the gradients of the outputs in it."""

    def step(self, model: Any, batch: Any) -> Any:
        inputs = batch[0].requires_grad_()
        with torch.enable_grad():
            outputs = model(inputs)
            (gradient,) = torch.autograd.grad(outputs.square().sum(), inputs, create_graph=True)
        return cross_entropy(outputs, batch[1]) + 0.1 * gradient.square().sum(dim=1).mean(), outputs


class Flat(nn.Module):
    def __init__(self, norm: nn.Module | None = None) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), norm or nn.BatchNorm1d(8), nn.Tanh())
        self.head = nn.Linear(8, 2)

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.head(self.body(inputs))


class Lazy(Flat):
    def __init__(self) -> None:
        super().__init__(nn.LazyBatchNorm1d())


class Cumulative(Flat):
    def __init__(self) -> None:
        super().__init__(nn.BatchNorm1d(8, momentum=None))


class WithoutRunningStatistics(Flat):
    def __init__(self) -> None:
        super().__init__(nn.BatchNorm1d(8, track_running_stats=False))


class OwnNorm(nn.BatchNorm1d):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(inputs * 2.0)


class OwnClass(Flat):
    def __init__(self) -> None:
        super().__init__(OwnNorm(8))


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layers = nn.Unflatten(1, (2, 3, 1)), nn.Conv2d(2, 8, (2, 1)), nn.BatchNorm2d(8, affine=False), nn.ReLU()
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 2)).to(memory_format=torch.channels_last)

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.layers(inputs)


class Volumes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(6, 16), nn.BatchNorm3d(2, momentum=0.3, eps=0.01), nn.Linear(16, 2)
        # far from zero, where rounding shows; a gradient of the bias would be nothing else
        nn.init.constant_(self.first.bias, 30.0).requires_grad_(False)

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.last(self.norm(self.first(inputs).view(-1, 2, 2, 2, 2)).flatten(1))


class Mixed(nn.Module):
    """Several calls of a module, rows that are not samples, frozen modules, and modules without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.rows = nn.Linear(6, 8), nn.BatchNorm1d(8), nn.BatchNorm1d(2)
        self.frozen, self.fixed, self.teacher = nn.BatchNorm1d(8), nn.BatchNorm1d(8), nn.BatchNorm1d(8)
        self.fixed.requires_grad_(False)
        self.last = nn.Linear(8, 2)

    def train(self, mode: bool = True) -> Mixed:
        super().train(mode)
        self.frozen.eval()
        return self

    def forward(self, inputs: torch.Tensor) -> Any:
        hidden = self.norm(self.first(inputs)).tanh()
        hidden = self.fixed(self.frozen(self.norm(hidden)))
        hidden = self.rows(hidden.reshape(-1, 2)).view(-1, 8)
        with torch.no_grad():
            target = self.teacher(hidden)
        return self.last(hidden + target)


class Recomputed(Flat):
    """Computes its activations again in the backward pass."""

    def forward(self, inputs: torch.Tensor) -> Any:
        return self.head(checkpoint(self.body, inputs, use_reentrant=False))


class OwnStatistics(nn.BatchNorm1d):
    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return (inputs - inputs.mean(dim=0)) / inputs.std(dim=0)


class WithOwnStatistics(Flat):
    def __init__(self) -> None:
        super().__init__(OwnStatistics(8))
