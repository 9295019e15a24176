"""The scheduler of stochastic weight averaging."""

from __future__ import annotations

from lrtui.schedules.catalogue.cycles import ANNEAL_STRATEGY
from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry
from lrtui.schedules.parameter import Parameter, count


def _fit(arguments: Arguments, calls: int) -> Arguments:
    return {"anneal_epochs": max(1, calls // 2)}


SCHEDULERS = (
    SchedulerEntry(
        name="SWALR",
        summary="from the present lr to swa_lr over anneal_epochs steps, then constant",
        family="curve",
        unit="epoch",
        parameters=(
            Parameter(name="swa_lr", kind="floats", help="the lr at the end", minimum=0, lr="end", lr_share=0.1),
            count("anneal_epochs", "steps until swa_lr is reached", "length", default=10, minimum=0),
            ANNEAL_STRATEGY,
        ),
        notes=(
            "Stochastic weight averaging: from where it begins the weights are averaged after each of its steps, in an "
            "AveragedModel that is tested beside the model at each epoch's end.",
            "In front of it, within SequentialLR, goes what the run begins with.",
        ),
        example="SWALR(swa_lr=0.001, anneal_epochs=5)",
        class_path="torch.optim.swa_utils:SWALR",
        averages_weights=True,
        length_argument="anneal_epochs",
        fit=_fit,
    ),
)
