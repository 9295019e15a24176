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
        summary="from the current lr to swa_lr over anneal_epochs steps, then constant",
        family="curve",
        unit="epoch",
        parameters=(
            Parameter(name="swa_lr", kind="floats", help="the lr at the end", minimum=0, lr="end", lr_share=0.1),
            count("anneal_epochs", "steps until swa_lr is reached", "length", default=10, minimum=0),
            ANNEAL_STRATEGY,
        ),
        notes=(
            "Stochastic weight averaging: after each of its steps the weights are averaged in an AveragedModel, which "
            "is tested beside the model at the end of each epoch.",
            "Put the schedule for the first part of the run in front of it, in a SequentialLR.",
        ),
        example="SWALR(swa_lr=0.001, anneal_epochs=5)",
        class_path="torch.optim.swa_utils:SWALR",
        averages_weights=True,
        length_argument="anneal_epochs",
        fit=_fit,
    ),
)
