from __future__ import annotations

import math

import pytest
import torch

from lrtui.run.errors import NotationError, UsageError
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_build import build_optimizer
from lrtui.schedules.simulate import simulate_anchor
from lrtui.training.lr_control import LrControl

HORIZON = Horizon(epochs=10, batches_per_epoch=5)


def control(
    schedule: str, optimizer: str = "Adam(lr=0.01)", horizon: Horizon = HORIZON
) -> tuple[LrControl, torch.optim.Optimizer]:
    parameters = [("a", torch.nn.Parameter(torch.zeros(1, 1))), ("fc1", torch.nn.Parameter(torch.zeros(1, 1)))]
    built = build_optimizer(parse_optimizer(optimizer), parameters)
    lr_control = LrControl(built, parse_schedule(schedule), horizon)
    # the order of calls that PyTorch requires
    built.step()
    return lr_control, built


def walk(lr_control: LrControl, optimizer: torch.optim.Optimizer, start: int, stop: int) -> list[tuple[float, ...]]:
    """Make steps and return the lrs of each."""
    used = []
    for step in range(start, stop):
        used.append(lr_control.lrs)
        optimizer.step()
        lr_control.after_step()
        if (step + 1) % HORIZON.batches_per_epoch == 0:
            lr_control.after_epoch(step + 1, {"loss": 1.0, "accuracy": 0.5})
    return used


EXAMPLES = [entry.example for entry in CATALOGUE.values()]


@pytest.mark.parametrize("schedule", EXAMPLES)
def test_a_nudge_multiplies_the_rest_of_the_schedule_exactly(schedule: str) -> None:
    plain, plain_optimizer = control(schedule)
    nudged, nudged_optimizer = control(schedule)
    expected = walk(plain, plain_optimizer, 0, 50)
    got = walk(nudged, nudged_optimizer, 0, 17)
    nudged.scale_by(1.25)
    got += walk(nudged, nudged_optimizer, 17, 50)
    assert got == expected[:17] + [(lr * 1.25,) for (lr,) in expected[17:]]


@pytest.mark.parametrize("schedule", EXAMPLES)
def test_undo_restores_the_unscaled_schedule(schedule: str) -> None:
    plain, plain_optimizer = control(schedule)
    nudged, nudged_optimizer = control(schedule)
    walk(plain, plain_optimizer, 0, 30)
    walk(nudged, nudged_optimizer, 0, 12)
    nudged.scale_by(1.25)
    nudged.scale_by(1.25)
    walk(nudged, nudged_optimizer, 12, 30)
    nudged.undo()
    nudged.undo()
    assert walk(nudged, nudged_optimizer, 30, 50) == walk(plain, plain_optimizer, 30, 50)


@pytest.mark.parametrize("lr", [0.003, 1e-5, 0.7, 1 / 3])
def test_a_set_lr_holds_now_and_the_rest_follows_in_proportion(lr: float) -> None:
    lr_control, optimizer = control("ExponentialLR(gamma=0.5)")
    walk(lr_control, optimizer, 0, 7)
    lr_control.set_lr(lr)
    assert lr_control.lrs[0] == pytest.approx(lr, rel=3e-16)
    walk(lr_control, optimizer, 7, 10)
    assert lr_control.lrs[0] == pytest.approx(lr / 2, rel=1e-15)


def test_one_group_can_be_set_alone() -> None:
    lr_control, _ = control("StepLR(step_size=3)", 'SGD(lr=0.1, groups={"fc*": {"lr": 0.01}})')
    lr_control.set_lr(0.5, group=1)
    assert lr_control.lrs == (0.1, 0.5)
    lr_control.set_lr(0.2)
    assert lr_control.lrs == pytest.approx((0.2, 0.2))
    with pytest.raises(UsageError, match="no parameter group 2"):
        lr_control.set_lr(0.1, group=2)


def test_an_impossible_scale_is_refused_with_a_message() -> None:
    lr_control, optimizer = control("PolynomialLR(total_iters=2)")
    with pytest.raises(UsageError, match="nothing to undo"):
        lr_control.undo()
    for factor in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(UsageError, match="positive number"):
            lr_control.scale_by(factor)
    for lr in (-0.1, math.inf, math.nan):
        with pytest.raises(UsageError, match="finite"):
            lr_control.set_lr(lr)
    walk(lr_control, optimizer, 0, 15)
    assert lr_control.lrs == (0.0,)
    with pytest.raises(UsageError, match="is 0 at this point"):
        lr_control.set_lr(0.1)


