"""Functions of PyTorch that look at the whole batch, where several processes share it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.autograd.graph import get_gradient_edge
from torch.nn.functional import batch_norm
from torch.overrides import TorchFunctionMode

from lrtui.distributed.process_group import ProcessGroup
from lrtui.tasks.dropout import Rows, rows_of_whole_batch
from lrtui.training.batch_norm import FAILURE
from lrtui.training.batch_share import Share
from lrtui.training.shared_draws import DRAWS, SharedDraws


@contextmanager
def whole_batch(share: Share, group: ProcessGroup, *, loss_weight: float = 1.0) -> Iterator[None]:
    """Let BatchNorm and random numbers in the block be those that a single process has for these samples of the batch.

    All processes of the group enter the block, with their shares of the same batch, and call their BatchNorms in the
    same order.

    Args:
        loss_weight: what the gradients of this process are multiplied by after `backward()`, before they are summed.
    """
    if group.world_size == 1:
        yield
        return
    start, stop = share.rows.start, share.rows.stop
    rows = None if stop - start >= share.of else Rows(start, stop, share.of)
    draws = None if rows is None else SharedDraws(rows, group.rank)
    with rows_of_whole_batch(rows), _WholeBatch(group, share.samples > 0, loss_weight, draws):
        yield


class _WholeBatch(TorchFunctionMode):
    """Replaces the functions, whoever calls them, so that the modules of a model stay what they are.

    Args:
        counts: whether the samples of this process count.
        draws: None if this process has all samples.
    """

    def __init__(self, group: ProcessGroup, counts: bool, loss_weight: float, draws: SharedDraws | None) -> None:
        super().__init__()
        self._group, self._counts, self._loss_weight, self._draws = group, counts, loss_weight, draws

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is batch_norm and kwargs.get("training"):
            return self._batch_norm(*args, **kwargs)
        if function is torch.Tensor.backward and args[0].requires_grad:
            return self._backward(*args, **kwargs)
        if self._draws is not None and function in DRAWS:
            drawn = self._draws.call(function, args, kwargs)
            if drawn is not None:
                return drawn
        return function(*args, **kwargs)

    def _backward(self, loss: torch.Tensor, gradient: torch.Tensor | None, **options: Any) -> None:
        """Do what `loss.backward()` does, with the replacements: activations may be computed again within it."""
        # of a tensor it would be replaced as well, without an end
        edge = get_gradient_edge(loss)
        with self:
            torch.autograd.backward(edge, gradient, **options)

    def _batch_norm(
        self,
        inputs: torch.Tensor,
        running_mean: torch.Tensor | None,
        running_var: torch.Tensor | None,
        weight: torch.Tensor | None = None,
        bias: torch.Tensor | None = None,
        training: bool = True,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> torch.Tensor:
        """Return what `torch.nn.functional.batch_norm` returns, and update the running statistics as it does."""
        values = inputs.float() if inputs.dtype in (torch.bfloat16, torch.float16) else inputs
        count, mean, variance = self._statistics(values)
        if inputs.device.type == "cpu" and count <= 1:
            raise ValueError(f"{FAILURE} when training, got input size {inputs.size()}")
        if running_mean is not None and running_var is not None:
            unbiased = variance.detach() * (count / (count - 1))
            for running, now in ((running_mean, mean.detach()), (running_var, unbiased)):
                # of `data`, as PyTorch does not count this as a change either: a graph may hold the running statistics
                running.data.lerp_(now.to(running.dtype), momentum)

        def per_channel(vector: torch.Tensor) -> torch.Tensor:
            return vector.to(values.dtype).view(1, -1, *[1] * (values.dim() - 2))

        scale = torch.rsqrt(variance + eps)
        scale = per_channel(scale if weight is None else scale * weight)
        centered = values - per_channel(mean)
        outputs = centered * scale if bias is None else torch.addcmul(per_channel(bias), centered, scale)
        return outputs.to(inputs.dtype)

    def _statistics(self, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the number of values per channel, their means and their biased variances, in all processes."""
        dims = [0, *range(2, values.dim())]
        count = values.numel() // values.size(1) if self._counts else 0
        if count:
            variance, mean = (each.double() for each in torch.var_mean(values, dims, correction=0))
        else:
            # a part of the graph all the same, as the gradients are summed over all processes
            variance = mean = values.new_zeros(values.size(1), dtype=torch.float64) + values.reshape(-1)[:0].sum()
        # in double precision, in which the difference of the squares loses nothing that counts
        own = torch.cat([mean.new_tensor([count]), mean * count, (variance + mean.square()) * count])
        sums: torch.Tensor = _Sum.apply(own, self._group, self._loss_weight)
        total = sums[0].detach()
        means, squares = (sums[1:] / total).chunk(2)
        return total, means, (squares - means.square()).clamp(min=0)


class _Sum(torch.autograd.Function):
    """The sum of a tensor over the processes, each of which has a loss of its own that depends on it."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor, group: ProcessGroup, loss_weight: float) -> torch.Tensor:
        ctx.group, ctx.loss_weight = group, loss_weight
        return group.sum(values.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        weight = ctx.loss_weight
        total: torch.Tensor = _Sum.apply(gradient * weight, ctx.group, weight)
        return total / weight if weight else torch.zeros_like(total), None, None
