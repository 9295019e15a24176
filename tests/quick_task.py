"""A task that trains about 3,000 steps per second, in epochs of 10,000 batches."""

from __future__ import annotations

import torch
from tiny_task import Tiny

BATCHES = 10_000


class Quick(Tiny):
    """Has one sample per batch, so that a soak test of a million batches takes minutes."""

    training_samples = BATCHES

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(7)
        self.inputs = torch.randn(BATCHES + 32, 4, generator=generator)
        self.targets = (self.inputs.sum(dim=1) > 0).long()

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.inputs[32:], self.targets[32:]

    def test_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self.inputs[:32], self.targets[:32]

    def model(self) -> torch.nn.Module:
        return torch.nn.Linear(4, 2)
