"""The optimizer of a run: the one of the settings, or the one that the task makes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec
from lrtui.schedules.notation import parse_optimizer
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.optimizer_build import check_flags, optimizer_of, parts_of, resolved_groups
from lrtui.tasks.task import Say
from lrtui.training.closure import check_closure
from lrtui.training.manual_step import check_manual
from lrtui.training.sparse_gradients import check_sparse, sparse_parameters
from lrtui.training.task_optimizer import (
    DEFAULT,
    described,
    makes_optimizer,
    optimizer_of_task,
    set_lrs,
    untrained_parameters,
)
from lrtui.training.user_task import UserTask


@dataclass(frozen=True, slots=True)
class OptimizerSetup:
    """An optimizer and what is said about it.

    Args:
        optimizer: over the parameters of the model; several are combined.
        spec: its value, with one group for each of the optimizer's.
        text: the notation that the run stores, from which it can be resumed.
        warnings: one sentence each.
    """

    optimizer: torch.optim.Optimizer
    spec: OptimizerSpec
    text: str
    warnings: tuple[str, ...]


def set_up_optimizer(
    spec: RunSpec, task: UserTask, model: torch.nn.Module, device: torch.device, say: Say
) -> OptimizerSetup:
    """Build the optimizer that the settings ask for; the task's own if they don't ask for any.

    Raises:
        UsageError: for an optimizer that does not suit the model, the device or the precision.
        TaskError: for a mistake in the task.
    """
    parsed = parse_optimizer(spec.optimizer)
    check_flags(parsed, device.type)
    if task.steps_manually:
        check_manual(spec)
    has_own = makes_optimizer(task.task)
    if has_own and (spec.optimizer == DEFAULT or parsed.is_from_task):
        optimizer = optimizer_of_task(task.task, model)
        if parsed.is_from_task:
            set_lrs(optimizer, parsed)
        found = described(optimizer)
        text = str(found)
        say(f"optimizer: {_names(found)} from the task's optimizer(model), groups: {', '.join(found.group_names)}")
    elif parsed.is_from_task:
        raise UsageError(f"--optimizer {parsed} needs a task with a method optimizer(model)")
    else:
        check_sparse(parsed, model)
        found, members = resolved_groups(parsed.with_own_lr(), model.named_parameters())
        # fused kernels do not support sparse gradients
        optimizer = optimizer_of(found, members, fused=not sparse_parameters(model))
        text = str(found)
        if has_own:
            say(f"optimizer: {text} of the settings, in place of the task's optimizer(model)")
            # without the module's name it would stand for the task's
            text = f"torch.optim.{text}" if text == DEFAULT else text
    if not task.steps_manually:
        check_closure(parts_of(optimizer), spec.precision)
    warning = untrained_parameters(model, optimizer)
    return OptimizerSetup(optimizer, found, text, (warning,) if warning else ())


def _names(spec: OptimizerSpec) -> str:
    return " + ".join(part.name for _, part in spec.parts) or spec.name
