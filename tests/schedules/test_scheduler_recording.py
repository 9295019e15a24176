"""Schedulers of a user's code are written as the schedules that build the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler as pytorch

from lrtui.run.errors import UsageError
from lrtui.schedulers import WSD
from lrtui.schedules.scheduler_recording import recorded_schedulers

CASES: dict[str, Callable[[Any], Any]] = {
    "StepLR(step_size=3)": lambda o: pytorch.StepLR(o, 3),
    "StepLR(step_size=4, gamma=0.5)": lambda o: pytorch.StepLR(o, np.int64(4), np.float64(0.5)),
    "MultiStepLR([2, 4], gamma=0.5)": lambda o: pytorch.MultiStepLR(o, milestones=[2, 4], gamma=0.5),
    "CosineAnnealingLR(T_max=10, eta_min=0.001)": lambda o: pytorch.CosineAnnealingLR(o, 10, 0.001),
    'OneCycleLR(max_lr=[0.1], total_steps=30, anneal_strategy="linear", per="epoch")': lambda o: pytorch.OneCycleLR(
        o, [0.1], 30, anneal_strategy="linear"
    ),
    "SequentialLR([LinearLR(start_factor=0.1), CosineAnnealingLR(T_max=5)], milestones=[5])": lambda o: (
        pytorch.SequentialLR(o, [pytorch.LinearLR(o, 0.1), pytorch.CosineAnnealingLR(o, 5)], [5])
    ),
    "ChainedScheduler([LinearLR(), ExponentialLR(gamma=0.5)])": lambda o: pytorch.ChainedScheduler(
        [pytorch.LinearLR(o), pytorch.ExponentialLR(o, 0.5)], optimizer=o
    ),
    'ReduceLROnPlateau(mode="max", metric="auc")': lambda o: pytorch.ReduceLROnPlateau(o, "max"),
    'WSD(warmup=3, decay=4, total_steps=20, per="epoch")': lambda o: WSD(o, 3, 4, total_steps=20),
}


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.7)


@pytest.mark.parametrize("text", CASES)
def test_a_scheduler_is_written_as_it_was_created_and_its_traces_are_removed(text: str) -> None:
    made = optimizer()
    with recorded_schedulers() as records:
        scheduler = CASES[text](made)
        assert str(records.schedule(scheduler, "epoch", "auc")) == text
        records.without_schedulers(made)
    assert made.param_groups[0].keys() == optimizer().param_groups[0].keys()
    assert (made.param_groups[0]["lr"], made.param_groups[0]["momentum"]) == (0.1, 0.7)
    assert "step" not in vars(made)


def test_the_unit_is_written_where_it_is_not_the_usual_one() -> None:
    made = optimizer()
    with recorded_schedulers() as records:
        scheduler = pytorch.StepLR(made, 3)
        assert str(records.schedule(scheduler, "batch")) == 'StepLR(step_size=3, per="batch")'


def test_a_scheduler_of_a_function_or_of_a_users_class_is_refused() -> None:
    class Mine(pytorch.StepLR):
        pass

    made = optimizer()
    with recorded_schedulers() as records:
        for scheduler, message in (
            (
                pytorch.LambdaLR(made, lambda epoch: 1.0),
                "LambdaLR with lr_lambda as a Python function can't be written",
            ),
            (Mine(made, 3), "Mine can't be written as a schedule"),
        ):
            with pytest.raises(UsageError, match=message):
                records.schedule(scheduler, "epoch")
    assert pytorch.StepLR.__init__.__qualname__ == "StepLR.__init__"
