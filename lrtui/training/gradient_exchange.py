"""Makes the gradients of the processes that train a run together those of the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial
from itertools import groupby
from typing import Any

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from torch.utils.hooks import RemovableHandle

from lrtui.distributed.process_group import ProcessGroup
from lrtui.training.batches import Batch
from lrtui.training.fsdp import is_sharded
from lrtui.training.step_result import StepResult
from lrtui.training.user_task import UserTask


class GradientExchange:
    """Averages gradients over processes, weighted by their samples.

    The loss is computed within the forward of a DistributedDataParallel, whose module calls the task. So the task gets
    its model as it is, with its attributes and methods, and DistributedDataParallel sees every way to compute a loss.
    A task that calls `backward()` itself, several times a step perhaps, has its gradients averaged at the end of each.

    Args:
        model: the model.
        task: computes the loss.
        optimizer: its parameters are trained, whether they are the model's or the task's.
        group: the processes.
    """

    def __init__(
        self, model: torch.nn.Module, task: UserTask, optimizer: torch.optim.Optimizer, group: ProcessGroup
    ) -> None:
        self._task, self._group = task, group
        self._parameters = _trained(model, optimizer)
        self._forward = _TrainingForward(model, task, self._parameters)
        self._is_sharded = is_sharded(model)
        self._distributed: DistributedDataParallel | None = None
        if group.world_size == 1 or not self._parameters:
            return
        if task.steps_manually:
            for tensor in (*self._parameters, *model.buffers()):
                dist.broadcast(tensor.detach(), src=0)
            return
        if self._is_sharded:
            return
        # a parameter may be unused in some steps, and a task must not have to say so
        self._distributed = DistributedDataParallel(self._forward, find_unused_parameters=True)

    def training_step(self, batch: Batch, *, is_last: bool) -> StepResult:
        """Return the result of the task's step, whose gradients the next `backward()` averages.

        Args:
            is_last: whether the step has no further batches to accumulate.
        """
        if self._distributed is None:
            if self._is_sharded:
                model: Any = self._forward.model
                model.set_requires_gradient_sync(is_last)
            return self._task.training_step(self._forward.model, batch)
        with nullcontext() if is_last else self._distributed.no_sync():
            self._distributed(batch)
        result, self._forward.result = self._forward.result, None
        assert result is not None
        return result

    @contextmanager
    def after_each_backward(self, weight: float) -> Iterator[None]:
        """Average the gradients at the end of each `backward()` in the block.

        Gradients that are averaged already stay as they are, so that several may be accumulated.

        Args:
            weight: this process's part of the batch's samples.
        """
        if self._group.world_size == 1:
            yield
            return
        changed: set[int] = set()

        def average() -> None:
            with torch.no_grad():
                self._average(changed, weight)
            changed.clear()

        def note(number: int, _: torch.Tensor) -> None:
            if not changed:
                torch.autograd.Variable._execution_engine.queue_callback(average)
            changed.add(number)

        with ExitStack() as hooks:
            for number, parameter in enumerate(self._parameters):
                hook = _after_accumulation(parameter, partial(note, number))
                hooks.callback(hook.remove)
            yield

    def _average(self, changed: set[int], weight: float) -> None:
        """Average the gradients of the parameters that `backward()` has changed in some process.

        Args:
            changed: numbers of those that it has changed in this one.
        """
        parameters = self._parameters
        is_changed = torch.zeros(len(parameters), dtype=torch.uint8)
        is_changed[list(changed)] = 1
        # one process may have had no sample that uses a parameter
        numbers = self._group.max(is_changed).nonzero().flatten().tolist()
        chosen = sorted((parameters[number] for number in numbers), key=_kind)
        for _, group in groupby(chosen, key=_kind):
            alike = list(group)
            for parameter in alike:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            gradients = [parameter.grad for parameter in alike if parameter.grad is not None]
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            self._group.sum(flat.mul_(weight))
            for gradient, part in zip(gradients, torch.split(flat, [each.numel() for each in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))


class _TrainingForward(torch.nn.Module):
    """Computes the loss of a batch in its forward, as DistributedDataParallel needs it."""

    def __init__(self, model: torch.nn.Module, task: UserTask, parameters: list[torch.nn.Parameter]) -> None:
        super().__init__()
        self.model, self._task = model, task
        device = parameters[0].device if parameters else None
        own = {id(parameter) for parameter in model.parameters()}
        self.others = torch.nn.ParameterList([each for each in parameters if id(each) not in own])
        # if all are used, DistributedDataParallel says so on stderr, where the cockpit is drawn
        self.never_used = torch.nn.Parameter(torch.zeros(1, device=device))
        self.result: StepResult | None = None

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return the loss alone: a parameter that only another output depends on gets no gradient."""
        self.result = self._task.training_step(self.model, batch)
        return self.result.loss


def _trained(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    parameters = [*model.parameters(), *(each for group in optimizer.param_groups for each in group["params"])]
    return list({id(each): each for each in parameters if each.requires_grad}.values())


def _after_accumulation(parameter: torch.Tensor, hook: Callable[[torch.Tensor], None]) -> RemovableHandle:
    handle: RemovableHandle = parameter.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]
    return handle


def _kind(parameter: torch.nn.Parameter) -> tuple[str, str]:
    return str(parameter.dtype), str(parameter.device)


def broadcast_buffers(model: torch.nn.Module, group: ProcessGroup) -> None:
    """Make rank 0's buffers, such as the running statistics of BatchNorm, those of all processes."""
    if group.world_size == 1:
        return
    for buffer in model.buffers():
        # the first test gives a lazy module its shapes
        if not torch.nn.parameter.is_lazy(buffer):
            dist.broadcast(buffer.detach(), src=0)
