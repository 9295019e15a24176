"""One step of the optimizer: forward, backward, clipped gradients, new weights."""

from __future__ import annotations

import torch

from lrtui.run.errors import UsageError
from lrtui.schedules.optimizer_build import parts_of
from lrtui.training.batches import Batch, sample_count, to_device
from lrtui.training.closure import Closure, closure_use, explained_step_error
from lrtui.training.device import gradient_scaler, precision_context
from lrtui.training.manual_step import optimizers_by_name
from lrtui.training.run_setup import RunSetup
from lrtui.training.step_result import Values, mean_values


class OptimizerStep:
    """Computes gradients and updates the weights, in two calls per step.

    Args:
        setup: the model, the data, the optimizer and the settings.
    """

    def __init__(self, setup: RunSetup) -> None:
        self._setup = setup
        self._optimizers = [(optimizer, closure_use(optimizer)) for optimizer in parts_of(setup.optimizer)]
        self._batches: list[Batch] = []
        self._loss: torch.Tensor | None = None
        self.gradient_scaler = gradient_scaler(setup.device, setup.spec.precision)
        """Keeps fp16's gradients within range; does nothing otherwise."""

    def forward_backward(self, batches: list[Batch]) -> tuple[torch.Tensor, Values, int]:
        """Compute the gradients of the mean loss.

        Several batches are weighted by their numbers of samples, so that the gradients are those of one large batch if
        the loss is a mean over samples. BatchNorm, class weights and ignored targets still apply to each batch alone.

        Returns:
            The loss, 0-d; the other values of the step; and the number of samples.
        """
        setup = self._setup
        if setup.task.steps_manually:
            return self._manual(batches[0])
        setup.optimizer.zero_grad(set_to_none=True)
        counts = [sample_count(batch) for batch in batches]
        total = sum(counts)
        weights = [count / (total or 1) for count in counts]
        losses, values = [], []
        for batch, weight in zip(batches, weights, strict=True):
            on_device = to_device(batch, setup.device)
            with precision_context(setup.device, setup.spec.precision):
                result = setup.task.training_step(setup.model, on_device)
            loss = result.loss if len(batches) == 1 else result.loss * weight
            setup.task.backward(self.gradient_scaler.scale(loss))
            losses.append(loss.detach())
            values.append(result.values)
        if setup.spec.clip_grad_norm is not None or setup.task.has_step_metrics:
            # clipping and the task need the true gradients, not those scaled to stay within fp16's range
            for optimizer, _ in self._optimizers:
                self.gradient_scaler.unscale_(optimizer)
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        self._batches, self._loss = batches, loss
        return loss, mean_values(values, counts), total

    def _manual(self, batch: Batch) -> tuple[torch.Tensor, Values, int]:
        """Let the task compute the gradients and step the optimizers."""
        setup = self._setup
        with precision_context(setup.device, setup.spec.precision):
            result = setup.task.manual_step(
                setup.model, to_device(batch, setup.device), optimizers_by_name(setup.optimizer)
            )
        return result.loss.detach(), result.values, sample_count(batch)

    def update_weights(self) -> None:
        """Clip the gradients if the run asks for it, and step the optimizers; nothing if the task has done so."""
        if self._setup.task.steps_manually:
            return
        self._clip()
        for optimizer, use in self._optimizers:
            try:
                if use == "none" or self._loss is None or self.gradient_scaler.is_enabled():
                    self.gradient_scaler.step(optimizer)
                else:
                    optimizer.step(Closure(optimizer, self._loss, self._loss_again))  # type: ignore[arg-type]
            except RuntimeError as error:
                raise explained_step_error(error, optimizer) from error
        self.gradient_scaler.update()

    def _clip(self) -> None:
        limit = self._setup.spec.clip_grad_norm
        if limit is None:
            return
        try:
            torch.nn.utils.clip_grad_norm_(self._setup.model.parameters(), limit)
        except NotImplementedError as error:
            raise UsageError(
                f"--clip-grad-norm {limit:g}: the norm of these gradients can't be computed, sparse ones perhaps; "
                "leave it out"
            ) from error

    def _loss_again(self) -> torch.Tensor:
        loss, _, _ = self.forward_backward(self._batches)
        self._clip()
        return loss
