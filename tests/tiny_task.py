"""A task with 100 samples that trains 1,000 steps per second."""

from __future__ import annotations

import time
from typing import Any

import torch


class Tiny:
    training_samples = 96

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(7)
        self.inputs = torch.randn(128, 4, generator=generator)
        self.targets = (self.inputs.sum(dim=1) > 0).long()

    def training_data(self) -> Any:
        return self.inputs[:96], self.targets[:96]

    def test_data(self) -> Any:
        return self.inputs[96:], self.targets[96:]

    def model(self) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 2))

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets}


class Slow(Tiny):
    """Trains about 200 steps per second."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        time.sleep(0.004)
        return super().loss(outputs, targets)


class Breaks(Tiny):
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("this loss is broken")


class NotATask:
    name = "nothing"
