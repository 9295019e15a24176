"""The scheduler that follows a metric."""

from __future__ import annotations

from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry
from lrtui.schedules.parameter import Parameter, count


def _metric(arguments: Arguments) -> str:
    return "accuracy" if arguments["mode"] == "max" else "loss"


SCHEDULERS = (
    SchedulerEntry(
        name="ReduceLROnPlateau",
        summary="multiplies the lr by factor once a metric has stopped improving",
        family="decay",
        unit="epoch",
        parameters=(
            Parameter(
                name="mode",
                kind="choice",
                help="min watches the test loss, max the accuracy",
                default="min",
                choices=("min", "max"),
            ),
            Parameter(
                name="factor",
                kind="float",
                help="what the lr is multiplied with",
                default=0.1,
                minimum=0,
                maximum=0.9999999999999999,
            ),
            count("patience", "epochs without improvement that are let pass", "tests", default=10, minimum=0),
            Parameter(name="threshold", kind="float", help="what counts as improvement", default=1e-4),
            Parameter(
                name="threshold_mode",
                kind="choice",
                help="whether the threshold is a share of the best value or a difference",
                default="rel",
                choices=("rel", "abs"),
            ),
            count("cooldown", "epochs after a cut in which nothing is counted", "tests", default=0, minimum=0),
            Parameter(
                name="min_lr", kind="floats", help="the lr never falls below this", default=0, minimum=0, lr="floor"
            ),
            Parameter(name="eps", kind="float", help="cuts smaller than this are left out", default=1e-8, minimum=0),
        ),
        notes=(
            "It needs a metric, so that a preview shows a flat line until a test has been made.",
            'metric="loss" (the test loss) is watched; mode="max" watches metric="accuracy".',
            "A loss that is not a number counts as no improvement.",
        ),
        example="ReduceLROnPlateau(factor=0.3, patience=1)",
        metric=_metric,
    ),
)
