"""Schedulers that take a function, written as an expression."""

from __future__ import annotations

from lrtui.schedules.catalogue.entry import SchedulerEntry
from lrtui.schedules.parameter import Parameter

FUNCTIONAL = (
    SchedulerEntry(
        name="LambdaLR",
        summary="the optimizer's lr times an expression of the step's number",
        unit="epoch",
        parameters=(
            Parameter(
                name="lr_lambda",
                kind="expression",
                help="factor on the optimizer's lr; epoch counts step() calls from 0",
            ),
        ),
        example='LambdaLR("0.95 ** epoch")',
    ),
    SchedulerEntry(
        name="MultiplicativeLR",
        summary="multiplies the lr at each step by an expression of the step's number",
        unit="epoch",
        parameters=(
            Parameter(
                name="lr_lambda",
                kind="expression",
                help="factor on the lr of the step before; epoch counts step() calls from 1",
            ),
        ),
        example='MultiplicativeLR("0.9 if epoch > 3 else 1")',
    ),
)
