"""A plain PyTorch training loop for the tests; of lrtui it runs only the scheduler classes that lrtui defines."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.optim import lr_scheduler

from lrtui.schedulers import Warmup
from lrtui.schedules.catalogue import CATALOGUE

PLATEAU = lr_scheduler.ReduceLROnPlateau

WORDS = {name: getattr(math, name) for name in ("exp", "log", "sqrt", "cos", "sin", "floor", "pi")} | {
    "min": min,
    "max": max,
    "abs": abs,
}


def _function(value: Any) -> Any:
    if isinstance(value, list):
        return [_function(item) for item in value]
    return eval(f"lambda epoch, step=None: {value.replace('step', 'epoch')}", dict(WORDS))


def _builders(optimizer: torch.optim.Optimizer) -> dict[str, Callable[..., Any]]:
    def builder(found: Any, unit: str) -> Callable[..., Any]:
        def build(*arguments: Any, per: str | None = None, metric: str | None = None, **keywords: Any) -> Any:
            if found in (lr_scheduler.LambdaLR, lr_scheduler.MultiplicativeLR):
                return found(optimizer, _function(arguments[0]))
            if keywords.get("scale_fn") is not None:
                keywords["scale_fn"] = _function(keywords["scale_fn"])
            if found is lr_scheduler.ChainedScheduler:
                return found(*arguments)
            if found is Warmup:
                inside = arguments[1]
                keywords["per_epoch"] = inside.unit == "epoch" if per is None else isinstance(inside, PLATEAU)
                keywords["per_epoch"] &= per != "epoch"
            return found(optimizer, *arguments, **keywords)

        def with_unit(*arguments: Any, per: str | None = None, **keywords: Any) -> Any:
            scheduler = build(*arguments, per=per, **keywords)
            scheduler.unit = per or unit
            return scheduler

        return with_unit

    return {
        name: builder(getattr(importlib.import_module(entry.module), entry.name), entry.unit)
        for name, entry in CATALOGUE.items()
    }


def plain_loop(
    schedule: str,
    optimizer: torch.optim.Optimizer,
    epochs: int,
    batches: int,
    per: str,
    *,
    start: int = 0,
    metrics: Sequence[float | None] = (),
) -> list[list[float]]:
    """Train with a schedule and return the lr of each batch, one per parameter group.

    Args:
        schedule: as in a script, with all lengths.
        start: steps done before the schedule starts.
        metrics: values that a ReduceLROnPlateau is stepped with at each epoch's end; without one it is not stepped.
    """
    scheduler = eval(schedule, _builders(optimizer))
    warmup = isinstance(scheduler, Warmup)
    plateau = isinstance(scheduler.scheduler if warmup else scheduler, PLATEAU)
    last_call = scheduler.total_steps - 1 if isinstance(scheduler, lr_scheduler.OneCycleLR) else math.inf
    figures = iter(metrics)
    used, calls = [], 0
    for step in range(start, epochs * batches):
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.ones_like(parameter)
        used.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        if warmup and scheduler.per_epoch:
            scheduler.step()
            if (step + 1) % batches == 0:
                figure = next(figures, None) if plateau else None
                scheduler.step_epoch(*([] if figure is None else [figure]))
            continue
        if per == "epoch" and (step + 1) % batches:
            continue
        calls += 1
        if plateau:
            figure = next(figures, None)
            if figure is not None or warmup:
                scheduler.step(*([] if figure is None else [figure]))
        elif calls <= last_call:
            # a script itself must not step a OneCycleLR past its end
            scheduler.step()
    return used


def state_of(optimizer: torch.optim.Optimizer) -> list[Mapping[str, Any]]:
    """Return the settings that schedulers write into an optimizer."""
    return [{name: group.get(name) for name in ("lr", "momentum", "betas")} for group in optimizer.param_groups]
