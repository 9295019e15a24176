"""The scheduler of stochastic weight averaging."""

from __future__ import annotations

from typing import Any

from lrtui.schedules.catalogue.cycles import ANNEAL_STRATEGY
from lrtui.schedules.catalogue.entry import Arguments, SchedulerEntry, one_or_each
from lrtui.schedules.parameter import Parameter, count


def _fit(arguments: Arguments, calls: int) -> Arguments:
    return {"anneal_epochs": max(1, calls // 2)}


def _read_strategy(scheduler: Any) -> str:
    # releases of PyTorch differ in the attributes that they keep the name in
    return "linear" if "linear" in scheduler.anneal_func.__name__ else "cos"


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
        read={
            "swa_lr": lambda scheduler: one_or_each(group["swa_lr"] for group in scheduler.optimizer.param_groups),
            "anneal_strategy": _read_strategy,
        },
        fit=_fit,
    ),
)
