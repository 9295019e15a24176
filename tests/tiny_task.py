"""A task of a hundred samples that trains a thousand steps a second."""

from __future__ import annotations

import torch

from lrtui.tasks.task import DataDescription, DataRequest, InMemory, TaskData


class Tiny:
    name = "tiny"
    training_samples = 96
    has_accuracy = True

    def load(self, request: DataRequest, say: object) -> TaskData:
        generator = torch.Generator().manual_seed(7)
        inputs = torch.randn(128, 4, generator=generator)
        targets = (inputs.sum(dim=1) > 0).long()
        train = InMemory(inputs[:96][: request.train_samples], targets[:96][: request.train_samples])
        test = InMemory(inputs[96:], targets[96:])
        return TaskData(train, test, DataDescription("tiny", "made up", "nowhere", len(train), len(test)))

    def model(self) -> torch.nn.Module:
        return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 2))

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, targets)

    def correct(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (outputs.argmax(dim=1) == targets).sum()


class Breaks(Tiny):
    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("this loss is broken")


class NotATask:
    name = "nothing"
