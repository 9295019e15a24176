"""The whole test set through the model, without a trace in training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from lrtui.tasks.task import InMemory, Task
from lrtui.training.device import precision_context
from lrtui.training.random_state import random_state_set_aside

BATCH_SIZE = 500
"""Samples at once: large enough to be fast, small enough for a command to be answered between two batches."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the test set says of a model: mean loss a sample, and the share that was right, where the task has one."""

    loss: float
    accuracy: float | None

    def as_metrics(self) -> dict[str, float]:
        """Return the figures that a schedule can follow, by name."""
        return {"loss": self.loss} | ({} if self.accuracy is None else {"accuracy": self.accuracy})


def evaluate(
    model: torch.nn.Module,
    task: Task,
    data: InMemory,
    device: torch.device,
    precision: str,
    between_batches: Callable[[], None],
) -> Evaluation:
    """Return the loss and accuracy of the model on the data.

    Args:
        between_batches: called before each batch, so that commands are answered while the test goes on; it may
            raise to break the test off.
    """
    loss_sum = torch.zeros((), device=device, dtype=torch.float64 if device.type != "mps" else torch.float32)
    right = torch.zeros((), device=device, dtype=torch.int64)
    was_training = model.training
    model.eval()
    try:
        for start in range(0, len(data), BATCH_SIZE):
            between_batches()
            with random_state_set_aside(device), torch.inference_mode():
                inputs, targets = data.batch(slice(start, start + BATCH_SIZE))
                with precision_context(device, precision):
                    outputs = model(inputs)
                    loss = task.loss(outputs, targets)
                loss_sum += loss * len(targets)
                if task.has_accuracy:
                    right += task.correct(outputs, targets)
    finally:
        model.train(was_training)
    # one read at the end: an accelerator is not waited for between batches
    return Evaluation(float(loss_sum) / len(data), float(right) / len(data) if task.has_accuracy else None)
