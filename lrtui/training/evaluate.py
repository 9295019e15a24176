"""Runs the whole test set through the model, without affecting training."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

import torch
from torch.nn.parameter import is_lazy

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.errors import TaskError
from lrtui.tasks.task import Say
from lrtui.training.batch_norm import uses_batch_statistics
from lrtui.training.batch_share import share_of
from lrtui.training.batches import Batches, to_device
from lrtui.training.device import precision_context
from lrtui.training.fsdp import is_sharded
from lrtui.training.gradient_exchange import broadcast_buffers
from lrtui.training.metric_sums import MetricSums
from lrtui.training.random_state import random_state_restored
from lrtui.training.user_task import UserTask
from lrtui.training.whole_batch import whole_batch
from lrtui.training.whole_set_metrics import MetricError

SECONDS_BETWEEN_NOTICES = 2.0


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A result on the test set: the mean loss per sample, and the task's metrics by name."""

    loss: float
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def all_metrics(self) -> dict[str, float]:
        """The values that a schedule can follow, by name: `loss`, and the metrics."""
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
    group: ProcessGroup = ALONE,
) -> Evaluation:
    """Return the loss and metrics of the model on the data.

    Args:
        between_batches: called before each batch, to carry out commands; it may raise to abort the test.
        most_batches: maximum number of batches to evaluate; None for all.
        group: the processes that share each batch; all of them get the same result.

    Raises:
        TaskError: if the user's code fails.
    """
    sums, whole_set = MetricSums(device), task.whole_set_metrics
    broadcast_buffers(model, group)
    try:
        # no_grad, not inference_mode: tensors that a model caches here must be usable in training as well
        with _in_evaluation_mode(model), random_state_restored(device, data.generators), torch.no_grad():
            whole_set.start(device, group)
            # each process has a part of the model, or of the values that its BatchNorms normalize by
            all_run = is_sharded(model) or uses_batch_statistics(model)
            for number, batch in enumerate(data.in_order()):
                if number == most_batches:
                    break
                between_batches()
                share, result = share_of(batch), None
                if share.samples or all_run:
                    # if each of them has a sample, all processes run the model, which may sum over them
                    together = group if all_run or share.of >= group.world_size else ALONE
                    with whole_batch(share, together), precision_context(device, precision):
                        result = task.test_step(model, to_device(share.batch, device))
                if result is not None and share.samples:
                    sums.add("loss", result.loss, share.samples)
                    for name, values in _joined(result.values, task.metrics(result)).items():
                        sums.add(name, torch.as_tensor(values), share.samples)
                whole_set.add(result if share.samples else None, share.samples)
            of_whole_set = whole_set.compute()
    finally:
        whole_set.release()
    means = sums.means(group)
    return Evaluation(means.pop("loss"), _joined(means, of_whole_set))


def try_test(
    task: UserTask,
    model: torch.nn.Module,
    test: Batches,
    device: torch.device,
    precision: str,
    say: Say,
    group: ProcessGroup = ALONE,
) -> dict[str, float]:
    """Evaluate one batch, so that a mistake shows now and not after an epoch; return the results by name.

    Lazy modules of PyTorch get their shapes here, before the optimizer gets their parameters. A metric of the whole
    test set that is undefined on one batch, such as an AUC on a single class, is tried on all batches.
    """
    try:
        return evaluate(model, task, test, device, precision, lambda: None, most_batches=1, group=group).all_metrics
    except MetricError as error:
        if error.on_any_data or len(test) == 1:
            raise
        say(f"on the first test batch alone, {error}: trying the whole test set")
    said = time.monotonic()

    def say_sometimes() -> None:
        nonlocal said
        if time.monotonic() - said > SECONDS_BETWEEN_NOTICES:
            said = time.monotonic()
            say("still trying the metrics on the whole test set")

    return evaluate(model, task, test, device, precision, say_sometimes, group=group).all_metrics


def try_training_batch(
    task: UserTask,
    model: torch.nn.Module,
    train: Batches,
    device: torch.device,
    precision: str,
    group: ProcessGroup = ALONE,
) -> None:
    """Compute the loss of one training batch, for a task without test data, so that a mistake shows at once.

    A task that makes its optimizers' steps itself is not tried: there are no optimizers yet.
    """
    if task.steps_manually:
        return
    # gradients are enabled, as a loss may need some of its own
    with _in_evaluation_mode(model), random_state_restored(device, train.generators), torch.enable_grad():
        for batch in islice(train.in_order(), 1):
            share = share_of(batch)
            with whole_batch(share, group), precision_context(device, precision):
                task.training_step(model, to_device(share.batch, device))


@contextmanager
def _in_evaluation_mode(model: torch.nn.Module) -> Iterator[None]:
    """Set all modules to evaluation mode in the block; some may be in it during training, such as a frozen part.

    Buffers that change are restored: a `test_step` may need `model.train()`, as torchvision's detection models return
    a loss in that mode only, and a test must not change the statistics of BatchNorm.
    """
    modes = [(module, module.training) for module in model.modules()]
    # BatchNorm changes its buffers without counting up their versions
    buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers() if not is_lazy(buffer)]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        with torch.no_grad():
            for buffer, value in buffers:
                if buffer.shape == value.shape:
                    # an expanded buffer can't be written, not by the test either
                    with suppress(RuntimeError):
                        buffer.copy_(value)


Named = TypeVar("Named")


def _joined(first: Mapping[str, Named], second: Mapping[str, Named]) -> dict[str, Named]:
    """Return the values of both.

    Raises:
        TaskError: if both have a value of the same name.
    """
    if both := first.keys() & second.keys():
        raise TaskError(f"two results of the test set are named {min(both)}: rename one")
    return {**first, **second}
