"""What a task keeps besides its model: the state that it saves, and modules and optimizers that no checkpoint has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from lrtui.run.errors import CheckpointError, LrtuiError, describe_exception, describe_shape, source_location
from lrtui.schedules.optimizer_build import parts_of
from lrtui.training.user_task import UserTask
from lrtui.training.whole_set_metrics import is_metric_object

MAX_COMPARISONS = 3
"""Checkpoints at which unsaved modules are looked for; each reads all of their tensors."""

REMEDY = "give the task state_dict() and load_state_dict(state)"


def saves_state(task: Any) -> bool:
    """Return whether a task has `state_dict` and `load_state_dict`."""
    return all(callable(getattr(task, name, None)) for name in ("state_dict", "load_state_dict"))


def saved_state(task: Any) -> dict[str, Any]:
    """Return the task's `state_dict()`; empty if it has none.

    Raises:
        CheckpointError: if the task's code fails, or returns something else.
    """
    if not saves_state(task):
        return {}
    where = f"state_dict() of the task{source_location(task.state_dict)}"
    try:
        state = task.state_dict()
    except Exception as error:  # a user's code can raise anything
        raise CheckpointError(f"{where} fails: {describe_exception(error)}") from error
    if not isinstance(state, Mapping):
        raise CheckpointError(f"{where} returned a {describe_shape(state)}, expected a dict")
    return dict(state)


def load_state(task: Any, state: Mapping[str, Any]) -> None:
    """Let the task load what its `state_dict()` returned.

    Raises:
        CheckpointError: if the task's code fails.
    """
    if not state or not saves_state(task):
        return
    try:
        task.load_state_dict(state)
    except LrtuiError:
        raise
    except Exception as error:  # a user's code can raise anything
        where = f"load_state_dict(state) of the task{source_location(task.load_state_dict)}"
        raise CheckpointError(f"{where} fails: {describe_exception(error)}") from error


def unsaved_text(names: Sequence[str]) -> str:
    """Return the warning that checkpoints don't have these parts of a task."""
    return f"checkpoints don't save {', '.join(names)} of the task, so a resumed run starts with new ones: {REMEDY}"


def held_parts(task: Any) -> dict[str, Any]:
    """Return the modules, optimizers and torchmetrics in a task's attributes, by name.

    They are also looked for one level deeper: in lists, tuples and dicts, and in the attributes of other objects.
    """
    found: dict[str, Any] = {}
    for name, value in _attributes(task):
        inner = [] if _is_part(value) else _entries(name, value)
        found.update((place, part) for place, part in ((name, value), *inner) if _is_part(part))
    return found


class UnsavedParts:
    """Finds the modules and optimizers of a task that change during a run and are in none of its checkpoints.

    Args:
        task: before the first step.
        model: the trained model.
        optimizer: the run's optimizer, whose parameters are saved, too.
    """

    def __init__(self, task: UserTask, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self._task, self._optimizer = task, optimizer
        saved = {id(tensor) for tensor in (*model.parameters(), *model.buffers())}
        saved |= {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        self._saved = saved
        self._at_start = {name: self._marks(part) for name, part in self._parts().items()}
        self._comparisons = 0
        self.names: list[str] = []
        """Those found so far, such as `ema (AveragedModel)`."""

    def look(self, state: Mapping[str, Any]) -> None:
        """Add what has changed since the start and is not in the task's state."""
        if self._comparisons == MAX_COMPARISONS:
            return
        self._comparisons += 1
        saved = [_mark(tensor) for tensor in _tensors(state)]
        for name, part in self._parts().items():
            text = f"{name} ({type(part).__name__})"
            marks = self._marks(part)
            has_changed = marks != self._at_start.get(name, [])
            if text not in self.names and has_changed and not all(_is_among(mark, saved) for mark in marks):
                self.names.append(text)

    def _parts(self) -> dict[str, Any]:
        # metrics of the test set are reset before each test
        of_tests = {id(metric) for metric in self._task.whole_set_metrics.objects}
        of_run = {id(self._optimizer), *map(id, parts_of(self._optimizer))}
        parts = held_parts(self._task.task)
        return {name: part for name, part in parts.items() if id(part) not in of_tests and id(part) not in of_run}

    def _marks(self, part: Any) -> list[tuple[int, float, float]]:
        return [_mark(tensor) for tensor in _tensors_of(part) if id(tensor) not in self._saved]


def _attributes(holder: Any) -> list[tuple[str, Any]]:
    return list(vars(holder).items()) if hasattr(holder, "__dict__") else []


def _entries(name: str, value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(f"{name}[{key!r}]", item) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return [(f"{name}[{index}]", item) for index, item in enumerate(value)]
    if isinstance(value, type) or callable(value):
        return []
    return [(f"{name}.{key}", item) for key, item in _attributes(value)]


def _is_part(value: Any) -> bool:
    is_metric = is_metric_object(value) and hasattr(value, "metric_state")
    return isinstance(value, (torch.nn.Module, torch.optim.Optimizer)) or is_metric


def _tensors_of(part: Any) -> Iterator[torch.Tensor]:
    if isinstance(part, torch.optim.Optimizer):
        yield from _tensors(list(part.state.values()))
        return
    if isinstance(part, torch.nn.Module):
        yield from part.parameters()
        yield from part.buffers()
    yield from _tensors(getattr(part, "metric_state", None))


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)


def _mark(tensor: torch.Tensor) -> tuple[int, float, float]:
    """Return the size, the sum and the sum of absolute values, which tell contents apart at little cost."""
    if tensor.is_complex() or not tensor.numel():
        return tensor.numel(), 0.0, 0.0
    # mps has no float64
    values = tensor.detach().to(torch.float32 if tensor.device.type == "mps" else torch.float64)
    return tensor.numel(), float(values.sum()), float(values.abs().sum())


def _is_among(mark: tuple[int, float, float], saved: list[tuple[int, float, float]]) -> bool:
    # a copy on another device may be summed in another order
    return any(
        mark[0] == other[0]
        and all(math.isclose(a, b, rel_tol=1e-6, abs_tol=1e-9) for a, b in zip(mark[1:], other[1:], strict=True))
        for other in saved
    )
