"""A chosen lr goes to where it takes effect."""

from __future__ import annotations

import pytest

from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.lr_placement import peak_lr, place_lr
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate

FROZEN = 'Adam(lr=0.0, groups={"fc*": {"lr": 0.01}})'
GROUPS = 'Adam(lr=0.01, groups={"fc*": {"lr": 0.001}, "*.bias": {"weight_decay": 0}})'


@pytest.mark.parametrize(
    ("schedule", "optimizer", "expected"),
    [
        ("StepLR(3)", "Adam()", ("StepLR(3)", "Adam(lr=0.002)", "the optimizer's lr")),
        (
            "StepLR(3)",
            GROUPS,
            (
                "StepLR(3)",
                'Adam(lr=0.002, groups={"fc*": {"lr": 0.0002}, "*.bias": {"weight_decay": 0.0}})',
                "the optimizer's lr",
            ),
        ),
        # a group frozen at 0 stays frozen
        (
            "StepLR(3)",
            'Adam(lr=0, groups={"fc*": {"lr": 0.01}, "conv*": {"lr": 0.1}, "*.bias": {"lr": 0}})',
            (
                "StepLR(3)",
                'Adam(lr=0.0, groups={"fc*": {"lr": 0.002}, "conv*": {"lr": 0.02}, "*.bias": {"lr": 0.0}})',
                "the optimizer's lr",
            ),
        ),
        (
            "CyclicLR(base_lr=0, max_lr=[0, 0.01], step_size_up=5)",
            FROZEN,
            ("CyclicLR(base_lr=0.0, max_lr=[0.0, 0.002], step_size_up=5)", FROZEN, "CyclicLR's max_lr"),
        ),
        ("StepLR(3)", "SGD(lr=0)", ("StepLR(3)", "SGD(lr=0.002)", "the optimizer's lr")),
        ("OneCycleLR(max_lr=0.1)", "Adam()", ("OneCycleLR(max_lr=0.002)", "Adam()", "OneCycleLR's max_lr")),
        (
            "OneCycleLR(max_lr=[0.01, 0.1])",
            GROUPS,
            ("OneCycleLR(max_lr=[0.002, 0.02])", GROUPS, "OneCycleLR's max_lr"),
        ),
        (
            "CyclicLR(base_lr=0.001, max_lr=0.01, step_size_up=5)",
            "SGD(lr=0.1)",
            ("CyclicLR(base_lr=0.0002, max_lr=0.002, step_size_up=5)", "SGD(lr=0.1)", "CyclicLR's max_lr"),
        ),
        (
            "SequentialLR([LinearLR(total_iters=5), OneCycleLR(max_lr=0.1)], milestones=[5], per='batch')",
            "Adam()",
            (
                'SequentialLR([LinearLR(total_iters=5), OneCycleLR(max_lr=0.002)], milestones=[5], per="batch")',
                "Adam()",
                "OneCycleLR's max_lr",
            ),
        ),
    ],
)
def test_the_lr_goes_to_the_optimizer_or_to_the_peak_of_the_schedule(
    schedule: str, optimizer: str, expected: tuple[str, str, str]
) -> None:
    placed = place_lr(schedule, optimizer, 0.002)
    assert (placed.schedule, placed.optimizer, placed.where) == expected
    assert peak_lr(placed.schedule, placed.optimizer) == 0.002


@pytest.mark.parametrize(
    "schedule", ["ConstantLR(factor=1.0)", "OneCycleLR(max_lr=0.1)", "CyclicLR(base_lr=0.001, max_lr=0.1)"]
)
def test_the_placed_lr_is_the_highest_of_the_run(schedule: str) -> None:
    placed, horizon = place_lr(schedule, "SGD(lr=0.3, momentum=0.9)", 0.05), Horizon(10, 500)
    filled, _ = fill_in(parse_schedule(placed.schedule), horizon)
    lrs = simulate(filled, parse_optimizer(placed.optimizer), horizon)
    assert lrs.max() == pytest.approx(0.05)
