"""The scheduler that follows a metric."""

from __future__ import annotations

from typing import Any

from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry, one_or_each
from lrtui.schedules.parameter import Parameter, count


def _metric(arguments: Arguments) -> str:
    return "accuracy" if arguments["mode"] == "max" else "loss"


def _read_min_lr(scheduler: Any) -> Any:
    given = getattr(scheduler, "default_min_lr", None)
    return one_or_each(scheduler.min_lrs) if given is None else given


SCHEDULERS = (
    SchedulerEntry(
        name="ReduceLROnPlateau",
        short_name="Plateau",
        summary="multiplies the lr by factor once a metric has stopped improving",
        family="decay",
        unit="epoch",
        parameters=(
            Parameter(
                name="mode",
                kind="choice",
                help="min for the test loss, max for the accuracy",
                default="min",
                choices=("min", "max"),
            ),
            Parameter(
                name="factor",
                kind="float",
                help="factor that the lr is multiplied by at each cut",
                default=0.1,
                minimum=0,
                # PyTorch refuses 1
                maximum=0.9999999999999999,
            ),
            count("patience", "epochs without improvement that are tolerated", "tests", default=10, minimum=0),
            Parameter(
                name="threshold", kind="float", help="smallest change that counts as an improvement", default=1e-4
            ),
            Parameter(
                name="threshold_mode",
                kind="choice",
                help="whether the threshold is relative to the best value or absolute",
                default="rel",
                choices=("rel", "abs"),
            ),
            count("cooldown", "epochs to wait after a cut", "tests", default=0, minimum=0),
            Parameter(
                name="min_lr", kind="floats", help="the lr never falls below this", default=0, minimum=0, lr="floor"
            ),
            Parameter(name="eps", kind="float", help="smallest cut that is made", default=1e-8, minimum=0),
        ),
        notes=(
            "It needs a metric: a preview is a flat line until there are test results.",
            'It follows metric="loss" (the test loss), or metric="accuracy" with mode="max".',
            "A NaN counts as no improvement, in runs and previews as in PyTorch; a run warns of it.",
        ),
        example="ReduceLROnPlateau(factor=0.3, patience=1)",
        read={"min_lr": _read_min_lr},
        metric=_metric,
    ),
)
