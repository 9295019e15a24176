"""Everything that a run trains with, in one block."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from lrtui.run.spec import RunSpec
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizers import build_optimizer
from lrtui.tasks.find import find_task
from lrtui.tasks.task import DataRequest, Task, TaskData
from lrtui.training.device import choose_device
from lrtui.training.lr_control import LrControl
from lrtui.training.random_state import seed_everything


@dataclass(frozen=True, slots=True)
class Bench:
    """Model, data, optimizer and lr control of one run, ready for the first batch.

    Args:
        spec: the settings, the schedule's lengths filled in.
        order: the generator of the data order; apart from torch's global one, which weights and dropout draw from.
    """

    spec: RunSpec
    task: Task
    data: TaskData
    device: torch.device
    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    group_names: tuple[str, ...]
    lr_control: LrControl
    horizon: Horizon
    order: torch.Generator

    @property
    def parameter_count(self) -> int:
        """Trainable numbers in the model."""
        return sum(parameter.numel() for parameter in self.model.parameters() if parameter.requires_grad)


def set_up(spec: RunSpec, say: Callable[[str], None]) -> Bench:
    """Load the data, seed, and build model, optimizer and schedule.

    Args:
        say: takes narration, line by line: which data, from where.

    Raises:
        UsageError: for a setting that can't be.
        DataError: for data that can't be had.
    """
    schedule, optimizer_spec = parse_schedule(spec.schedule), parse_optimizer(spec.optimizer)
    device = choose_device(spec.device)
    task = find_task(spec.task)
    data = task.load(DataRequest(spec.data_dir, spec.train_samples, spec.test_samples), say)
    seed_everything(spec.seed)
    # channels_last lets the convolutions of every backend skip a transposition; it changes no number's meaning
    model = task.model().to(device).to(memory_format=torch.channels_last)
    optimizer = build_optimizer(optimizer_spec, model.named_parameters(), fused=True)
    horizon = Horizon(epochs=spec.epochs, batches_per_epoch=-(-len(data.train) // spec.batch_size))
    lr_control = LrControl(optimizer, schedule, horizon)
    return Bench(
        spec=replace(spec, schedule=str(lr_control.schedule), optimizer=str(optimizer_spec)),
        task=task,
        data=TaskData(data.train.to(device), data.test.to(device), data.description),
        device=device,
        model=model,
        optimizer=optimizer,
        group_names=tuple(optimizer_spec.group_names),
        lr_control=lr_control,
        horizon=horizon,
        # as torch's RandomSampler does: its own generator, seeded from the global one
        order=torch.Generator().manual_seed(int(torch.empty((), dtype=torch.int64).random_())),
    )
