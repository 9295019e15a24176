"""The notation of a scheduler object whose class and arguments are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lrtui.run.errors import UsageError
from lrtui.schedules.catalogue import CATALOGUE, Per, SchedulerEntry
from lrtui.schedules.expression import Expression
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.schedule import Schedule, default_metric
from lrtui.schedules.transformers_schedules import transformers_schedule

Read = tuple[SchedulerEntry, Mapping[str, Any]]
"""A scheduler's entry, and the arguments that it was created with."""

_LEFT_OUT = ("self", "optimizer", "last_epoch", "verbose", "per_epoch")


def written(
    scheduler: Any, per: Per, created_with: Callable[[Any], Read | None], metric: str | None = None
) -> Schedule:
    """Return the schedule that makes such a scheduler.

    Args:
        per: after what its `step()` is called.
        created_with: returns what a scheduler, or one inside it, was created with; None if that is not known.
        metric: the metric that it follows, if it follows one.

    Raises:
        UsageError: if it can't be written as text, such as a LambdaLR of a Python function.
    """
    found = _Writer(created_with, metric).write(scheduler, per)
    return parse_schedule(str(in_unit(found, per)))


def in_unit(schedule: Schedule, per: Per) -> Schedule:
    """Return the schedule with another unit; what is stepped per epoch inside a Warmup per batch stays so."""
    is_warmup = schedule.entry is not None and schedule.entry.composite == "warmup"
    keeps_epochs = is_warmup and schedule.per == "batch"
    children = [child if keeps_epochs and child.per == "epoch" else in_unit(child, per) for child in schedule.children]
    changed = replace(schedule, per=per, per_given=False)
    if children:
        changed = changed.with_children(children)
    if schedule.is_per_optimizer or (is_warmup and per == "batch"):
        # per= of the whole would be for those inside as well
        return changed.with_children([_with_unit_if_needed(child) for child in children])
    return _with_unit_if_needed(changed)


def _with_unit_if_needed(schedule: Schedule) -> Schedule:
    # inside a composite, a scheduler can have another default unit
    return replace(schedule, per_given=any(part.default_per != part.per for part in schedule.walk()))


class _Writer:
    def __init__(self, created_with: Callable[[Any], Read | None], metric: str | None) -> None:
        self._created_with, self._metric = created_with, metric

    def write(self, scheduler: Any, per: Per) -> Schedule:
        found = self._created_with(scheduler)
        if found is None:
            kind = type(scheduler)
            raise UsageError(f"{kind.__module__}.{kind.__qualname__} can't be written as a schedule")
        entry, arguments = found
        if (known := transformers_schedule(arguments.get("lr_lambda"))) is not None:
            entry, arguments = CATALOGUE[known[0]], known[1]
        inner: Per = "epoch" if getattr(scheduler, "per_epoch", False) else per
        values = {
            name: self._value(entry, name, value, inner)
            for name, value in arguments.items()
            if name not in _LEFT_OUT and not _is_default(entry, name, value)
        }
        order = [parameter.name for parameter in entry.parameters if parameter.name in values]
        schedule = Schedule(entry.name, tuple((name, values[name]) for name in order), per)
        if entry.follows_metric:
            return replace(schedule, metric=self._metric or default_metric(schedule))
        # that of the schedule inside a Warmup
        return replace(schedule, metric=default_metric(schedule))

    def _value(self, entry: SchedulerEntry, name: str, value: Any, per: Per) -> Any:
        parameter = entry.parameter(name)
        if parameter is None:
            raise UsageError(f"{entry.name}({name}={value!r:.60}) can't be written as a schedule")
        if isinstance(value, Expression):
            return value.text
        if isinstance(value, Sequence) and not isinstance(value, str):
            return tuple(self._value(entry, name, item, per) for item in value)
        if parameter.kind in ("schedule", "schedules"):
            return self.write(value, per)
        # numbers of NumPy and tensors
        if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
            value = value.item()
        if parameter.kind in ("int", "ints", "steps") and isinstance(value, float) and value.is_integer():
            return int(value)
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        what = "a Python function" if callable(value) else f"{type(value).__name__}"
        raise UsageError(f"{entry.name} with {name} as {what} can't be written as a schedule")


def _is_default(entry: SchedulerEntry, name: str, value: Any) -> bool:
    parameter = entry.parameter(name)
    return (
        parameter is not None
        and not parameter.is_required
        and type(value) is type(parameter.default)
        and (value == parameter.default)
    )
