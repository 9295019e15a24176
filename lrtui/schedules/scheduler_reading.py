"""The notation of a scheduler object that exists already, read off its attributes and compared with it."""

from __future__ import annotations

import copy
import importlib
import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lrtui.run.errors import LrtuiError, UsageError, describe_exception
from lrtui.run.spec import SCRIPT
from lrtui.schedules.build import build
from lrtui.schedules.catalogue import CATALOGUE, Per, SchedulerEntry
from lrtui.schedules.combined_optimizer import StandIn
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.optimizer_build import SCHEDULERS_SETTINGS
from lrtui.schedules.schedule import STEPPED_PER_BATCH, Schedule
from lrtui.schedules.scheduler_notation import Read, in_unit, written
from lrtui.schedules.warmup_scheduler import Warmup
from lrtui.text.format import counted

MAX_STEPS = 20_000
"""Largest number of `step()` calls that are repeated to compare a notation with its scheduler, 0.2 s."""

STEPS_AHEAD = 50
"""Number of later steps in which they are compared as well."""

ACCURACY, ACCURACY_OF_TENSORS = 1e-12, 1e-6
"""Difference of equal lrs, as a share of the highest one: transformers adds and divides in another order."""

_PROGRESS_OF_PLATEAU = ("last_epoch", "best", "num_bad_epochs", "cooldown_counter")


def schedule_of(scheduler: Any, per: Per, metric: str | None = None) -> Schedule:
    """Return the schedule that makes such a scheduler, which is left as it is.

    The lrs of the schedule are equal to those of the scheduler, after the `step()` calls made and some later ones.

    Args:
        scheduler: of PyTorch or lrtui, at any step.
        per: after what its `step()` is called; of a Warmup the unit of the warmup.
        metric: the metric that it follows, if it follows one.

    Raises:
        UsageError: if it can't be written as text, or its lr is not what its class and arguments give.
    """
    name = type(scheduler).__name__
    try:
        schedule = written(scheduler, per, _created_with, metric)
        with warnings.catch_warnings():
            # of steps before that of the optimizer
            warnings.simplefilter("ignore")
            difference = _difference(scheduler, schedule)
    except LrtuiError:
        raise
    except Exception as error:  # attributes that are missing or that the script has changed, in any way
        raise UsageError(f"this {name} can't be written as a schedule: {describe_exception(error)}") from error
    if difference:
        raise UsageError(f"this {name} can't be written as a schedule: {difference}")
    return schedule


def schedule_of_script(schedulers: Sequence[Any], per: Per | None = None, *, is_regular: bool = True) -> Schedule:
    """Return the notation of the schedulers that a script has for one optimizer: that of their lr from now on.

    Those that can't be written, or that have made steps already, are named: `script:LambdaLR()`,
    `script:StepLR(last_epoch=7)`.

    Args:
        schedulers: none if the script sets the lr itself.
        per: after what their `step()` is called; None for the usual unit.
        is_regular: whether it is called after each of these; otherwise they are named.
    """
    made = getattr(schedulers[0], "last_epoch", 0) if schedulers else 0
    if is_regular and len(schedulers) == 1 and not made and (entry := entry_of(schedulers[0])) is not None:
        try:
            return schedule_of(schedulers[0], per or guess_per(schedulers[0]) or entry.unit)
        except UsageError:
            # its lr is only known where it is recorded
            pass
    name = type(schedulers[0]).__name__ if schedulers else "lr"
    # a user's class may give the number another meaning
    arguments = (("last_epoch", made),) if isinstance(made, int) and made > 0 else ()
    schedule = Schedule(name if name.isascii() and name.isidentifier() else "scheduler", arguments, user_path=SCRIPT)
    return parse_schedule(str(in_unit(schedule, per or schedule.default_per)))


def guess_per(scheduler: Any) -> Per | None:
    """Return after what a scheduler's `step()` is called, as far as the object itself tells; else None."""
    if hasattr(scheduler, "t_in_epochs"):
        # timm's say so
        return "epoch" if scheduler.t_in_epochs else "batch"
    functions = getattr(scheduler, "lr_lambdas", None) or [None]
    function = getattr(functions[0], "func", functions[0])
    if str(getattr(function, "__module__", "")).partition(".")[0] in STEPPED_PER_BATCH:
        return "batch"
    entry = entry_of(scheduler)
    if entry is not None and (entry.follows_metric or entry.unit == "batch"):
        return entry.unit
    parts = list(scheduler_parts(scheduler))[1:]
    guesses = {guess for part in parts if (guess := guess_per(part)) is not None}
    return guesses.pop() if len(guesses) == 1 else None


def entry_of(scheduler: Any) -> SchedulerEntry | None:
    """Return the catalogue's entry of an object's class; None for a class of the user, also if derived from one."""
    kind = type(scheduler)
    entry = CATALOGUE.get(kind.__name__)
    if entry is None:
        return None
    module, _, name = entry.class_path.partition(":")
    known = getattr(importlib.import_module(module), name, None)
    # a class that stands for it has the same name and module
    is_same = known is not None and (known.__module__, known.__qualname__) == (kind.__module__, kind.__qualname__)
    return entry if is_same else None


def _created_with(scheduler: Any) -> Read | None:
    entry = entry_of(scheduler)
    if entry is None:
        return None
    arguments = {}
    for parameter in entry.parameters:
        read = entry.read.get(parameter.name)
        value = getattr(scheduler, parameter.name, None) if read is None else read(scheduler)
        if value is not None:
            arguments[parameter.name] = value
    return entry, arguments


