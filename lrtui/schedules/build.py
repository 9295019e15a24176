"""PyTorch's scheduler from a schedule's value: built on an optimizer, and stepped."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lrtui.run.errors import NotationError, TaskError, describe_exception
from lrtui.schedules.catalogue import Per, SchedulerEntry
from lrtui.schedules.catalogue.cycles import NO_MOMENTUM_HINT
from lrtui.schedules.expression import Expression
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.optimizer import OptimizerSpec
from lrtui.schedules.optimizer_build import build_tiny_optimizer
from lrtui.schedules.schedule import Schedule
from lrtui.schedules.user_module import load_user_scheduler
from lrtui.schedules.user_scheduler import CountedScheduler, checked_scheduler

if TYPE_CHECKING:
    import torch


def build(schedule: Schedule, optimizer: torch.optim.Optimizer, horizon: Horizon) -> Any:
    """Return PyTorch's scheduler, built on the optimizer's current lr; the constructor writes to its parameter groups.

    Args:
        schedule: lengths left out are filled in.
        optimizer: whose lr the scheduler will write.
        horizon: the steps that the schedule covers.

    Raises:
        NotationError: for whatever the scheduler's constructor refuses.
    """
    filled, _ = fill_in(schedule, horizon)
    optimizers = getattr(optimizer, "optimizers", None)
    try:
        if optimizers is not None:
            return SchedulersByOptimizer(filled, optimizers, horizon)
        if filled.is_per_optimizer:
            raise NotationError("the run has a single optimizer: give one schedule for it", str(schedule), 0)
        return _build(filled, optimizer)
    except NotationError as error:
        raise NotationError(error.message, error.text or str(schedule), error.position, error.field) from None


def check_buildable(schedule: Schedule, optimizer: OptimizerSpec, horizon: Horizon) -> None:
    """Build the schedule on a tiny optimizer of the same kind and discard it; imports torch.

    Raises:
        NotationError: for a schedule that PyTorch can't build on this optimizer.
    """
    build(schedule, build_tiny_optimizer(optimizer), horizon)


def _build(schedule: Schedule, optimizer: torch.optim.Optimizer) -> Any:
    entry = schedule.entry
    arguments = {name: _to_lists(value) for name, value in schedule.arguments.items()}
    if entry is None:
        found = load_user_scheduler(str(schedule.user_path), schedule.name, str(schedule))
        made = _call(schedule, found, [optimizer, *map(_to_lists, schedule.positional)], arguments)
        return checked_scheduler(made, schedule, optimizer)
    scheduler_class = _scheduler_class(entry)
    _make_functions(entry, arguments)
    if entry.composite == "warmup":
        (child,) = schedule.children
        arguments["scheduler"] = _build(child, optimizer)
        arguments["per_epoch"] = child.per != schedule.per
    elif schedule.children:
        arguments["schedulers"] = [_build_inside(schedule, child, optimizer) for child in schedule.children]
    if entry.composite == "chain":
        return _call(schedule, scheduler_class, [], {**arguments, "optimizer": optimizer})
    return _call(schedule, scheduler_class, [optimizer], arguments)


def _build_inside(schedule: Schedule, child: Schedule, optimizer: torch.optim.Optimizer) -> Any:
    scheduler = _build(child, optimizer)
    if isinstance(scheduler, CountedScheduler):
        raise NotationError(f"{child.name} is a scheduler of timm, which can't be inside a {schedule.name}")
    return scheduler


class SchedulersByOptimizer:
    """The schedulers of several optimizers, stepped together.

    Args:
        schedule: one for each optimizer by its name, or one that all follow; filled in.
        optimizers: by name.
        horizon: the steps that they cover.
    """

    def __init__(self, schedule: Schedule, optimizers: Mapping[str, torch.optim.Optimizer], horizon: Horizon) -> None:
        if schedule.is_per_optimizer and (unknown := [name for name in schedule.arguments if name not in optimizers]):
            raise NotationError(
                f"there is no optimizer {unknown[0]}: the task has {', '.join(optimizers)}", str(schedule), 0
            )
        if (
            schedule.is_per_optimizer
            and not schedule.positional
            and (left := [name for name in optimizers if name not in schedule.arguments])
        ):
            raise NotationError(f"there is no schedule for the optimizer {left[0]}", str(schedule), 0)
        self.names = list(optimizers)
        groups = {name: len(optimizer.param_groups) for name, optimizer in optimizers.items()}
        all_groups, first = sum(groups.values()), 0
        self.schedules: list[Schedule] = []
        self.schedulers: list[Any] = []
        self.starts: list[tuple[float, ...]] = []
        """For each, the step of the run at which it started, and the lrs of the groups there."""
        before = dict(schedule.continues)
        for name, optimizer in optimizers.items():
            self.schedules.append(schedule.for_optimizer(name, first, groups[name], all_groups))
            since = before.get(name)
            if since is not None:
                for group, lr in zip(optimizer.param_groups, since[1:], strict=True):
                    group["lr"] = lr
            self.starts.append(since or (horizon.start_step, *(float(group["lr"]) for group in optimizer.param_groups)))
            self.schedulers.append(_build(self.schedules[-1], optimizer))
            if since is not None:
                self._catch_up(replace(horizon, start_step=int(since[0])), horizon.start_step, optimizer)
            first += groups[name]

    def _catch_up(self, horizon: Horizon, until: int, optimizer: torch.optim.Optimizer) -> None:
        """Make the steps that the last schedule has had before the others start."""
        scheduler, schedule = self.schedulers[-1], self.schedules[-1]
        # PyTorch warns of a scheduler that steps before its optimizer
        optimizer._opt_called = True  # type: ignore[attr-defined]
        for done, unit in horizon.moments(schedule.units):
            if done > until:
                break
            step_scheduler(scheduler, schedule, None, unit)

    def step(self, results: Mapping[str, float] | None, unit: Per) -> None:
        """Step those that have steps in this unit.

        Args:
            results: metrics of the epoch's test by name.
            unit: what has ended.
        """
        for scheduler, schedule in zip(self.schedulers, self.schedules, strict=True):
            if unit in schedule.units:
                step_scheduler(scheduler, schedule, results, unit)

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each."""
        return {"schedulers": [scheduler.state_dict() for scheduler in self.schedulers], "starts": self.starts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Load what `state_dict` returned."""
        for scheduler, saved in zip(self.schedulers, state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        self.starts = [tuple(start) for start in state.get("starts", self.starts)]


def _call(
    schedule: Schedule, scheduler_class: Callable[..., Any], positional: list[Any], arguments: dict[str, Any]
) -> Any:
    try:
        return scheduler_class(*positional, **arguments)
    except NotationError:
        raise
    except Exception as error:  # constructors of PyTorch and of users refuse with any exception
        who = (
            f"PyTorch refuses {schedule}" if schedule.entry and schedule.entry.is_pytorch else f"{schedule} is invalid"
        )
        if schedule.user_path:
            who = f"{schedule.user_path}:{schedule.name} refuses its arguments"
            if inspect.isfunction(scheduler_class) and not isinstance(error, TypeError):
                message = f"{schedule.user_path}:{schedule.name} fails: {describe_exception(error)}"
                raise NotationError(message, str(schedule)) from error
        message = " ".join(str(error).split()) or type(error).__name__
        # a user's class may derive from one that cycles momentum
        hints = schedule.entry.hints if schedule.entry else NO_MOMENTUM_HINT
        found = next((hint for part, hint in hints.items() if part in f"{type(error).__name__}: {error}"), None)
        raise NotationError(f"{who}: {message}{f'; {found}' if found else ''}", str(schedule)) from error


def _scheduler_class(entry: SchedulerEntry) -> type[Any]:
    module, _, name = (entry.stepped_as or entry.class_path).partition(":")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError as error:
        raise NotationError(f"{entry.name} needs {module}, which can't be imported: {error}") from None
    if found is None:
        where = "the installed PyTorch" if module.startswith("torch.") else module
        raise NotationError(f"{where} has no {name}")
    return found  # type: ignore[no-any-return]


def _to_lists(value: Any) -> Any:
    return [_to_lists(item) for item in value] if isinstance(value, tuple) else value


def _make_functions(entry: SchedulerEntry, arguments: dict[str, Any]) -> None:
    for parameter in entry.parameters:
        value = arguments.get(parameter.name)
        if parameter.kind == "expression" and value is not None:
            arguments[parameter.name] = (
                [Expression(text) for text in value] if isinstance(value, list) else Expression(value)
            )


def step_scheduler(
    scheduler: Any, schedule: Schedule, results: Mapping[str, float] | None, unit: Per | None = None
) -> None:
    """Call the scheduler's `step()`, unless it follows a metric that the results don't have.

    Training and previews step schedulers only through this function.

    Args:
        scheduler: what `build` made of the schedule.
        schedule: what it was built from, filled in.
        results: metrics of the epoch's test by name.
        unit: what has ended, one of the schedule's units; its own unit when None.

    Raises:
        NotationError: for a schedule that has no next lr, such as one that grows beyond what a float holds.
        TaskError: if a user's class fails; names the line.
    """
    if isinstance(scheduler, SchedulersByOptimizer):
        scheduler.step(results, unit or schedule.per)
        return
    try:
        metric = results.get(schedule.metric) if results is not None and schedule.metric is not None else None
        arguments = () if metric is None else (metric,)
        if unit is not None and unit != schedule.per:
            # a Warmup per batch around a schedule per epoch
            scheduler.step_epoch(*arguments)
        elif arguments or schedule.metric is None or schedule.children:
            scheduler.step(*arguments)
    except NotationError:
        raise
    except Exception as error:  # schedulers of PyTorch and of users fail with any exception
        calls = getattr(scheduler, "last_epoch", None)
        where = f" at its step() call {calls}" if isinstance(calls, int) else ""
        if any(part.user_path for part in schedule.walk()):
            raise TaskError(f"{schedule.name} fails{where}: {describe_exception(error)}") from error
        message = f"{schedule.name} fails{where}: {type(error).__name__}: {error}"
        raise NotationError(message, str(schedule)) from error
