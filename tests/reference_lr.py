"""A reference implementation of the lr control, as simple as possible, that the real one is compared with.

It uses neither lrtui's engine nor its schedules: schedules are PyTorch's objects on a small separate optimizer, whose
lr is never scaled, and commands are plain values. The lr is that optimizer's lr times a scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.optim import lr_scheduler, swa_utils

from lrtui.run.commands import Command, EvaluateNow, Pause, Resume, ScaleLr, SetLr, SwitchSchedule, UndoLr
from lrtui.schedules.notation import parse_schedule


class RefusedError(Exception):
    """A command that changes nothing."""


class BrokenError(Exception):
    """A schedule that can't compute its next lr, which ends the run."""


@dataclass(frozen=True)
class Formula:
    """A function of the step's number, as text and as a Python function."""

    text: str
    function: Callable[[int], float]


@dataclass(frozen=True)
class Plan:
    """A schedule as data, from which both its notation and PyTorch's object are made.

    Args:
        name: name of PyTorch's class.
        arguments: its arguments by name; children are plans, functions are formulas, and lengths may be left out.
        per: the unit after which `step()` is called; None for the default.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    per: str | None = None

    @property
    def unit(self) -> str:
        return self.per or ("batch" if self.name in ("OneCycleLR", "CyclicLR") else "epoch")

    @property
    def metric(self) -> str:
        """The metric that a ReduceLROnPlateau follows."""
        return str(self.arguments.get("metric", "accuracy" if self.arguments.get("mode") == "max" else "loss"))

    @property
    def children(self) -> Sequence[Plan]:
        return list(self.arguments.get("schedulers", []))

    def __str__(self) -> str:
        parts = [f"{name}={_text(value)}" for name, value in self.arguments.items()]
        if self.per is not None:
            parts.append(f'per="{self.per}"')
        return f"{self.name}({', '.join(parts)})"


def _text(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, Formula):
        return f'"{value.text}"'
    return f'"{value}"' if isinstance(value, str) else str(value)


@dataclass(frozen=True)
class OptimizerPlan:
    """An optimizer as data.

    Args:
        name: name of PyTorch's class.
        arguments: its arguments, which are those of the default group.
        groups: arguments of further groups, by the pattern of their parameters' names.
    """

    name: str
    arguments: Mapping[str, Any]
    groups: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [f"{name}={value}" for name, value in self.arguments.items()]
        if self.groups:
            parts.append(f"groups={dict(self.groups)}")
        return f"{self.name}({', '.join(parts)})"

    def build(self) -> torch.optim.Optimizer:
        own: list[dict[str, Any]] = [{}, *map(dict, self.groups.values())]
        # matrices, because some optimizers accept nothing else
        groups = [{"params": [torch.nn.Parameter(torch.zeros(1, 1))], **settings} for settings in own]
        optimizer: torch.optim.Optimizer = getattr(torch.optim, self.name)(groups, **self.arguments)
        return optimizer


class HeldOneCycle(lr_scheduler.OneCycleLR):
    """A OneCycleLR that holds its last lr by repeating its last call; PyTorch's raises the lr again and then fails."""

    def step(self, epoch: int | None = None) -> None:
        self.last_epoch = min(self.last_epoch, self.total_steps - 2)
        super().step(epoch)


def build_scheduler(plan: Plan, optimizer: torch.optim.Optimizer, calls: int) -> Any:
    """Return PyTorch's scheduler.

    Args:
        calls: number of `step()` calls, for lengths that are left out.
    """
    arguments = dict(plan.arguments)
    arguments.pop("metric", None)
    match plan.name:
        case "SequentialLR":
            edges = [0, *arguments["milestones"], calls]
            arguments["schedulers"] = [
                build_scheduler(child, optimizer, max(1, end - start))
                for child, start, end in zip(plan.children, edges, edges[1:], strict=False)
            ]
        case "ChainedScheduler":
            return lr_scheduler.ChainedScheduler([build_scheduler(child, optimizer, calls) for child in plan.children])
        case "LambdaLR" | "MultiplicativeLR":
            formulas = arguments["lr_lambda"]
            several = isinstance(formulas, list)
            arguments["lr_lambda"] = [one.function for one in formulas] if several else formulas.function
        case "CosineAnnealingLR":
            arguments.setdefault("T_max", calls)
        case "OneCycleLR":
            if "epochs" not in arguments:
                arguments.setdefault("total_steps", calls)
            return HeldOneCycle(optimizer, **arguments)
        case "SWALR":
            return swa_utils.SWALR(optimizer, **arguments)
    return getattr(lr_scheduler, plan.name)(optimizer, **arguments)


def set_scale(lr: float, raw: float) -> float:
    """Return the ratio of the lrs, or a neighbouring float by which the raw lr becomes exactly this lr."""
    ratio = lr / raw
    for candidate in (ratio, math.nextafter(ratio, math.inf), math.nextafter(ratio, -math.inf)):
        if raw * candidate == lr:
            return candidate
    return ratio


