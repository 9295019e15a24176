"""Schedulers that raise the lr and lower it again, between absolute lrs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry, always
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
