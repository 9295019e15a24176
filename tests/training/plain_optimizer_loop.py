"""A hand-written training loop, to compare runs with, and tasks whose batches come in a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader, TensorDataset

from lrtui.run.events import EvalDone, Event, StepDone

EPOCHS = 3
STEPS = 6


class Ordered:
    """A task without shuffling, 6 batches of 16 samples."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(7)
        self.inputs = torch.randn(128, 4, generator=generator)
        self.targets = (self.inputs.sum(dim=1) > 0).long()

    def training_data(self) -> Any:
        return DataLoader(TensorDataset(self.inputs[:96], self.targets[:96]), batch_size=16)

    def test_data(self) -> Any:
        return self.inputs[96:], self.targets[96:]

    def model(self) -> torch.nn.Module:
        torch.manual_seed(3)
        return torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, targets)


def plain_loop(
    task: Any,
    optimizers: Mapping[str, Any],
    model: torch.nn.Module,
    schedulers: list[Any],
    *,
    per: str = "epoch",
    step: Callable[[Any], float] | None = None,
) -> tuple[list[float], list[tuple[float, ...]], list[float]]:
    """Return the losses of the steps, the lrs of all groups at each step, and the test losses."""
    losses, lrs, tests = [], [], []
    for _ in range(EPOCHS):
        for batch in task.training_data():
            lrs.append(tuple(float(g["lr"]) for each in optimizers.values() for g in each.param_groups))
            if step is not None:
                losses.append(step(batch))
            else:
                for each in optimizers.values():
                    each.zero_grad()
                loss = task.loss(model(batch[0]), batch[1])
                loss.backward()
                for each in optimizers.values():
                    each.step()
                losses.append(loss.item())
            if per == "batch":
                for scheduler in schedulers:
                    scheduler.step()
        for each in optimizers.values():
            if hasattr(each, "eval"):
                each.eval()
        model.eval()
        with torch.no_grad():
            inputs, targets = task.test_data()
            tests.append(float(task.loss(model(inputs), targets)))
        model.train()
        for each in optimizers.values():
            if hasattr(each, "train"):
                each.train()
        if per == "epoch":
            for scheduler in schedulers:
                scheduler.step()
    return losses, lrs, tests


def recorded(events: list[Event]) -> tuple[list[float], list[tuple[float, ...]], list[float]]:
    """Return the same of a run."""
    steps = [event for event in events if isinstance(event, StepDone)]
    tests = [event.loss for event in events if isinstance(event, EvalDone) and not event.averaged]
    return [event.loss for event in steps], [tuple(event.lrs) for event in steps], tests