@pytest.mark.parametrize("anchor", ["base", "current", "start"])
@pytest.mark.parametrize("schedule", [text for text in EXAMPLES if "Plateau" not in text])
@pytest.mark.parametrize("before", ["OneCycleLR(max_lr=0.1)", "ExponentialLR(gamma=0.5)"])
def test_a_switch_does_what_its_forecast_says(before: str, schedule: str, anchor: str) -> None:
    lr_control, optimizer = control(before, "SGD(lr=0.02, momentum=0.9)")
    walk(lr_control, optimizer, 0, 23)
    lr_control.scale_by(1.25)
    current = lr_control.lrs
    lr_control.switch(parse_schedule(schedule), anchor, 23)
    spec = parse_optimizer("SGD(lr=0.02, momentum=0.9)")
    forecast = simulate_anchor(parse_schedule(schedule), spec, Horizon(10, 5, 23), anchor, current)
    assert walk(lr_control, optimizer, 23, 50) == [(lr,) for lr in forecast[:, 0].tolist()]


@pytest.mark.parametrize("before", [entry.example for entry in CATALOGUE.values()])
def test_a_switch_removes_every_trace_of_the_old_schedule(before: str) -> None:
    _, fresh = control('LambdaLR("1")', "SGD(lr=0.02, momentum=0.9)")
    lr_control, optimizer = control(before, "SGD(lr=0.02, momentum=0.9)")
    walk(lr_control, optimizer, 0, 23)
    # a user's scheduler may write anything
    optimizer.param_groups[0].update(weight_decay=0.5, own={"warm": True})
    lr_control.switch(parse_schedule('LambdaLR("1")'), "base", 23)
    groups = [{**group, "params": None} for group in optimizer.param_groups]
    assert groups == [{**group, "params": None} for group in fresh.param_groups]


def test_a_switch_brings_adams_betas_back() -> None:
    lr_control, optimizer = control("OneCycleLR(max_lr=0.1)")
    walk(lr_control, optimizer, 0, 23)
    assert optimizer.param_groups[0]["betas"] != (0.9, 0.999)
    lr_control.switch(parse_schedule("ExponentialLR(gamma=0.9)"), "base", 23)
    assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)


def test_a_failed_switch_does_not_change_the_old_schedule() -> None:
    lr_control, optimizer = control("OneCycleLR(max_lr=0.1)", "SGD(lr=0.02, momentum=0.9)")
    other, other_optimizer = control("OneCycleLR(max_lr=0.1)", "SGD(lr=0.02, momentum=0.9)")
    walk(lr_control, optimizer, 0, 23)
    walk(other, other_optimizer, 0, 23)
    lr_control.scale_by(1.25)
    other.scale_by(1.25)
    with pytest.raises(NotationError):
        lr_control.switch(parse_schedule('LambdaLR(["1", "1", "1"])'), "base", 23)
    with pytest.raises(UsageError, match="unknown anchor"):
        lr_control.switch(parse_schedule("StepLR(3)"), "end", 23)
    assert walk(lr_control, optimizer, 23, 50) == walk(other, other_optimizer, 23, 50)
    assert optimizer.param_groups[0]["momentum"] == other_optimizer.param_groups[0]["momentum"]


def test_a_switch_clears_scale_and_undo() -> None:
    lr_control, _ = control("ExponentialLR(gamma=0.5)")
    lr_control.scale_by(1.25)
    lr_control.switch(parse_schedule("StepLR(3)"), "base", 7)
    assert lr_control.scale == (1.0,)
    with pytest.raises(UsageError, match="nothing to undo"):
        lr_control.undo()


def test_lengths_left_out_are_those_of_what_remains() -> None:
    lr_control, _ = control("CosineAnnealingLR()")
    assert str(lr_control.schedule) == "CosineAnnealingLR(T_max=10)"
    lr_control.switch(parse_schedule("CosineAnnealingLR()"), "base", 17)
    # the current, fourth epoch counts: ends of epochs 4 to 10
    assert str(lr_control.schedule) == "CosineAnnealingLR(T_max=7)"
    lr_control.switch(parse_schedule("OneCycleLR(max_lr=0.1)"), "base", 17)
    assert str(lr_control.schedule) == "OneCycleLR(max_lr=0.1, total_steps=33)"
    lr_control.switch(parse_schedule("OneCycleLR(max_lr=0.1)"), "start", 17)
    assert str(lr_control.schedule) == "OneCycleLR(max_lr=0.1, total_steps=50)"


