"""One step of the optimizer: forward, backward, clipped gradients, new weights."""

from __future__ import annotations

import torch

from lrtui.run.errors import UsageError
from lrtui.schedules.optimizer_build import parts_of
from lrtui.training.batch_share import Share, share_of
from lrtui.training.batches import Batch, to_device
from lrtui.training.closure import Closure, closure_use, explained_step_error
from lrtui.training.device import gradient_scaler, precision_context
from lrtui.training.gradient_exchange import GradientExchange, broadcast_buffers
from lrtui.training.manual_step import optimizers_by_name
from lrtui.training.run_setup import RunSetup
from lrtui.training.shared_values import SharedValues
from lrtui.training.step_result import Values, mean_values
from lrtui.training.whole_batch import whole_batch


class OptimizerStep:
    """Computes gradients and updates the weights, in two calls per step.

    Args:
        setup: the model, the data, the optimizer and the settings.
    """

    def __init__(self, setup: RunSetup) -> None:
        self._setup, self._group = setup, setup.group
        self._gradients = GradientExchange(setup.model, setup.task, setup.optimizer, setup.group)
        self._values, self._step_metrics = SharedValues(setup.group), SharedValues(setup.group)
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
            The loss, 0-d; the other values of the step; and the number of samples. All are those of the whole batch,
            the same in all processes.
        """
        setup, shares = self._setup, [share_of(batch) for batch in batches]
        if setup.task.steps_manually:
            return self._manual(shares[0])
        setup.optimizer.zero_grad(set_to_none=True)
        counts = [share.samples for share in shares]
        total = sum(share.of for share in shares)
        losses, values = [], []
        for number, share in enumerate(shares, start=1):
            on_device = to_device(share.batch, setup.device)
            with whole_batch(share, self._group):
                with precision_context(setup.device, setup.spec.precision):
                    result = self._gradients.training_step(on_device, is_last=number == len(shares))
                weight = share.samples / total if total else 1.0
                # the mean over the processes, which DistributedDataParallel takes, is then that over the samples
                loss = _weighted(result.loss, weight * self._group.world_size)
                setup.task.backward(self.gradient_scaler.scale(loss))
            losses.append(_weighted(result.loss.detach(), weight))
            values.append(result.values)
        if setup.spec.clip_grad_norm is not None or setup.task.has_step_metrics:
            # clipping and the task need the true gradients, not those scaled to stay within fp16's range
            for optimizer, _ in self._optimizers:
                self.gradient_scaler.unscale_(optimizer)
        loss = losses[0] if len(losses) == 1 else torch.stack(losses).sum()
        means = mean_values(values, counts)
        loss, means = self._values.of_all(loss, means, sum(counts))
        self._batches, self._loss = batches, loss
        return loss, means, total

    def _manual(self, share: Share) -> tuple[torch.Tensor, Values, int]:
        """Let the task compute gradients, averaged after each of its `backward()`, and step the optimizers."""
        setup, weight = self._setup, share.samples / share.of if share.of else 1.0
        broadcast_buffers(setup.model, self._group)
        with (
            whole_batch(share, self._group, loss_weight=weight),
            self._gradients.after_each_backward(weight),
            precision_context(setup.device, setup.spec.precision),
        ):
            result = setup.task.manual_step(
                setup.model, to_device(share.batch, setup.device), optimizers_by_name(setup.optimizer)
            )
        loss = _weighted(result.loss.detach(), weight)
        return *self._values.of_all(loss, result.values, share.samples), share.of

    def step_metrics(self) -> Values:
        """Return the values that the task reports of the step, before the optimizer's; the same in all processes."""
        task = self._setup.task
        if not task.has_step_metrics:
            return {}
        no_loss = torch.zeros((), device=self._setup.device)
        _, values = self._step_metrics.of_all(no_loss, task.step_metrics(self._setup.model), 1)
        return values

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


def _weighted(loss: torch.Tensor, weight: float) -> torch.Tensor:
    return loss if weight == 1 else loss * weight
