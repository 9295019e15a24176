"""A minimal custom task: a model, data and a loss.

lrtui --task examples/my_task.py:Spirals --epochs 30
lrtui train "OneCycleLR(max_lr=0.03)" --task examples/my_task.py:Spirals --epochs 30
"""

from __future__ import annotations

import torch
from torch import nn


class Spirals:
    """Two spirals in the plane: classify the points by spiral."""

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return spirals(2000)

    def test_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return spirals(500)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, targets)

    # optional: one value per sample, averaged over the test set
    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets}


def spirals(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return points, shape (count, 2), and which spiral each is on, shape (count,)."""
    which = torch.arange(count) % 2
    turn = 0.3 + 2.5 * torch.rand(count)
    angle = 3.5 * turn + torch.pi * which
    points = torch.stack([turn * angle.cos(), turn * angle.sin()], dim=1)
    return points + 0.05 * torch.randn(count, 2), which
