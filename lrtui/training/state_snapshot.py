"""A snapshot of everything that a training step changes, so that a range test leaves no trace.

These are restored, both the objects and their content: weights, gradients, buffers (also non-persistent ones), modes,
counters and other attributes of the model's modules, of the task and its modules, of its loader, samplers and data set,
the optimizers with their state, what the task saves by `state_dict`, and all random states.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from lrtui.schedules.optimizer_build import parts_of
from lrtui.training.group_settings import group_settings
from lrtui.training.random_state import random_states, set_random_states
from lrtui.training.run_setup import RunSetup
from lrtui.training.task_state import held_parts, load_state, saved_state

_MODULE_TABLES = ("_parameters", "_buffers", "_modules")
"""Attributes in which a module stores its parts."""

MAX_COPIED_NUMBERS = 1 << 20
"""Numbers in a tensor of the task above which it is considered data, which no step writes to."""

_GENERATORS: tuple[tuple[type, str, str], ...] = (
    (torch.Generator, "get_state", "set_state"),
    (random.Random, "getstate", "setstate"),
)
"""Random generators that a task may have, and how their states are read and written."""


@contextmanager
def state_restored_afterwards(setup: RunSetup) -> Iterator[None]:
    """On exit, restore everything that a run trains with.

    Inside, the optimizer works on copies of its states, and weights start without gradients. Weights, buffers and
    optimizer states take twice their memory.
    """
    generator_states = random_states(setup.train.generators)
    attributes = _Attributes()
    for holder in _holders(setup):
        attributes.save(vars(holder), largest=None if isinstance(holder, nn.Module) else MAX_COPIED_NUMBERS)
    gradients = [(parameter, parameter.grad) for parameter in attributes.parameters]
    for parameter, _ in gradients:
        # a saved gradient must not be written to
        parameter.grad = None
    task = setup.task.task
    task_state = copy.deepcopy(saved_state(task))
    of_task = [part for part in held_parts(task).values() if isinstance(part, torch.optim.Optimizer)]
    each_once = {id(optimizer): optimizer for optimizer in (*parts_of(setup.optimizer), *of_task)}.values()
    optimizers = [(optimizer, dict(vars(optimizer))) for optimizer in each_once]
    for optimizer, _ in optimizers:
        optimizer.state = _copied_states(optimizer)
        optimizer.param_groups = _copied_groups(optimizer)
    try:
        yield
    finally:
        for optimizer, before in optimizers:
            vars(optimizer).clear()
            vars(optimizer).update(before)
        attributes.restore()
        for parameter, gradient in gradients:
            parameter.grad = gradient
        load_state(task, task_state)
        set_random_states(generator_states, setup.train.generators)


def _holders(setup: RunSetup) -> list[Any]:
    """Return the objects whose attributes a step can change, each once: task, sources of its data, modules."""
    parts = [part for part in (setup.task.task, *setup.train.parts) if hasattr(part, "__dict__")]
    held = (value for part in parts for value in held_parts(part).values())
    models = [setup.model, *(value for value in held if isinstance(value, nn.Module))]
    modules = [module for model in models for module in model.modules()]
    return list({id(holder): holder for holder in (*parts, *modules)}.values())


class _Attributes:
    """The attributes of objects, and the content of those that can be changed in place."""

    def __init__(self) -> None:
        self._tables: list[tuple[dict[str, Any], dict[str, Any]]] = []
        # by identity: tied weights are saved once
        self._contents: dict[int, tuple[Any, Any]] = {}

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters among them."""
        return [value for value, _ in self._contents.values() if isinstance(value, nn.Parameter)]

    def save(self, table: dict[str, Any], largest: int | None) -> None:
        """Save the attributes of an object.

        Args:
            table: its attributes, by name.
            largest: numbers in the largest tensor that is copied; None for any.
        """
        self._tables.append((table, dict(table)))
        self._save_all(table.values(), largest)
        for name in _MODULE_TABLES:
            if isinstance(part := table.get(name), dict):
                self._save_all(part.values(), largest)

    def _save_all(self, values: Iterable[Any], largest: int | None) -> None:
        for value in values:
            self._save_content(value, largest)

    def _save_content(self, value: Any, largest: int | None) -> None:
        if id(value) in self._contents:
            return
        if isinstance(value, torch.Tensor):
            if largest is None or value.numel() <= largest:
                self._contents[id(value)] = value, value.detach().clone()
        elif isinstance(value, np.random.Generator):
            self._contents[id(value)] = value, value.bit_generator.state
        elif kind := next((kind for kind in _GENERATORS if isinstance(value, kind[0])), None):
            self._contents[id(value)] = value, getattr(value, kind[1])()
        elif isinstance(value, (list, dict, set)):
            self._contents[id(value)] = value, copy.copy(value)
            if largest is None:
                # a module may keep earlier batches in it, a task all its samples
                self._save_all(list(value.values() if isinstance(value, dict) else value), largest)

    def restore(self) -> None:
        """Restore every object's attributes, and their content."""
        for table, saved in self._tables:
            if table.keys() != saved.keys() or any(table[name] is not value for name, value in saved.items()):
                table.clear()
                table.update(saved)
        for value, content in self._contents.values():
            _restore_content(value, content)


def _restore_content(value: Any, content: Any) -> None:
    if isinstance(value, torch.Tensor):
        with torch.no_grad():
            value.copy_(content)
    elif isinstance(value, np.random.Generator):
        value.bit_generator.state = content
    elif kind := next((kind for kind in _GENERATORS if isinstance(value, kind[0])), None):
        getattr(value, kind[2])(content)
    elif isinstance(value, list):
        value[:] = content
    else:
        value.clear()
        value.update(content)


def _copied_states(optimizer: torch.optim.Optimizer) -> Any:
    # the copy is a defaultdict as well
    states = copy.copy(optimizer.state)
    for parameter, state in optimizer.state.items():
        states[parameter] = _copied(state)
    return states


def _copied_groups(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    return [
        {**settings, "params": group["params"]}
        for settings, group in zip(group_settings(optimizer), optimizer.param_groups, strict=True)
    ]


def _copied(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {name: _copied(item) for name, item in value.items()}
    return copy.deepcopy(value)
