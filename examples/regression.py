"""A regression: no accuracy, but other metrics, which a schedule can follow.

lrtui --task examples/regression.py:Curve --optimizer "SGD(lr=0.05, momentum=0.9)" --epochs 20
lrtui train "ReduceLROnPlateau(factor=0.3, patience=1, metric='mae')" --task examples/regression.py:Curve
"""

from __future__ import annotations

import torch
from torch import nn


class Curve:
    """A noisy wave: what is y at x?"""

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return wave(4000, noise=0.1)

    def test_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return wave(1000, noise=0.0)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.mse_loss(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        error = (outputs - targets).abs()
        return {"mae": error, "within 0.1": error < 0.1}


def wave(count: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return x and y, both of shape (count, 1)."""
    x = 4 * torch.rand(count, 1) - 2
    return x, torch.sin(3 * x) + 0.3 * x + noise * torch.randn(count, 1)
