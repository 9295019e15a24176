"""The training and test data of a run, from its settings and its task."""

from __future__ import annotations

import torch

from lrtui.distributed.process_group import ALONE, ProcessGroup
from lrtui.run.errors import TaskError, UsageError
from lrtui.run.spec import RunSpec
from lrtui.tasks.task import Say
from lrtui.training.batch_share import share_of
from lrtui.training.batches import Batches
from lrtui.training.data import read_batches
from lrtui.training.loader_options import loader_options
from lrtui.training.user_task import UserTask


def read_training_data(
    spec: RunSpec,
    task: UserTask,
    device: torch.device,
    order: torch.Generator,
    say: Say,
    group: ProcessGroup = ALONE,
) -> Batches:
    """Return the training data in batches.

    Args:
        order: shuffles data that has no fixed order.
        group: the processes that share each batch.

    Raises:
        TaskError: for data in none of a task's forms.
    """
    # an epoch of a stream without an end lasts until the next test
    steps = None if spec.max_steps is None else spec.test_every or spec.max_steps
    with group.turn():
        data, method = task.training_data()
    return read_batches(
        data,
        method,
        "training",
        batch_size=spec.batch_size,
        limit=spec.train_samples,
        device=device,
        order=order,
        say=say,
        options=loader_options(task.task, training=True),
        most_batches=None if steps is None else steps * spec.accumulate,
        group=group,
    )


def read_test_data(
    spec: RunSpec, task: UserTask, device: torch.device, say: Say, group: ProcessGroup = ALONE
) -> Batches | None:
    """Return the test data in batches; None for a task without.

    Args:
        group: the processes that share each batch.

    Raises:
        UsageError: if the settings need test data.
        TaskError: for data in none of a task's forms.
    """
    with group.turn():
        found = task.test_data(say)
    if found is None:
        if spec.test_every is not None:
            raise UsageError("--test-every: this task has no test data")
        return None
    return read_batches(
        *found,
        "test",
        batch_size=task.test_batch_size or spec.batch_size,
        limit=spec.test_samples,
        device=device,
        order=None,
        say=say,
        options=loader_options(task.task, training=False),
        group=group,
    )


def samples_in(data: Batches) -> int:
    """Return the number of samples, estimated from the size of the first batch if it is unknown.

    Raises:
        TaskError: if there is no first batch.
    """
    if data.samples is not None:
        return data.samples
    size = data.batch_size
    if size is None:
        first = next(data.in_order(), None)
        if first is None:
            raise TaskError("the task's data can be iterated only once, but every epoch needs a pass over it")
        size = share_of(first).of
    return len(data) * size
