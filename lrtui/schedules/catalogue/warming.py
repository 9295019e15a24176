"""Schedulers that hold or change the lr for a while at a run's start."""

from __future__ import annotations

from lrtui.schedules.catalogue.entry import SchedulerEntry
from lrtui.schedules.parameter import COUNT_LIMIT, Parameter

TOTAL_ITERS = Parameter(
    name="total_iters",
    kind="int",
    help="steps until the lr is the optimizer's own",
    default=5,
    minimum=1,
    maximum=COUNT_LIMIT,
)

WARMING = (
    SchedulerEntry(
        name="LinearLR",
        summary="a straight line from start_factor to end_factor times the lr",
        unit="epoch",
        parameters=(
            Parameter(
                name="start_factor",
                kind="float",
                help="of the lr, at the start",
                default=1 / 3,
                minimum=0,
                maximum=1,
                above=True,
            ),
            Parameter(name="end_factor", kind="float", help="of the lr, at the end", default=1.0, minimum=0, maximum=1),
            TOTAL_ITERS,
        ),
        notes=("It can't warm up above the optimizer's lr.",),
        example="LinearLR(start_factor=0.1, total_iters=3)",
    ),
    SchedulerEntry(
        name="ConstantLR",
        summary="factor times the lr for total_iters steps, then the lr itself",
        unit="epoch",
        parameters=(
            Parameter(
                name="factor",
                kind="float",
                help="of the lr, until total_iters",
                default=1 / 3,
                minimum=0,
                maximum=1,
            ),
            TOTAL_ITERS,
        ),
        notes=("With its defaults it starts at a third of the lr and then jumps up.",),
        example="ConstantLR(factor=0.5, total_iters=3)",
    ),
)
