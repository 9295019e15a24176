"""Schedulers that take the lr down by a rule."""

from __future__ import annotations

from lrtui.schedules.catalogue.entry import SchedulerEntry
from lrtui.schedules.parameter import COUNT_LIMIT, Parameter

GAMMA = Parameter(name="gamma", kind="float", help="what the lr is multiplied with", default=0.1)

DECAY = (
    SchedulerEntry(
        name="ExponentialLR",
        summary="multiplies the lr by gamma at every step",
        unit="epoch",
        parameters=(Parameter(name="gamma", kind="float", help="what the lr is multiplied with at a step"),),
        notes=("gamma=0.1 per epoch takes the lr down a thousandfold in 3 epochs, after which nothing moves.",),
        example="ExponentialLR(gamma=0.9)",
    ),
    SchedulerEntry(
        name="StepLR",
        summary="multiplies the lr by gamma every step_size steps",
        unit="epoch",
        parameters=(
            Parameter(
                name="step_size",
                kind="int",
                help="steps between two drops",
                minimum=1,
                maximum=COUNT_LIMIT,
            ),
            GAMMA,
        ),
        example="StepLR(step_size=3, gamma=0.5)",
    ),
    SchedulerEntry(
        name="MultiStepLR",
        summary="multiplies the lr by gamma at each milestone",
        unit="epoch",
        parameters=(
            Parameter(
                name="milestones",
                kind="ints",
                help="steps at which the lr drops",
                minimum=0,
                maximum=COUNT_LIMIT,
            ),
            GAMMA,
        ),
        notes=("A milestone given twice multiplies twice.",),
        example="MultiStepLR([5, 8], gamma=0.1)",
    ),
    SchedulerEntry(
        name="PolynomialLR",
        summary="takes the lr down to 0 over total_iters steps, along a power",
        unit="epoch",
        parameters=(
            Parameter(
                name="total_iters",
                kind="int",
                help="steps until the lr is 0",
                default=5,
                minimum=1,
                maximum=COUNT_LIMIT,
            ),
            Parameter(name="power", kind="float", help="1 is a straight line", default=1.0, minimum=0),
        ),
        notes=("The lr is exactly 0 after total_iters steps, and stays there.",),
        example="PolynomialLR(total_iters=10, power=1.0)",
    ),
    SchedulerEntry(
        name="ReduceLROnPlateau",
        summary="multiplies the lr by factor once a metric has stopped improving",
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
            Parameter(
                name="patience",
                kind="int",
                help="epochs without improvement that are let pass",
                default=10,
                minimum=0,
                maximum=COUNT_LIMIT,
            ),
            Parameter(name="threshold", kind="float", help="what counts as improvement", default=1e-4),
            Parameter(
                name="threshold_mode",
                kind="choice",
                help="whether the threshold is a share of the best value or a difference",
                default="rel",
                choices=("rel", "abs"),
            ),
            Parameter(
                name="cooldown",
                kind="int",
                help="epochs after a cut in which nothing is counted",
                default=0,
                minimum=0,
                maximum=COUNT_LIMIT,
            ),
            Parameter(name="min_lr", kind="floats", help="the lr never falls below this", default=0, minimum=0),
            Parameter(name="eps", kind="float", help="cuts smaller than this are left out", default=1e-8, minimum=0),
        ),
        notes=(
            "It needs a metric, so that a preview shows a flat line until a test has been made.",
            'metric="loss" (the test loss) is watched; mode="max" watches metric="accuracy".',
            "A loss that is not a number counts as no improvement.",
        ),
        example="ReduceLROnPlateau(factor=0.3, patience=1)",
    ),
)
