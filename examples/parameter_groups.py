r"""Parameter groups: a trained body with a small lr, a fresh head with a large one, each with its curve.

    lrtui --task examples/parameter_groups.py:FineTuning --epochs 8 \
        --optimizer 'AdamW(lr=0.003, groups={"body*": {"lr": 0.0003}, "*.bias": {"weight_decay": 0}})'

A pattern is matched with the names in `model.named_parameters()`; the first one that matches wins, what matches none
is in the group `default`. A schedule can treat the groups apart, too: LambdaLR(["1", "0.5 ** epoch", "1"]).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn


class FineTuning:
    """Eight classes of points in the plane, for a body that was trained on four of them."""

    def model(self) -> nn.Module:
        body = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        pretrain(body)
        return nn.Sequential(OrderedDict(body=body, head=nn.Linear(64, 8)))

    def training_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return points(1600, kinds=8)

    def test_data(self) -> tuple[torch.Tensor, torch.Tensor]:
        return points(400, kinds=8)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return nn.functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets}


def points(count: int, kinds: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return points, shape (count, 2), around as many places on a circle as there are kinds, and each one's kind."""
    kind = torch.arange(count) % kinds
    angle = 2 * torch.pi * kind / kinds
    return torch.stack([angle.cos(), angle.sin()], dim=1) + 0.15 * torch.randn(count, 2), kind


def pretrain(body: nn.Module, steps: int = 60) -> None:
    """Train the body on a simpler task, as a substitute for pretrained weights."""
    inputs, targets = points(400, kinds=4)
    head = nn.Linear(64, 4)
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(body(inputs)), targets).backward()
        optimizer.step()
