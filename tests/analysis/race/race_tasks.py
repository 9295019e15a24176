"""Tasks of the races: one that records its weights and batches, one without a seed, one with noisy results."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import torch

# the processes of a race don't have the tests' import path
sys.path.insert(0, str(Path(__file__).parents[2]))

from tiny_task import Slow, Tiny

BATCHES = 3
"""Training batches that are recorded."""


def digest(tensors: list[torch.Tensor]) -> str:
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


class RecordedModel(torch.nn.Sequential):
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
            # one unbuffered write per line: several processes append to the file
            with open(os.environ["TASK_RECORDS"], "ab", buffering=0) as file:
                file.write(json.dumps(record).encode() + b"\n")
            self._calls += 1
        return super().forward(inputs)  # type: ignore[no-any-return]


class Recorded(Tiny):
    def model(self) -> torch.nn.Module:
        return RecordedModel(*super().model().children())


class Native(Tiny):
    """Writes to both descriptors, as native code does."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        os.write(1, b"native output\n")
        os.write(2, b"native error\n")
        return super().loss(outputs, targets)


class Aborts(Tiny):
    """Ends as a failed assertion in native code does."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        os.write(2, b"assertion failed\n")
        os.abort()


class Unseeded(Tiny):
    """Starts with different weights each time, whatever the seed."""

    def model(self) -> torch.nn.Module:
        made = super().model()
        generator = torch.Generator().manual_seed(int.from_bytes(os.urandom(7), "big"))
        for parameter in made.parameters():
            parameter.data += torch.randn(parameter.shape, generator=generator)
        return made


class Noisy(Slow):
    """Has a test set large enough for differences beyond noise, evaluated in one batch."""

    test_batch_size = 2000

    def test_data(self) -> Any:
        generator = torch.Generator().manual_seed(9)
        inputs = torch.randn(2000, 4, generator=generator)
        return inputs, (inputs.sum(dim=1) > 0).long()
