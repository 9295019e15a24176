"""The notation of schedulers that a user's code creates, from the arguments that it creates them with."""

from __future__ import annotations

import functools
import importlib
import inspect
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lrtui.schedules.catalogue import CATALOGUE, Per
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.scheduler_notation import Read, written

_PATCHING = threading.RLock()


@dataclass
class SchedulerRecords:
    """The schedulers created within `recorded_schedulers`."""

    _arguments: dict[int, tuple[Any, Mapping[str, Any]]] = field(default_factory=dict)
    _settings: dict[int, tuple[Any, list[dict[str, Any]]]] = field(default_factory=dict)

    def add(self, scheduler: Any, arguments: Mapping[str, Any]) -> None:
        """Record a scheduler before its constructor runs."""
        # the objects are kept, so that no other one gets their ids
        self._arguments[id(scheduler)] = (scheduler, arguments)
        optimizer = arguments.get("optimizer")
        if optimizer is not None and id(optimizer) not in self._settings:
            groups = [{key: value for key, value in each.items() if key != "params"} for each in optimizer.param_groups]
            self._settings[id(optimizer)] = (optimizer, groups)

    def without_schedulers(self, optimizer: Any) -> None:
        """Remove from an optimizer what the constructors of its schedulers have changed: lr, momentum and `step`."""
        if id(optimizer) not in self._settings:
            return
        for group, before in zip(optimizer.param_groups, self._settings[id(optimizer)][1], strict=True):
            for name in [name for name in group if name != "params" and name not in before]:
                del group[name]
            group.update(before)
        vars(optimizer).pop("step", None)

    def schedule(self, scheduler: Any, per: Per, metric: str | None = None) -> Schedule:
        """Return the schedule that makes such a scheduler.

        Args:
            per: after what its `step()` is called.
            metric: the metric that it follows.

        Raises:
            UsageError: if it can't be written as text, such as a LambdaLR of a Python function.
        """
        return written(scheduler, per, self._created_with, metric)

    def _created_with(self, scheduler: Any) -> Read | None:
        found = self._arguments.get(id(scheduler))
        return found and (CATALOGUE[type(scheduler).__name__], found[1])


@contextmanager
def recorded_schedulers() -> Iterator[SchedulerRecords]:
    """Record the schedulers of the catalogue that are created within the block."""
    records = SchedulerRecords()
    with _PATCHING:
        originals = {scheduler_class: scheduler_class.__init__ for scheduler_class in _classes()}
        try:
            for scheduler_class, original in originals.items():
                scheduler_class.__init__ = _recording(scheduler_class, original, records)
            yield records
        finally:
            for scheduler_class, original in originals.items():
                scheduler_class.__init__ = original


def _recording(scheduler_class: type[Any], original: Any, records: SchedulerRecords) -> Any:
    signature = inspect.signature(original)

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        # a subclass of the user computes something else
        if type(self) is scheduler_class:
            try:
                bound = signature.bind(self, *args, **kwargs)
            except TypeError:  # raised again by the constructor
                bound = None
            if bound is not None:
                records.add(self, {**bound.arguments})
        original(self, *args, **kwargs)

    return init


def _classes() -> list[Any]:
    found = []
    for entry in CATALOGUE.values():
        module, _, name = entry.class_path.partition(":")
        # older releases of PyTorch lack some
        found.append(getattr(importlib.import_module(module), name, None))
    return [each for each in dict.fromkeys(found) if each is not None]
