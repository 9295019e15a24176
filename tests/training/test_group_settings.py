"""The settings of parameter groups as they were before a script built its schedulers."""

from __future__ import annotations

import torch
from torch.optim import lr_scheduler

from lrtui.schedulers import Warmup
from lrtui.training.group_settings import settings_before_schedulers


def test_the_lr_and_the_momentum_that_a_scheduler_inside_a_warmup_has_overwritten_are_the_optimizers_defaults() -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.5)
    scheduler = Warmup(optimizer, 5, lr_scheduler.OneCycleLR(optimizer, 0.3, total_steps=20))
    (found,) = settings_before_schedulers(optimizer, [scheduler])
    assert (found["lr"], found["momentum"]) == (0.1, 0.5)
    assert not {"initial_lr", "max_lr", "max_momentum"} & found.keys()
