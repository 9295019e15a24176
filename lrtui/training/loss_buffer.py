"""Losses on their way from the device to the log."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import torch

from lrtui.run.events import StepDone
from lrtui.training.reporter import Reporter


class Diverged(Exception):  # noqa: N818 - an outcome on its way out of the loop, not a defect
    """A loss that is not finite has come to light; it was published as the run's last step."""


LONGEST_WAIT = 0.25
"""Seconds that a loss stays on an accelerator before it is read: what a person takes for at once."""


@dataclass(frozen=True, slots=True)
class _Step:
    step: int
    seconds: float
    epoch: int
    batch: int
    lrs: tuple[float, ...]
    loss: torch.Tensor


class LossBuffer:
    """Publishes a StepDone for every step, without making an accelerator wait for each.

    On a CPU a loss is read at once. Elsewhere reading stops the device until it has caught up, so losses are kept
    there and read in one go: at a log line or after 0.25 s, whichever is first.
    """

    def __init__(self, reporter: Reporter, device: torch.device) -> None:
        self._reporter = reporter
        self._reads_at_once = device.type == "cpu"
        self._kept: list[_Step] = []
        self._kept_since = 0.0

    def add(self, epoch: int, batch: int, lrs: tuple[float, ...], loss: torch.Tensor, at_log_line: bool) -> None:
        """Take in the step just done.

        Args:
            loss: of the batch, 0-d, on the device, detached.
            at_log_line: whether the user is shown this step's line.

        Raises:
            Diverged: where a loss that was read is not finite.
        """
        now = time.perf_counter()
        if not self._kept:
            self._kept_since = now
        # the reporter has not counted this step yet: its `step` is the number of steps done before it
        self._kept.append(_Step(self._reporter.step, self._reporter.clock.seconds, epoch, batch, lrs, loss))
        if self._reads_at_once or at_log_line or now - self._kept_since >= LONGEST_WAIT:
            self.flush()

    def flush(self) -> None:
        """Read and publish what is kept.

        Raises:
            Diverged: where a loss is not finite; what came after it is dropped, so that it is the run's last step.
        """
        kept, self._kept = self._kept, []
        if not kept:
            return
        losses = [float(kept[0].loss)] if len(kept) == 1 else torch.stack([step.loss for step in kept]).tolist()
        for item, loss in zip(kept, losses, strict=True):
            self._reporter.say(
                StepDone,
                step=item.step,
                seconds=item.seconds,
                epoch=item.epoch,
                batch=item.batch,
                loss=loss,
                lrs=item.lrs,
            )
            if not math.isfinite(loss):
                self._reporter.step = item.step + 1
                raise Diverged
