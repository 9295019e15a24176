"""A model whose parameters are divided among processes, `--parallel fsdp2`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from lrtui.distributed.process_group import ProcessGroup
from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec
from lrtui.schedules.schedule import Schedule
from lrtui.training.user_task import UserTask


def shard(model: torch.nn.Module, device: torch.device, group: ProcessGroup) -> None:
    """Divide the parameters of a model among the processes: those of each child with parameters, then the others."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    for parameter in model.parameters():
        # fully_shard refuses another memory format, such as channels_last
        parameter.data = parameter.data.contiguous()
    mesh = init_device_mesh(device.type, (group.world_size,))
    for child in model.children():
        if next(child.parameters(), None) is not None and type(child).forward is not torch.nn.Module.forward:
            fully_shard(child, mesh=mesh)
    fully_shard(model, mesh=mesh)


def check_shardable(spec: RunSpec, task: UserTask, schedule: Schedule) -> None:
    """Check that a run can divide the parameters of its model.

    Raises:
        UsageError: names the setting that can't be combined with it, and what to use.
    """
    refused = {
        "a step(model, batch, optimizers) of the task": task.steps_manually,
        f"{schedule.name}, which averages a copy of the model": schedule.averages_from is not None,
        "--precision fp16": spec.precision == "fp16",
    }
    if found := next((what for what, is_there in refused.items() if is_there), None):
        raise UsageError(f"--parallel fsdp2 can't be combined with {found}: use --parallel ddp")


def is_sharded(model: torch.nn.Module) -> bool:
    """Return whether the parameters of a model are divided among processes."""
    return any(map(is_part, model.parameters()))


def is_part(value: Any) -> bool:
    """Return whether it is a DTensor, of which this process has a part; its module takes long to import."""
    return isinstance(value, torch.Tensor) and hasattr(value, "full_tensor")


def whole(value: Any, *, is_kept: bool = True) -> Any:
    """Return a state with every tensor that is divided as a whole one on the CPU; all processes call it.

    Args:
        is_kept: whether this process needs the tensors; otherwise None stands for each.
    """
    if is_part(value):
        tensor = value.full_tensor().detach()
        return tensor.cpu() if is_kept else None
    if isinstance(value, Mapping):
        return {name: whole(item, is_kept=is_kept) for name, item in value.items()}
    return [whole(item, is_kept=is_kept) for item in value] if isinstance(value, list) else value


def divided(state: Mapping[str, Any], like: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state of a model with the tensors divided as those of its current state are."""
    return {name: _divided(value, like.get(name)) for name, value in state.items()}


def divided_optimizer(state: dict[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Return the state of an optimizer with the tensors divided as the parameters that they belong to."""
    if "optimizers" in state:
        parts = getattr(optimizer, "optimizers", {})
        each = {name: divided_optimizer(part, parts[name]) for name, part in state["optimizers"].items()}
        return {**state, "optimizers": each}
    if not any(is_part(parameter) for group in optimizer.param_groups for parameter in group["params"]):
        return state
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = [number for group in state["param_groups"] for number in group["params"]]
    by_number = dict(zip(numbers, parameters, strict=True))
    states = {
        number: {name: _divided(value, by_number[number]) for name, value in each.items()}
        for number, each in state["state"].items()
    }
    return {**state, "state": states}


def _divided(value: Any, like: Any) -> Any:
    if is_part(like) and isinstance(value, torch.Tensor) and value.shape == like.shape:
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)
    return value