def test_a_schedule_installed_during_an_epochs_test_starts_with_the_next_epoch() -> None:
    lr_control, _ = control("StepLR(step_size=1)")
    lr_control.switch(parse_schedule("ExponentialLR(gamma=0.5)"), "base", 20)
    lr_control.after_epoch(20, {"loss": 1.0})
    assert lr_control.lrs == (0.01,)
    lr_control.after_epoch(25, {"loss": 1.0})
    assert lr_control.lrs == (0.005,)


def test_a_plateau_put_in_place_from_the_start_during_a_test_follows_its_result_too() -> None:
    plateau, losses = "ReduceLROnPlateau(patience=0, factor=0.5)", [1.0, 1.0, 0.5, 0.5, 0.5]
    courses = []
    for switched_in_test in (None, 0, 1, 3):
        lr_control, _ = control(plateau if switched_in_test is None else 'LambdaLR("1")')
        course = []
        for epoch, loss in enumerate(losses):
            if epoch == switched_in_test:
                lr_control.switch(parse_schedule(plateau), "start", 5 * (epoch + 1))
            lr_control.after_epoch(5 * (epoch + 1), {"loss": loss})
            course.append(lr_control.lrs[0])
        courses.append(course)
    whole = courses[0]
    assert whole == [0.01, 0.005, 0.005, 0.0025, 0.00125]
    assert [course[switched:] for course, switched in zip(courses[1:], (0, 1, 3), strict=True)] == [
        whole,
        whole[1:],
        whole[3:],
    ]


def test_a_plateau_cut_is_returned() -> None:
    lr_control, _ = control("ReduceLROnPlateau(patience=0, factor=0.5)")
    assert [lr_control.after_epoch(step, {"loss": loss}) for step, loss in [(5, 1.0), (10, 0.5), (15, 0.6)]] == [
        False,
        False,
        True,
    ]
    lr_control.scale_by(3.0)
    assert lr_control.lrs == (0.015,)


@pytest.mark.parametrize(
    ("schedule", "stays_at_0"),
    [
        ("CosineAnnealingLR()", True),
        ("ReduceLROnPlateau(min_lr=0.001)", True),
        ("SequentialLR([LinearLR(), CosineAnnealingLR()], milestones=[2])", True),
        ("CosineAnnealingLR(eta_min=0.001)", False),
        ("OneCycleLR(max_lr=0.1)", False),
        ("SWALR(swa_lr=0.01)", False),
    ],
)
def test_a_switch_from_a_current_lr_of_0_is_refused_if_the_lr_would_stay_there(schedule: str, stays_at_0: bool) -> None:
    lr_control, _ = control('LambdaLR("0")')
    if stays_at_0:
        with pytest.raises(UsageError, match="switch from base instead"):
            lr_control.switch(parse_schedule(schedule), "current", 20)
        assert str(lr_control.schedule) == 'LambdaLR("0")'
    else:
        lr_control.switch(parse_schedule(schedule), "current", 20)
    lr_control.switch(parse_schedule(schedule), "base", 20)


def test_a_set_lr_leaves_a_frozen_group_at_0() -> None:
    lr_control, optimizer = control("StepLR(3)", 'Adam(lr=0, groups={"fc*": {"lr": 0.01}})')
    lr_control.set_lr(0.004)
    assert [group["lr"] for group in optimizer.param_groups] == [0.0, 0.004]
    with pytest.raises(UsageError, match="is 0 at this point"):
        lr_control.set_lr(0.004, group=0)


def test_a_switch_that_cycles_a_momentum_which_rmsprop_began_without_is_refused() -> None:
    lr_control, optimizer = control("StepLR(1)", "RMSprop(lr=0.01)")
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    with pytest.raises(
        UsageError, match=r"RMSprop\(momentum=0\) has no buffers after its first step: add cycle_momentum"
    ):
        lr_control.switch(parse_schedule("OneCycleLR(max_lr=0.1)"), "base", 1)
    assert str(lr_control.schedule) == "StepLR(step_size=1)"
    assert optimizer.param_groups[0]["momentum"] == 0
    lr_control.switch(parse_schedule("OneCycleLR(max_lr=0.1, cycle_momentum=False)"), "base", 1)
    optimizer.step()
