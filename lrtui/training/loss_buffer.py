"""A buffer that delays reading losses and metrics from the device."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.events import StepDone
from lrtui.training.reporter import Reporter


class Diverged(Exception):  # noqa: N818 - an outcome that leaves the loop, not an error
    """A loss was read that is not finite; it was published as the run's last step."""


LONGEST_WAIT = 0.25
"""Seconds that a loss stays on an accelerator before it is read: short enough to look immediate."""

SHARED_STEPS = 10
"""Steps after which processes that train a run together read its losses; their clocks would differ."""


@dataclass(frozen=True, slots=True)
class _Step:
    step: int
    seconds: float
    epoch: int
    batch: int
    lrs: tuple[float, ...]
    loss: torch.Tensor
    metrics: Mapping[str, torch.Tensor | float]


class LossBuffer:
    """Publishes a StepDone for every step, without making an accelerator wait for each.

    On a CPU a loss is read immediately. Elsewhere reading blocks until the device has caught up, so losses stay there
    and are read together: at a log line or after 0.25 s, whichever comes first. Several processes that train a run read
    at the same steps, since all of them end it at a loss that is not finite.

    Args:
        group: the processes that train the run.
    """

    def __init__(self, reporter: Reporter, device: torch.device, group: ProcessGroup = ALONE) -> None:
        self._reporter = reporter
        self._reads_immediately = device.type == "cpu"
        self._most_steps = SHARED_STEPS if group.world_size > 1 else None
        self._steps: list[_Step] = []
        self._waiting_since = 0.0

    def add(
        self,
        epoch: int,
        batch: int,
        lrs: tuple[float, ...],
        loss: torch.Tensor,
        metrics: Mapping[str, torch.Tensor | float],
        at_log_line: bool,
    ) -> None:
        """Add the step just done.

        Args:
            loss: loss of the batch, 0-d, on the device, detached.
            metrics: metrics of the step, by name; tensors like the loss.
            at_log_line: whether this step's line is shown to the user.

        Raises:
            Diverged: if a loss that was read is not finite.
        """
        now = time.perf_counter()
        if not self._steps:
            self._waiting_since = now
        # the reporter has not counted this step yet: its `step` is the number of steps done before it
        step, seconds = self._reporter.step, self._reporter.clock.seconds
        self._steps.append(_Step(step, seconds, epoch, batch, lrs, loss, metrics))
        if self._most_steps is None:
            is_due = now - self._waiting_since >= LONGEST_WAIT
        else:
            is_due = len(self._steps) >= self._most_steps
        if self._reads_immediately or at_log_line or is_due:
            self.flush()

    def flush(self) -> None:
        """Read and publish everything in the buffer.

        Raises:
            Diverged: if a loss is not finite; later steps are dropped, so that it is the run's last step.
        """
        steps, self._steps = self._steps, []
        numbers = iter(_read([value for step in steps for value in (step.loss, *step.metrics.values())]))
        for item in steps:
            loss = next(numbers)
            self._reporter.publish(
                StepDone,
                step=item.step,
                seconds=item.seconds,
                epoch=item.epoch,
                batch=item.batch,
                loss=loss,
                lrs=item.lrs,
                metrics={name: next(numbers) for name in item.metrics},
            )
            if not math.isfinite(loss):
                self._reporter.step = item.step + 1
                raise Diverged


def _read(values: Sequence[torch.Tensor | float]) -> list[float]:
    """Return the numbers; those on an accelerator are read together, so that it is waited for once."""
    on_device = {i: v for i, v in enumerate(values) if isinstance(v, torch.Tensor) and v.device.type != "cpu"}
    numbers = [0.0 if i in on_device else float(v) for i, v in enumerate(values)]
    if on_device:
        for i, number in zip(on_device, torch.stack(list(on_device.values())).tolist(), strict=True):
            numbers[i] = number
    return numbers
