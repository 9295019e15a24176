"""A small perceptron that trains two thousand steps per second, so that the cost of the cockpit shows."""

from __future__ import annotations

import torch

BATCHES, BATCH_SIZE, FEATURES, WIDTH = 10_000, 64, 32, 128


class Perceptron:
    """Classifies the quadrant of a point; 10,000 batches per epoch."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self._inputs = torch.randn(BATCHES * BATCH_SIZE + 512, FEATURES, generator=generator)
        self._targets = (self._inputs[:, 0] > 0).long() + 2 * (self._inputs[:, 1] > 0).long()

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self._inputs[512:], self._targets[512:]

    def test_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return self._inputs[:512], self._targets[:512]

    def model(self) -> torch.nn.Module:
        return torch.nn.Sequential(
            *(torch.nn.Linear(FEATURES, WIDTH), torch.nn.ReLU()),
            *(torch.nn.Linear(WIDTH, WIDTH), torch.nn.ReLU()),
            torch.nn.Linear(WIDTH, 4),
        )

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets}
