"""Schedulers that raise the lr and lower it again, between absolute lrs."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry, always, one_or_each, roundest
from lrtui.schedules.parameter import Parameter, count

if TYPE_CHECKING:
    from torch import Tensor

ANNEAL_STRATEGY = Parameter(
    name="anneal_strategy", kind="choice", help="shape of the curve", default="cos", choices=("cos", "linear")
)

CYCLE_MOMENTUM = Parameter(
    name="cycle_momentum",
    kind="bool",
    help="whether momentum (or Adam's beta1) falls while the lr rises",
    default=True,
)

NO_MOMENTUM_HINT = {"cycle_momentum": "add cycle_momentum=False, this optimizer has no momentum to cycle"}


def _momentum(name: str, default: float) -> Parameter:
    where = "at the highest lr" if name.startswith("base") else "at the lowest lr"
    return Parameter(
        name=name, kind="floats", help=f"momentum (or Adam's beta1) {where}", default=default, minimum=0, maximum=1
    )


def _fit_one_cycle(arguments: Arguments, calls: int) -> Arguments:
    # None removes each of them
    return dict.fromkeys(("total_steps", "epochs", "steps_per_epoch", "pct_start", "three_phase"))


def _fit_cycles(arguments: Arguments, calls: int) -> Arguments | None:
    # a rise and a fall of at least two steps each
    if calls < 4:
        return None
    up, down = arguments["step_size_up"], arguments["step_size_down"] or arguments["step_size_up"]
    cycles = max(1, round(calls / (up + down)))
    return {"step_size_up": max(1, calls // (2 * cycles)), "step_size_down": None}


def _of_groups(name: str, *, momentum: bool = False) -> Callable[[Any], Any]:
    """Return a function that reads what a scheduler has written to the parameter groups."""

    def read(scheduler: Any) -> Any:
        if momentum and not scheduler.cycle_momentum:
            return None
        return one_or_each(group[name] for group in scheduler.optimizer.param_groups)

    return read


_READ_MOMENTUM = {name: _of_groups(name, momentum=True) for name in ("base_momentum", "max_momentum")}


def _read_pct_start(scheduler: Any) -> float:
    total, phases = scheduler.total_steps, scheduler._schedule_phases

    def fits(share: float) -> bool:
        # as PyTorch computes them
        ends = [share * total - 1] if len(phases) == 2 else [share * total - 1, 2 * share * total - 2]
        return ends == [phase["end_step"] for phase in phases[:-1]]

    return roundest((phases[0]["end_step"] + 1) / total, fits)


def _read_ratio(numerator: str, denominator: str) -> Callable[[Any], float]:
    def read(scheduler: Any) -> float:
        pairs = [(group[numerator], group[denominator]) for group in scheduler.optimizer.param_groups]
        return roundest(
            float(pairs[0][0] / pairs[0][1]), lambda ratio: all(bool(high / ratio == low) for high, low in pairs)
        )

    return read


def _size_up(scheduler: Any) -> int:
    size: int = round(scheduler.total_size * scheduler.step_ratio)
    return size


def _read_size_down(scheduler: Any) -> int | None:
    up = _size_up(scheduler)
    return None if scheduler.total_size == 2 * up else round(scheduler.total_size - up)


SCHEDULERS = (
    SchedulerEntry(
        name="OneCycleLR",
        summary="up to max_lr, then down to almost nothing, once over the whole run",
        family="curve",
        unit="batch",
        parameters=(
            Parameter(
                name="max_lr",
                kind="floats",
                help="the highest lr; a list has one per group",
                minimum=0,
                above=True,
                lr="peak",
                lr_share=1.0,
            ),
            count(
                "total_steps",
                "length of the cycle; default: the remaining steps",
                "length",
                default=None,
                optional=True,
            ),
            count("epochs", "with steps_per_epoch, in place of total_steps", "epochs", default=None, optional=True),
            count("steps_per_epoch", "with epochs, in place of total_steps", "batches", default=None, optional=True),
            Parameter(
                name="pct_start",
                kind="float",
                help="share of the cycle in which the lr rises",
                default=0.3,
                minimum=0,
                maximum=1,
            ),
            ANNEAL_STRATEGY,
            CYCLE_MOMENTUM,
            _momentum("base_momentum", 0.85),
            _momentum("max_momentum", 0.95),
            Parameter(
                name="div_factor",
                kind="float",
                help="the cycle starts at max_lr / div_factor",
                default=25.0,
                minimum=0,
                above=True,
            ),
            Parameter(
                name="final_div_factor",
                kind="float",
                help="the cycle ends at its first lr / final_div_factor",
                default=1e4,
                minimum=0,
                above=True,
            ),
            Parameter(
                name="three_phase",
                kind="bool",
                help="a third phase, from the first lr to the last, after a symmetric rise and fall",
                default=False,
            ),
        ),
        fills={"total_steps": "the remaining step() calls"},
        notes=(
            "The optimizer's lr is not used, only max_lr.",
            "After total_steps PyTorch raises an error; lrtui holds the last lr.",
        ),
        example="OneCycleLR(max_lr=0.003)",
        stepped_as=f"{__name__}:HeldOneCycleLR",
        absolute=True,
        recomputes=True,
        length_argument="total_steps",
        length_factors=("epochs", "steps_per_epoch"),
        lowers=always,
        read={
            "max_lr": _of_groups("max_lr"),
            "pct_start": _read_pct_start,
            "anneal_strategy": lambda scheduler: scheduler._anneal_func_type,
            **_READ_MOMENTUM,
            "div_factor": _read_ratio("max_lr", "initial_lr"),
            "final_div_factor": _read_ratio("initial_lr", "min_lr"),
            "three_phase": lambda scheduler: len(scheduler._schedule_phases) == 3,
        },
        fit=_fit_one_cycle,
        hints={
            **NO_MOMENTUM_HINT,
            "ZeroDivisionError": "pct_start * total_steps is 1, a warm-up that ends where it starts: change either",
        },
    ),
    SchedulerEntry(
        name="CyclicLR",
        summary="up and down between base_lr and max_lr, again and again",
        family="curve",
        unit="batch",
        parameters=(
            Parameter(name="base_lr", kind="floats", help="the lowest lr", minimum=0, lr="low", lr_share=0.1),
            Parameter(name="max_lr", kind="floats", help="the highest lr", minimum=0, lr="peak", lr_share=1.0),
            count("step_size_up", "steps from the lowest lr to the highest", "period", default=2000),
            count(
                "step_size_down",
                "steps from the highest lr to the lowest; default: step_size_up",
                "period",
                default=None,
                optional=True,
            ),
            Parameter(
                name="mode",
                kind="choice",
                help="triangular2 halves the height of each cycle, exp_range multiplies it by gamma at each step",
                default="triangular",
                choices=("triangular", "triangular2", "exp_range"),
            ),
            Parameter(name="gamma", kind="float", help="factor per step, in exp_range mode", default=1.0),
            Parameter(
                name="scale_fn",
                kind="expression",
                help="function that scales the peaks, in place of mode",
                default=None,
                optional=True,
            ),
            Parameter(
                name="scale_mode",
                kind="choice",
                help="whether scale_fn counts cycles or steps",
                default="cycle",
                choices=("cycle", "iterations"),
            ),
            CYCLE_MOMENTUM,
            _momentum("base_momentum", 0.8),
            _momentum("max_momentum", 0.9),
        ),
        notes=("The optimizer's lr is not used.", "The default half-cycle of 2000 steps can be longer than an epoch."),
        example="CyclicLR(base_lr=0.0001, max_lr=0.003, step_size_up=938)",
        absolute=True,
        recomputes=True,
        read={
            "base_lr": lambda scheduler: one_or_each(scheduler.base_lrs),
            "max_lr": lambda scheduler: one_or_each(scheduler.max_lrs),
            "step_size_up": _size_up,
            "step_size_down": _read_size_down,
            "scale_fn": lambda scheduler: scheduler._scale_fn_custom,
            # the mode sets it unless there is a function
            "scale_mode": lambda scheduler: scheduler.scale_mode if scheduler._scale_fn_custom is not None else None,
            **_READ_MOMENTUM,
        },
        fit=_fit_cycles,
        hints=NO_MOMENTUM_HINT,
    ),
)


@functools.cache
def _held_one_cycle() -> type[Any]:
    from torch.optim.lr_scheduler import OneCycleLR

    class HeldOneCycleLR(OneCycleLR):
        """A OneCycleLR that holds its last lr and momentum; until then it is bit-identical to PyTorch's.

        PyTorch's class reaches its last lr at `step()` call total_steps - 1. The next call, which every loop makes
        after its last batch, raises the lr again, and the one after that raises an error.
        """

        def get_lr(self) -> list[float | Tensor]:
            """Return the lr of this step; after the end, that of the last step."""
            calls = self.last_epoch
            self.last_epoch = min(calls, self.total_steps - 1)
            try:
                return super().get_lr()
            finally:
                self.last_epoch = calls

    return HeldOneCycleLR


def __getattr__(name: str) -> type[Any]:
    """Define the class when it is first used: importing torch takes about a second."""
    if name == "HeldOneCycleLR":
        return _held_one_cycle()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
