"""All that a step of training changes, set aside for a while: whatever is computed meanwhile leaves no trace.

Put back are the objects themselves and what is in them: weights, gradients, buffers (those that a `state_dict()` leaves
out, too), modes, counters and other attributes of the model's modules, of the task and of modules that the task holds,
of its loader, samplers and data set, the optimizer with all its states, and every random state that training draws
from.
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

from lrtui.training.parameter_groups import group_settings
from lrtui.training.random_state import random_states, set_random_states
from lrtui.training.run_setup import RunSetup

_TABLES = ("_parameters", "_buffers", "_modules")
"""Where a module keeps what it is made of."""

MOST_OF_A_TASK = 1 << 20
"""Numbers in a tensor of the task's own from which on it is taken for data, which no step writes to."""

_CHANCES: tuple[tuple[type, str, str], ...] = (
    (torch.Generator, "get_state", "set_state"),
    (random.Random, "getstate", "setstate"),
)
"""Random generators of one's own, and how their states are read and written."""


@contextmanager
def set_aside(setup: RunSetup) -> Iterator[None]:
    """Put back, on leaving, all that a run trains with as it was on entering.

    Meanwhile the optimizer works on copies of its states, and weights have no gradients but those made meanwhile. It
    takes the memory of weights, buffers and optimizer states once more.
    """
    chances = random_states(setup.train.generators)
    attributes = _Attributes()
    for holder in _holders(setup):
        attributes.keep(vars(holder), largest=None if isinstance(holder, nn.Module) else MOST_OF_A_TASK)
    gradients = [(parameter, parameter.grad) for parameter in attributes.parameters]
    for parameter, _ in gradients:
        # those that are kept are nobody's to write to
        parameter.grad = None
    optimizer = dict(vars(setup.optimizer))
    setup.optimizer.state = _copied_states(setup.optimizer)
    setup.optimizer.param_groups = _copied_groups(setup.optimizer)
    try:
        yield
    finally:
        vars(setup.optimizer).clear()
        vars(setup.optimizer).update(optimizer)
        attributes.put_back()
        for parameter, gradient in gradients:
            parameter.grad = gradient
        set_random_states(chances, setup.train.generators)


def _holders(setup: RunSetup) -> list[Any]:
    """Return the objects whose attributes a step can change, each once: task, what its data comes from, modules."""
    own = [part for part in (setup.task.own, *setup.train.parts) if hasattr(part, "__dict__")]
    wholes = [setup.model, *(value for part in own for value in vars(part).values() if isinstance(value, nn.Module))]
    modules = [module for whole in wholes for module in whole.modules()]
    return list({id(holder): holder for holder in (*own, *modules)}.values())


class _Attributes:
    """The attributes of objects: which there are, and what is in those that can be written to."""

    def __init__(self) -> None:
        self._tables: list[tuple[dict[str, Any], dict[str, Any]]] = []
        # by identity: tied weights are kept once
        self._contents: dict[int, tuple[Any, Any]] = {}

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Those among them."""
        return [value for value, _ in self._contents.values() if isinstance(value, nn.Parameter)]

    def keep(self, table: dict[str, Any], largest: int | None) -> None:
        """Keep the attributes of an object.

        Args:
            table: its own, by name.
            largest: numbers that a tensor has at most to be copied; None for any.
        """
        self._tables.append((table, dict(table)))
        for value in table.values():
            self._keep_content(value, largest)
        for name in _TABLES:
            if isinstance(part := table.get(name), dict):
                self._keep_all(part.values(), largest)

    def _keep_all(self, values: Iterable[Any], largest: int | None) -> None:
        for value in values:
            self._keep_content(value, largest)

    def _keep_content(self, value: Any, largest: int | None) -> None:
        if id(value) in self._contents:
            return
        if isinstance(value, torch.Tensor):
            if largest is None or value.numel() <= largest:
                self._contents[id(value)] = value, value.detach().clone()
        elif isinstance(value, np.random.Generator):
            self._contents[id(value)] = value, value.bit_generator.state
        elif kind := next((kind for kind in _CHANCES if isinstance(value, kind[0])), None):
            self._contents[id(value)] = value, getattr(value, kind[1])()
        elif isinstance(value, (list, dict, set)):
            self._contents[id(value)] = value, copy.copy(value)
            if largest is None:
                # a module's, such as what it remembers of earlier batches; a task's may well be all its samples
                self._keep_all(list(value.values() if isinstance(value, dict) else value), largest)

    def put_back(self) -> None:
        """Give every object its attributes back, and these what was in them."""
        for table, kept in self._tables:
            if table.keys() != kept.keys() or any(table[name] is not value for name, value in kept.items()):
                table.clear()
                table.update(kept)
        for value, content in self._contents.values():
            _write_back(value, content)


def _write_back(value: Any, content: Any) -> None:
    if isinstance(value, torch.Tensor):
        with torch.no_grad():
            value.copy_(content)
    elif isinstance(value, np.random.Generator):
        value.bit_generator.state = content
    elif kind := next((kind for kind in _CHANCES if isinstance(value, kind[0])), None):
        getattr(value, kind[2])(content)
    elif isinstance(value, list):
        value[:] = content
    else:
        value.clear()
        value.update(content)


def _copied_states(optimizer: torch.optim.Optimizer) -> Any:
    # a defaultdict, and still one when it is copied
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
