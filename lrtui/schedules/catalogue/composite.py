"""Schedulers made of others."""

from __future__ import annotations

from lrtui.schedules.catalogue.entry import SchedulerEntry
from lrtui.schedules.parameter import Parameter, count

SCHEDULERS = (
    SchedulerEntry(
        name="SequentialLR",
        summary="one schedule after another, switching at the milestones",
        family="composite",
        unit="epoch",
        parameters=(
            Parameter(name="schedulers", kind="schedules", help="the schedules, in order"),
            count(
                "milestones",
                "steps at which the next schedule starts; one fewer than schedules",
                "milestones",
                minimum=0,
            ),
        ),
        notes=(
            "Each schedule counts its steps from its milestone; a length left out is filled in up to the next one.",
            "A OneCycleLR or CyclicLR inside changes the initial lr of the others.",
        ),
        example="SequentialLR([LinearLR(start_factor=0.1, total_iters=2), CosineAnnealingLR()], milestones=[2])",
        composite="sequence",
    ),
    SchedulerEntry(
        name="ChainedScheduler",
        summary="several schedules together, their factors multiplied",
        family="composite",
        unit="epoch",
        parameters=(Parameter(name="schedulers", kind="schedules", help="the schedules that are combined"),),
        example="ChainedScheduler([LinearLR(start_factor=0.1, total_iters=2), ExponentialLR(gamma=0.9)])",
        composite="chain",
    ),
)
