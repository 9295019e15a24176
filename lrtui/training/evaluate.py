"""The whole test set through the model, without a trace in training."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from lrtui.training.batches import Batches, sample_count, to_device
from lrtui.training.precision import precision_context
from lrtui.training.random_state import random_state_set_aside
from lrtui.training.user_task import UserTask


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the test set says of a model: the mean loss a sample, and the task's metrics by name."""

    loss: float
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def all_metrics(self) -> dict[str, float]:
        """The figures that a schedule can follow, by name: `loss`, and the metrics."""
        return {"loss": self.loss, **self.metrics}


def evaluate(
    model: torch.nn.Module,
    task: UserTask,
    data: Batches,
    device: torch.device,
    precision: str,
    between_batches: Callable[[], None],
    *,
    most_batches: int | None = None,
) -> Evaluation:
    """Return the loss and metrics of the model on the data.

    Args:
        between_batches: called before each batch, so that commands are answered while the test goes on; it may
            raise to break the test off.
        most_batches: how many to look at, for a trial; None for all.

    Raises:
        TaskError: where the user's code fails.
    """
    sums = _Sums(device)
    # a frozen part of the model may be in its test mode during training, too
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        # no_grad and not inference_mode: what a model computes once and keeps has to be of use in training as well
        with random_state_set_aside(device, data.generators), torch.no_grad():
            for number, batch in enumerate(data.in_order()):
                if number == most_batches:
                    break
                between_batches()
                inputs, targets = to_device(batch, device)
                with precision_context(device, precision):
                    outputs = task.outputs(model, inputs)
                    loss = task.loss(outputs, targets)
                samples = sample_count((inputs, targets))
                sums.add("loss", loss, samples)
                for name, values in task.metrics(outputs, targets).items():
                    sums.add(name, values, samples)
    finally:
        for module, training in modes:
            module.training = training
    means = sums.means()
    return Evaluation(means.pop("loss"), means)


class _Sums:
    """Sums over the test set, on the device: an accelerator is not waited for between batches."""

    def __init__(self, device: torch.device) -> None:
        # mps has no float64
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        self._sums: dict[str, torch.Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, values: torch.Tensor, samples: int) -> None:
        """Add a batch's values: one a sample (or finer), or the mean of its samples."""
        value = values.detach().sum(dtype=self._dtype) * (1 if values.dim() else samples)
        self._sums[name] = self._sums[name] + value if name in self._sums else value
        self._counts[name] = self._counts.get(name, 0) + (values.numel() if values.dim() else samples)

    def means(self) -> dict[str, float]:
        """Read all means, in one go."""
        read = torch.stack(list(self._sums.values())).tolist()
        counts = self._counts
        # a metric of nothing, such as the accuracy on a kind that the test set does not have, is no number
        return {
            name: total / counts[name] if counts[name] else math.nan
            for name, total in zip(self._sums, read, strict=True)
        }
