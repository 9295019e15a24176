"""Schedulers that hold or raise the lr at a run's start."""

from __future__ import annotations

from lrtui.schedules.catalogue.decay import factor_text
from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry, never
from lrtui.schedules.parameter import Parameter, count

TOTAL_ITERS = count("total_iters", "steps until the final lr", "length", default=5)


def _lowers(arguments: Arguments) -> bool:
    return bool(arguments["end_factor"] < arguments["start_factor"])


def _rises(arguments: Arguments) -> bool:
    return bool(arguments["end_factor"] > arguments["start_factor"])


def _fit_linear(arguments: Arguments, calls: int) -> Arguments:
    return {"total_iters": max(1, calls // 10) if _rises(arguments) else calls}


def _linear_factor(arguments: Arguments, calls: int) -> str | None:
    start, end, length = arguments["start_factor"], arguments["end_factor"], arguments["total_iters"]
    if length <= 0:
        return None
    return f"({factor_text(start)} + {factor_text(end - start)} * min(1, epoch / {length}))"


def _is_one(arguments: Arguments) -> bool:
    return bool(arguments["factor"] == 1)


def _constant_factor(arguments: Arguments, calls: int) -> str | None:
    factor, length = arguments["factor"], arguments["total_iters"]
    # PyTorch removes the factor by a division, which fails for 0, and with a length of 0 it never removes it
    return f"({factor_text(factor)} if epoch < {length} else 1)" if factor > 0 and length > 0 else None


SCHEDULERS = (
    SchedulerEntry(
        name="LinearLR",
        summary="a straight line from start_factor to end_factor times the lr",
        family="warm-up",
        unit="epoch",
        parameters=(
            Parameter(
                name="start_factor",
                kind="float",
                help="factor that the lr is multiplied by at the start",
                default=1 / 3,
                minimum=0,
                maximum=1,
                above=True,
            ),
            Parameter(
                name="end_factor",
                kind="float",
                help="factor that the lr is multiplied by at the end",
                default=1.0,
                minimum=0,
                maximum=1,
            ),
            TOTAL_ITERS,
        ),
        notes=("It can't warm up above the optimizer's lr.",),
        example="LinearLR(start_factor=0.1, total_iters=3)",
        length_argument="total_iters",
        lowers=_lowers,
        warm_up_argument="total_iters",
        warms_up=_rises,
        fit=_fit_linear,
        factor=_linear_factor,
    ),
    SchedulerEntry(
        name="ConstantLR",
        summary="factor times the lr for total_iters steps, then the lr itself",
        family="warm-up",
        unit="epoch",
        parameters=(
            Parameter(
                name="factor",
                kind="float",
                help="factor that the lr is multiplied by until total_iters",
                default=1 / 3,
                minimum=0,
                maximum=1,
            ),
            TOTAL_ITERS,
        ),
        notes=("With its defaults it starts at a third of the lr and then jumps up.",),
        example="ConstantLR(factor=0.5, total_iters=3)",
        length_argument="total_iters",
        warm_up_argument="total_iters",
        warms_up=never,
        is_constant=_is_one,
        factor=_constant_factor,
    ),
)