class ReferenceLr:
    """The lr of one run.

    Args:
        optimizer: as configured.
        plan: the schedule that the run starts with.
        epochs: number of epochs of the run.
        batches: optimizer steps per epoch.

        Raises:
        RefusedError: if PyTorch refuses the schedule.
    """

    def __init__(self, optimizer: OptimizerPlan, plan: Plan, epochs: int, batches: int) -> None:
        self._configured = optimizer
        self._epochs = epochs
        self._batches = batches
        self._step = 0
        self._results: list[Mapping[str, float]] = []
        self._paused = False
        self._tested_at: int | None = None
        self._scale: list[float] = []
        self._earlier: list[list[float]] = []
        self._switch(plan, "base")

    @property
    def raw(self) -> list[float]:
        """The lr that the schedule alone would have, by parameter group."""
        return [group["lr"] for group in self._optimizer.param_groups]

    @property
    def lrs(self) -> tuple[float, ...]:
        return tuple(raw * scale for raw, scale in zip(self.raw, self._scale, strict=True))

    @property
    def momenta(self) -> list[tuple[Any, Any]]:
        return momenta(self._optimizer)

    # -- steps and commands -------------------------------------------------------------------------------------------

    def batch_done(self) -> None:
        """Advance by one optimizer step.

        Raises:
        BrokenError: if the schedule fails.
        """
        self._step += 1
        if self._plan.unit == "batch":
            self._go_on()

    def epoch_done(self, result: Mapping[str, float]) -> None:
        """End the epoch.

        Args:
        result: result of the epoch's test.

        Raises:
        BrokenError: if the schedule fails.
        """
        self._results.append(result)
        if self._plan.unit == "epoch":
            self._go_on()

    def obey(self, command: Command, plan: Plan | None) -> None:
        """Carry out a command before the next step.

        Args:
        plan: the schedule to switch to; None for invalid notation.

        Raises:
        RefusedError: if the command is refused.
        """
        match command:
            case ScaleLr(factor):
                require(math.isfinite(factor) and factor > 0)
                self._change([scale * factor for scale in self._scale])
            case SetLr(lr, group):
                groups = range(len(self._scale))
                # without a group all are set but those at 0, which no factor changes
                chosen = [index for index in groups if self.raw[index] != 0] if group is None else [group]
                require(math.isfinite(lr) and lr >= 0)
                require(bool(chosen) and all(index in groups and self.raw[index] != 0 for index in chosen))
                self._change(
                    [set_scale(lr, self.raw[index]) if index in chosen else self._scale[index] for index in groups]
                )
            case UndoLr():
                require(bool(self._earlier))
                self._scale = self._earlier.pop()
            case SwitchSchedule(_, anchor):
                require(plan is not None and anchor in ("base", "current", "start"))
                assert plan is not None
                self._switch(plan, anchor)
            case Pause() | Resume():
                require(isinstance(command, Resume) == self._paused)
                self._paused = not self._paused
            case EvaluateNow():
                # commands at its step are taken during the test, so a second test is refused while the first runs
                require(self._tested_at != self._step)
                self._tested_at = self._step

    # -- implementation -----------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        try:
            self._call(self._scheduler, self._plan, len(self._results))
        except Exception as error:  # a formula can raise anything
            raise BrokenError(str(error)) from error

    def _change(self, scale: list[float]) -> None:
        self._earlier.append(self._scale)
        self._scale = scale

    def _switch(self, plan: Plan, anchor: str) -> None:
        epochs_done = self._step // self._batches
        since = 0 if anchor == "start" else self._step
        calls = {
            "batch": self._epochs * self._batches - since,
            # the call at the end of the current epoch is still to come
            "epoch": self._epochs - since // self._batches,
        }[plan.unit]
        # a child that steps per batch needs an explicit unit if the parent steps per epoch by default
        require(plan.per is not None or not any(child.unit == "batch" for child in plan.children))
        optimizer = self._configured.build()
        if anchor == "current":
            # a schedule that only multiplies would leave an lr of 0 at 0
            require(any(self.lrs) or not parse_schedule(str(plan)).only_multiplies)
            for group, lr in zip(optimizer.param_groups, self.lrs, strict=True):
                group["lr"] = lr
        try:
            scheduler = build_scheduler(plan, optimizer, calls)
            # PyTorch warns if the scheduler steps before the optimizer; without gradients this step changes nothing
            optimizer.step()
            if anchor == "start":
                for number in range(1, (self._step if plan.unit == "batch" else epochs_done) + 1):
                    self._call(scheduler, plan, number)
        except Exception as error:  # PyTorch's constructors and formulas can raise anything
            raise RefusedError(str(error)) from error
        self._plan, self._optimizer, self._scheduler = plan, optimizer, scheduler
        self._scale = [1.0] * len(optimizer.param_groups)
        self._earlier = []

    def _call(self, scheduler: Any, plan: Plan, epoch: int) -> None:
        if plan.name == "ReduceLROnPlateau":
            scheduler.step(self._results[epoch - 1][plan.metric])
        else:
            scheduler.step()


def require(condition: bool) -> None:
    if not condition:
        raise RefusedError


def momenta(optimizer: torch.optim.Optimizer) -> list[tuple[Any, Any]]:
    """Return the momentum and betas of each group; None if it has none."""
    return [(group.get("momentum"), group.get("betas")) for group in optimizer.param_groups]
