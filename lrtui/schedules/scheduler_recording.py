"""The notation of schedulers that a user's code creates, from the arguments that it creates them with."""

from __future__ import annotations

import functools
import importlib
import inspect
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from lrtui.run.errors import UsageError
from lrtui.schedules.catalogue import CATALOGUE, Per, SchedulerEntry
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Schedule, default_metric
from lrtui.schedules.transformers_schedules import transformers_schedule

_LEFT_OUT = ("self", "optimizer", "last_epoch", "verbose")
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
        found = self._read(scheduler, per)
        # inside a Warmup or a composite, a scheduler can have another default unit
        found = replace(found, per_given=any(part.default_per != per for part in found.walk()))
        if found.entry and found.entry.follows_metric:
            found = replace(found, metric=metric or default_metric(found))
        return parse_schedule(str(found))

    def _read(self, scheduler: Any, per: Per) -> Schedule:
        kind = type(scheduler)
        if id(scheduler) not in self._arguments:
            raise UsageError(f"{kind.__module__}.{kind.__qualname__} can't be written as a schedule")
        entry, arguments = CATALOGUE[kind.__name__], self._arguments[id(scheduler)][1]
        if (found := transformers_schedule(arguments.get("lr_lambda"))) is not None:
            entry, arguments = CATALOGUE[found[0]], found[1]
        values = {
            name: self._value(entry, name, value, per)
            for name, value in arguments.items()
            if name not in _LEFT_OUT and not _is_default(entry, name, value)
        }
        order = [parameter.name for parameter in entry.parameters if parameter.name in values]
        return Schedule(entry.name, tuple((name, values[name]) for name in order), per)

    def _value(self, entry: SchedulerEntry, name: str, value: Any, per: Per) -> Any:
        if entry.parameter(name) is None:
            raise UsageError(f"{entry.name}({name}={value!r:.60}) can't be written as a schedule")
        if id(value) in self._arguments:
            return self._read(value, per)
        if isinstance(value, Sequence) and not isinstance(value, str):
            return tuple(self._value(entry, name, item, per) for item in value)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
            return value.item()
        what = "a Python function" if callable(value) else f"{type(value).__name__}"
        raise UsageError(f"{entry.name} with {name} as {what} can't be written as a schedule")


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


def _is_default(entry: SchedulerEntry, name: str, value: Any) -> bool:
    parameter = entry.parameter(name)
    return (
        parameter is not None
        and not parameter.is_required
        and type(value) is type(parameter.default)
        and (value == parameter.default)
    )
