"""Schedulers made of others."""

from __future__ import annotations

from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry
from lrtui.schedules.parameter import Parameter, count, steps_or_share


def _fit_warmup(arguments: Arguments, calls: int) -> Arguments | None:
    return {"steps": max(1, calls // 10)} if arguments["steps"] > calls // 3 else None


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
        read={
            "schedulers": lambda scheduler: scheduler._schedulers,
            "milestones": lambda scheduler: scheduler._milestones,
        },
    ),
    SchedulerEntry(
        name="ChainedScheduler",
        summary="several schedules together, their factors multiplied",
        family="composite",
        unit="epoch",
        parameters=(Parameter(name="schedulers", kind="schedules", help="the schedules that are combined"),),
        example="ChainedScheduler([LinearLR(start_factor=0.1, total_iters=2), ExponentialLR(gamma=0.9)])",
        composite="chain",
        read={"schedulers": lambda scheduler: scheduler._schedulers},
    ),
    SchedulerEntry(
        name="Warmup",
        summary="a warmup to the lr of any other schedule, which then starts",
        family="composite",
        unit="batch",
        parameters=(
            steps_or_share("steps", "steps in which the lr rises to that of the schedule"),
            Parameter(name="scheduler", kind="schedule", help="the schedule that starts after the warmup"),
            Parameter(
                name="start_factor",
                kind="float",
                help="factor that the lr is multiplied by at the start",
                default=0.0,
                minimum=0,
                maximum=1,
            ),
        ),
        notes=(
            "A number of steps below 1 is a share of the run.",
            "The warmup counts batches and the schedule inside keeps its own unit: Warmup(200, CosineAnnealingLR()) "
            'steps the cosine per epoch, and Warmup(200, CosineAnnealingLR(per="batch")) per batch; per= of the Warmup '
            "is for both.",
            "A length left out in the schedule inside is filled in with what the warmup leaves of the run.",
        ),
        example="Warmup(0.05, CosineAnnealingLR())",
        class_path="lrtui.schedulers:Warmup",
        documentation="https://arxiv.org/abs/1706.02677",
        composite="warmup",
        warm_up_argument="steps",
        fit=_fit_warmup,
    ),
)