def _steps_made(scheduler: Any) -> int:
    """Return how many `step()` calls a scheduler has had."""
    if hasattr(scheduler, "last_epoch"):
        return int(scheduler.last_epoch)
    return _steps_made(scheduler._schedulers[0])


# -- comparing ---------------------------------------------------------------------------------------------------------


def _difference(scheduler: Any, schedule: Schedule) -> str:
    """Return where the lrs of the schedule differ from those of the scheduler; empty if they don't."""
    steps = _steps_made(scheduler)
    if steps > MAX_STEPS:
        return f"it has made {counted(steps, 'step')}, too many to compare them"
    optimizer = scheduler.optimizer
    now = _stand_in(optimizer, _lrs_as_they_are(optimizer))
    # the optimizer itself would be copied with the parameters
    ahead = copy.deepcopy(scheduler, {id(optimizer): now})
    fresh = _stand_in(optimizer, _initial_lrs(scheduler), SCHEDULERS_SETTINGS)
    # all lengths are given
    highest = max(map(abs, (*_lrs(now), *_lrs(fresh))))
    built = build(schedule, fresh, Horizon(1, 1))
    _catch_up(built, ahead)
    lrs = _lrs_as_they_are(fresh)
    accuracy = ACCURACY if not any(isinstance(lr, torch.Tensor) for lr in lrs) else ACCURACY_OF_TENSORS
    # after its end a cosine of transformers rises again, and that of lrtui does not
    end = schedule.length if schedule.entry is not entry_of(scheduler) else None
    for step in range(steps, steps + STEPS_AHEAD):
        for lr, wanted in zip(_lrs(fresh), _lrs(now), strict=True):
            if not math.isclose(lr, wanted, rel_tol=accuracy, abs_tol=accuracy * highest):
                return f"its lr is {wanted!r} after {counted(step, 'step')}, and that of {schedule} is {lr!r}"
        if not _has_next(ahead) or step == end:
            break
        for each in (built, ahead):
            _step(each)
    return ""


def _stand_in(optimizer: Any, lrs: list[Any], left_out: Collection[str] = ()) -> StandIn:
    """Return an optimizer with the settings of another one's groups, and these lrs."""
    groups = [
        {
            **{name: copy.deepcopy(value) for name, value in group.items() if name not in ("params", "lr", *left_out)},
            # compared on one device
            "lr": lr.detach().clone().cpu() if isinstance(lr, torch.Tensor) else lr,
        }
        for group, lr in zip(optimizer.param_groups, lrs, strict=True)
    ]
    return StandIn(groups, optimizer.defaults)


def _initial_lrs(scheduler: Any) -> list[Any]:
    """Return the lrs that the scheduler was created on; of one that follows a metric the current ones."""
    if isinstance(scheduler, Warmup):
        return list(scheduler._targets)
    if hasattr(scheduler, "_schedulers"):
        return _initial_lrs(scheduler._schedulers[0])
    if isinstance(scheduler, ReduceLROnPlateau):
        return _lrs_as_they_are(scheduler.optimizer)
    return list(scheduler.base_lrs)


def _lrs_as_they_are(optimizer: Any) -> list[Any]:
    return [group["lr"] for group in optimizer.param_groups]


def _lrs(optimizer: Any) -> list[float]:
    return [float(lr) for lr in _lrs_as_they_are(optimizer)]


def _catch_up(built: Any, scheduler: Any) -> None:
    """Bring a scheduler to the step of another one that has the same arguments."""
    if isinstance(scheduler, ReduceLROnPlateau):
        # the metrics that it has had are not known
        if scheduler.last_epoch:
            for group, lr in zip(built.optimizer.param_groups, _lrs(scheduler.optimizer), strict=True):
                group["lr"] = lr
        for name in _PROGRESS_OF_PLATEAU:
            setattr(built, name, getattr(scheduler, name))
        return
    for _ in range(_steps_made(scheduler)):
        built.step()
    if isinstance(scheduler, Warmup) and scheduler.per_epoch:
        if isinstance(scheduler.scheduler, ReduceLROnPlateau):
            _catch_up(built.scheduler, scheduler.scheduler)
        else:
            for _ in range(_steps_made(scheduler.scheduler)):
                built.step_epoch()


def _step(scheduler: Any) -> None:
    """Make a step; one that follows a metric sees no improvement."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(1.0)
        return
    scheduler.step()
    if isinstance(scheduler, Warmup) and scheduler.per_epoch:
        scheduler.step_epoch(1.0 if isinstance(scheduler.scheduler, ReduceLROnPlateau) else None)


def _has_next(scheduler: Any) -> bool:
    """Return whether a further step is within the length of those that PyTorch does not step beyond their end."""
    ended = (
        part.last_epoch + 1 >= part.total_steps
        for part in scheduler_parts(scheduler)
        if (entry := entry_of(part)) is not None and entry.stepped_as
    )
    return not any(ended)


def scheduler_parts(scheduler: Any) -> Iterator[Any]:
    """Yield the scheduler and those that it is made of."""
    yield scheduler
    inside = [scheduler.scheduler] if isinstance(scheduler, Warmup) else getattr(scheduler, "_schedulers", ())
    for part in inside:
        yield from scheduler_parts(part)
