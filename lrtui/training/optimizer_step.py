"""One step of the optimizer: forward, backward, clipped gradients, new weights."""

from __future__ import annotations

import torch

from lrtui.training.batches import Batch, sample_count, to_device
from lrtui.training.precision import gradient_scaler, precision_context
from lrtui.training.run_setup import RunSetup


class Update:
    """Makes optimizer steps.

    Args:
        setup: what is trained, with what.
    """

    def __init__(self, setup: RunSetup) -> None:
        self._setup = setup
        self.gradient_scaler = gradient_scaler(setup.device, setup.spec.precision)
        """Keeps fp16's gradients within range; passes everything through otherwise."""

    def make(self, batches: list[Batch]) -> tuple[torch.Tensor, int]:
        """Take a step on these batches; return the mean loss of all their samples, 0-d, and how many they are."""
        self._setup.optimizer.zero_grad(set_to_none=True)
        loss, samples = self._forward_backward(batches)
        self._step_optimizer()
        return loss, samples

    def _forward_backward(self, batches: list[Batch]) -> tuple[torch.Tensor, int]:
        """Leave the gradients of the mean loss in the parameters.

        With several batches each counts by its share of the samples: of a loss that is a mean over samples that makes
        what one batch of them all would have. BatchNorm, class weights and ignored targets see each batch alone.
        """
        setup = self._setup
        counts = [sample_count(batch) for batch in batches]
        total = sum(counts)
        losses = []
        for batch, count in zip(batches, counts, strict=True):
            inputs, targets = to_device(batch, setup.device)
            with precision_context(setup.device, setup.spec.precision):
                loss = setup.task.loss(setup.task.outputs(setup.model, inputs), targets)
            if len(batches) > 1:
                loss = loss * (count / total)
            setup.task.backward(self.gradient_scaler.scale(loss))
            losses.append(loss.detach())
        return losses[0] if len(losses) == 1 else torch.stack(losses).sum(), total

    def _step_optimizer(self) -> None:
        setup, limit = self._setup, self._setup.spec.clip_grad_norm
        if limit is not None:
            # clip the true gradients, not those scaled to stay within fp16's range
            self.gradient_scaler.unscale_(setup.optimizer)
            torch.nn.utils.clip_grad_norm_(setup.model.parameters(), limit)
        self.gradient_scaler.step(setup.optimizer)
        self.gradient_scaler.update()
