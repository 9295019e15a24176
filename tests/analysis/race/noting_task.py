"""A task whose model writes down what it was given: its weights at the start, and its first batches."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

# a race's user processes know nothing of where the tests find each other
sys.path.insert(0, str(Path(__file__).parents[2]))

from tiny_task import Slow, Tiny

BATCHES = 3
"""Training batches that are written down."""


def digest(tensors: list[torch.Tensor]) -> str:
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


class Noted(torch.nn.Sequential):
    def __init__(self, *layers: torch.nn.Module) -> None:
        super().__init__(*layers)
        self._calls = 0

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if self.training and self._calls < BATCHES:
            record = {
                "call": self._calls,
                "weights": digest(list(self.parameters())),
                "batch": digest([inputs]),
            }
            # appended at once: several processes write into the one file
            with open(os.environ["NOTES"], "ab", buffering=0) as file:
                file.write(json.dumps(record).encode() + b"\n")
            self._calls += 1
        return super().forward(inputs)  # type: ignore[no-any-return]


class Noting(Tiny):
    def model(self) -> torch.nn.Module:
        return Noted(*super().model().children())


class Unseeded(Tiny):
    """Begins with other weights each time, whatever the seed."""

    def model(self) -> torch.nn.Module:
        made = super().model()
        generator = torch.Generator().manual_seed(int.from_bytes(os.urandom(7), "big"))
        for parameter in made.parameters():
            parameter.data += torch.randn(parameter.shape, generator=generator)
        return made


class Regression(Tiny):
    """Has no accuracy."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.mse_loss(outputs[:, 0], targets.float())

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {}


class Noisy(Slow):
    """Has a test set that is large enough for a difference to mean something, and gone through at once."""

    test_batch_size = 2000

    def test_data(self) -> Any:
        generator = torch.Generator().manual_seed(9)
        inputs = torch.randn(2000, 4, generator=generator)
        return inputs, (inputs.sum(dim=1) > 0).long()
