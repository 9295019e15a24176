"""Tasks whose data and models draw random numbers from all generators that tasks use."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, RandomSampler, WeightedRandomSampler


class Augmented(Dataset[Any]):
    """44 samples, each changed at random in three ways when it is read."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(11)
        self.inputs = torch.randn(44, 4, generator=generator)
        self.targets = (self.inputs.sum(dim=1) > 0).long()

    def __len__(self) -> int:
        return 44

    def __getitem__(self, index: int) -> Any:
        noise = torch.rand(4) + float(np.random.rand()) + random.random()
        return self.inputs[index] + 0.1 * noise, self.targets[index]


class Plain(Augmented):
    """The same samples, unchanged."""

    def __getitem__(self, index: int) -> Any:
        return self.inputs[index], self.targets[index]


class RandomTask:
    """A model with BatchNorm and dropout, with data in a given form."""

    def __init__(self, form: str = "dataset") -> None:
        self.form = form

    def model(self) -> torch.nn.Module:
        return torch.nn.Sequential(
            torch.nn.Linear(4, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.2),
            torch.nn.Linear(8, 2),
        )

    def training_data(self) -> Any:
        data = Augmented()
        match self.form:
            case "dataset":
                return data
            case "no workers":
                return DataLoader(data, batch_size=5, shuffle=True)
            case "two workers":
                return DataLoader(data, batch_size=5, shuffle=True, num_workers=2)
            case "persistent workers":
                return DataLoader(Plain(), batch_size=5, shuffle=True, num_workers=2, persistent_workers=True)
            case "own generator":
                return DataLoader(data, batch_size=5, shuffle=True, generator=torch.Generator().manual_seed(2))
            case "weighted":
                weights = [1.0 + index % 3 for index in range(44)]
                sampler = WeightedRandomSampler(weights, 44, generator=torch.Generator().manual_seed(3))
                return DataLoader(data, batch_size=5, sampler=sampler)
            case "replacement":
                sampler = RandomSampler(
                    data, replacement=True, num_samples=70, generator=torch.Generator().manual_seed(4)
                )
                return DataLoader(data, batch_size=5, sampler=sampler)
            case "in memory":
                return data.inputs, data.targets
            case "stream":
                return DataLoader(Stream(), batch_size=5)
            case "endless":
                return Endless()
            case "batches":
                return OwnBatches()
        raise AssertionError(self.form)

    def test_data(self) -> Any:
        data = Augmented()
        if self.form == "in memory":
            return data.inputs, data.targets
        return data  # its augmentation draws random numbers as well; a test must not change training

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets}


class Stream(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        data = Augmented()
        return (data[index] for index in range(44))

    def __len__(self) -> int:
        return 44


class Endless(IterableDataset[Any]):
    """Samples without an end, always the same ones, each different from the others."""

    def __iter__(self) -> Iterator[Any]:
        data, turn = Plain(), 0
        while True:
            for inputs, targets in data:
                yield inputs + turn, targets
            turn += 1


class OwnBatches:
    """A user's own iterable of batches."""

    def __len__(self) -> int:
        return 9

    def __iter__(self) -> Iterator[Any]:
        data = Augmented()
        for index in range(9):
            yield data.inputs[index : index + 5], data.targets[index : index + 5]
