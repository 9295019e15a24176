"""Details of single traps: intended schedules are not reported, and fixes keep what was intended."""

from __future__ import annotations

import numpy as np
import pytest

from lrtui.analysis.checks import Finding, check_schedule
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate

SGD = "SGD(lr=0.1, momentum=0.9)"
GROUPS = 'SGD(lr=0.1, momentum=0.9, groups={"fc*": {"lr": 0.001}})'


def findings(schedule: str, epochs: int, batches: int, optimizer: str = SGD) -> list[Finding]:
    """Return the findings; a fix of a single finding must have no findings itself."""
    found = check_schedule(parse_schedule(schedule), parse_optimizer(optimizer), Horizon(epochs, batches))
    for finding in found:
        if finding.fix is not None and len(found) == 1:
            assert not check_schedule(
                parse_schedule(finding.fix), parse_optimizer(optimizer), Horizon(epochs, batches)
            ), finding.fix
    return found


def only_finding(schedule: str, epochs: int, batches: int, optimizer: str = SGD) -> Finding:
    """Return the only finding."""
    (finding,) = findings(schedule, epochs, batches, optimizer)
    return finding


# --- cycles -----------------------------------------------------------------------------------------------------------


def test_a_first_cycle_that_the_run_does_not_finish_is_reported() -> None:
    finding = only_finding("CosineAnnealingWarmRestarts(T_0=5)", 4, 100)
    assert (finding.code, finding.fix) == ("unfinished-cycle", "CosineAnnealingWarmRestarts(T_0=4)")
    assert "35 % of its peak" in finding.message


# --- averaging -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swa_lr", [0.05, 0.08, 0.1])
def test_a_high_lr_for_averaging_is_not_reported(swa_lr: float) -> None:
    schedule = f"SequentialLR([CosineAnnealingLR(), SWALR(swa_lr={swa_lr})], milestones=[160])"
    assert findings(schedule, 300, 50, "SGD(lr=0.1)") == []


def test_a_swa_lr_that_is_too_high_is_lowered() -> None:
    finding = only_finding(
        "SequentialLR([CosineAnnealingLR(), SWALR(swa_lr=0.5)], milestones=[160])", 300, 50, "SGD(lr=0.1)"
    )
    assert (finding.code, finding.fix) == (
        "swa-lr-high",
        "SequentialLR([CosineAnnealingLR(), SWALR(swa_lr=0.05)], milestones=[160])",
    )


# --- lrs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "optimizer", "epochs"),
    [
        ("MultiStepLR([60, 80])", "SGD(lr=30, momentum=0.9)", 100),  # MoCo's linear classifier
        ("ReduceLROnPlateau(patience=5)", "SGD(lr=30)", 100),  # AWD-LSTM
        ("ReduceLROnPlateau(patience=5)", "ASGD(lr=30)", 100),
    ],
)
def test_sgd_is_known_to_train_at_lr_30(schedule: str, optimizer: str, epochs: int) -> None:
    assert findings(schedule, epochs, 500, optimizer) == []
    assert only_finding(schedule, epochs, 500, optimizer.replace("30", "300")).code == "implausible"


# --- units -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "epochs", "batches", "code"),
    [
        ("CosineAnnealingLR(T_max=100)", 90, 100, None),
        ("CosineAnnealingLR(T_max=200)", 90, 100, "cut-short"),
        ("LinearLR(start_factor=1, end_factor=0, total_iters=100)", 10, 100, "cut-short"),
        ("MultiStepLR([30, 60, 80])", 10, 20, "never-reached"),
    ],
)
def test_a_length_of_up_to_three_runs_counts_epochs(schedule: str, epochs: int, batches: int, code: str | None) -> None:
    assert [finding.code for finding in findings(schedule, epochs, batches)] == ([code] if code else [])


@pytest.mark.parametrize(
    ("schedule", "fix"),
    [
        ("CosineAnnealingLR(T_max=9000)", 'CosineAnnealingLR(T_max=9000, per="batch")'),
        ("StepLR(step_size=3000)", 'StepLR(step_size=3000, per="batch")'),
        ("LinearLR(total_iters=500)", 'LinearLR(total_iters=500, per="batch")'),
    ],
)
def test_a_length_that_fits_in_batches_counts_batches(schedule: str, fix: str) -> None:
    finding = only_finding(schedule, 90, 100)
    assert (finding.code, finding.fix) == ("batches-for-epochs", fix)


@pytest.mark.parametrize(
    ("schedule", "fix"),
    [
        ('MultiStepLR([30, 60, 80], per="batch")', 'MultiStepLR([3000, 6000, 8000], per="batch")'),
        ('StepLR(30, per="batch")', 'StepLR(step_size=3000, per="batch")'),
        ('CosineAnnealingLR(T_max=90, per="batch")', 'CosineAnnealingLR(T_max=9000, per="batch")'),
        ("OneCycleLR(max_lr=0.1, total_steps=90)", "OneCycleLR(max_lr=0.1, total_steps=9000)"),
    ],
)
def test_a_decay_within_one_epoch_counts_epochs(schedule: str, fix: str) -> None:
    finding = only_finding(schedule, 90, 100)
    assert (finding.code, finding.fix) == ("epochs-for-batches", fix)


@pytest.mark.parametrize(
    ("schedule", "epochs", "fix"),
    [
        ("StepLR(2)", 2, "StepLR(step_size=1)"),
        ("StepLR(2, gamma=0.5)", 2, "StepLR(step_size=1, gamma=0.1)"),
        ("StepLR(30)", 10, "StepLR(step_size=3, gamma=0.22)"),
        ("MultiStepLR([30])", 2, "MultiStepLR([1], gamma=0.1)"),
    ],
)
def test_a_single_drop_is_a_tenth_and_not_a_hundredth(schedule: str, epochs: int, fix: str) -> None:
    finding = only_finding(schedule, epochs, 100)
    assert (finding.code, finding.fix) == ("never-reached", fix)


@pytest.mark.parametrize(
    "schedule",
    [
        'LinearLR(start_factor=0.1, total_iters=90, per="batch")',
        'SequentialLR([LinearLR(total_iters=90), CosineAnnealingLR()], milestones=[90], per="batch")',
        'StepLR(step_size=60, gamma=0.98, per="batch")',
    ],
)
def test_a_warm_up_of_one_epoch_counts_batches(schedule: str) -> None:
    assert findings(schedule, 90, 100) == []


@pytest.mark.parametrize(
    ("schedule", "code", "fix"),
    [
        (
            "SequentialLR([LinearLR(total_iters=500), CosineAnnealingLR()], milestones=[500])",
            "never-reached",
            'SequentialLR([LinearLR(total_iters=500), CosineAnnealingLR()], milestones=[500], per="batch")',
        ),
        ("LinearLR(total_iters=500)", "endless-warm-up", 'LinearLR(total_iters=500, per="batch")'),
        # twice the number of epochs is meant for a longer run
        ("LinearLR(total_iters=20)", "endless-warm-up", "LinearLR(total_iters=1)"),
        # the run has fewer batches
        ("LinearLR(total_iters=50000)", "endless-warm-up", "LinearLR(total_iters=1)"),
    ],
)
def test_a_warm_up_far_longer_than_the_run_counts_batches(schedule: str, code: str, fix: str) -> None:
    finding = only_finding(schedule, 10, 938)
    assert (finding.code, finding.fix) == (code, fix)


# --- parameter groups ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "code", "fix"),
    [
        ("CosineAnnealingLR(eta_min=0.01)", "upside-down", "CosineAnnealingLR()"),
        ("CosineAnnealingWarmRestarts(T_0=5, eta_min=0.01)", "upside-down", "CosineAnnealingWarmRestarts(T_0=5)"),
        (
            "ReduceLROnPlateau(patience=2, min_lr=0.002)",
            "plateau-never-cuts",
            "ReduceLROnPlateau(patience=2, min_lr=[0.002, 1e-05])",
        ),
        (
            "ReduceLROnPlateau(patience=2, min_lr=[0.0001, 0.001])",
            "plateau-never-cuts",
            "ReduceLROnPlateau(patience=2, min_lr=[0.0001, 1e-05])",
        ),
    ],
)
def test_a_floor_above_the_lr_of_one_group_names_the_group(schedule: str, code: str, fix: str) -> None:
    finding = only_finding(schedule, 10, 100, GROUPS)
    assert (finding.code, finding.fix) == (code, fix)
    assert 'parameter group "fc*", 0.001' in finding.message


@pytest.mark.parametrize(
    "schedule",
    [
        "CosineAnnealingLR(eta_min=0.001)",
        "ReduceLROnPlateau(patience=2, min_lr=[0.002, 0.0001])",
        "ReduceLROnPlateau(patience=2, min_lr=0.0001)",
    ],
)
def test_a_floor_below_the_lr_of_every_group_is_not_reported(schedule: str) -> None:
    assert findings(schedule, 10, 100, GROUPS) == []
    assert findings(schedule, 10, 100, GROUPS.replace('{"lr": 0.001}', '{"lr": 0}')) == []


# --- lrs that are too high -------------------------------------------------------------------------------------------


def test_growing_cycles_get_a_constant_height() -> None:
    cycle = "CyclicLR(base_lr=0.01, max_lr=0.1, step_size_up=938, mode='exp_range'"
    finding = only_finding(f"{cycle}, gamma=1.01)", 10, 938)
    assert finding.code == "implausible"
    assert finding.fix == cycle.replace("'", '"') + ")"


@pytest.mark.parametrize(("max_lr", "fix"), [(200, "OneCycleLR(max_lr=0.2)"), (1e6, None)])
def test_an_lr_is_lowered_by_at_most_a_factor_of_1000(max_lr: float, fix: str | None) -> None:
    finding = only_finding(f"OneCycleLR(max_lr={max_lr})", 10, 938)
    assert finding.code == "implausible"
    assert finding.fix == fix


LISTED = 'Adam(lr=0.01, groups={"fc*": {"lr": 0.001}})'


@pytest.mark.parametrize(
    ("schedule", "optimizer", "fix"),
    [
        (
            "LambdaLR(['0.01*0.9**epoch', '0.001*0.9**epoch'])",
            LISTED,
            'LambdaLR(["(0.01*0.9**epoch) / 0.01", "(0.001*0.9**epoch) / 0.001"])',
        ),
        # a frozen group is ignored
        (
            "LambdaLR(['0.01*0.9**epoch', '1'])",
            LISTED.replace("0.001", "0"),
            'LambdaLR(["(0.01*0.9**epoch) / 0.01", "1"])',
        ),
        # the peak lies between two steps
        (
            "LambdaLR('0.005 * (1 + cos(pi * (epoch + 1) / 12))')",
            "Adam(lr=0.01)",
            'LambdaLR("(0.005 * (1 + cos(pi * (epoch + 1) / 12))) / 0.01")',
        ),
    ],
)
def test_an_lr_instead_of_a_factor_is_found_in_every_group(schedule: str, optimizer: str, fix: str) -> None:
    finding = only_finding(schedule, 10, 100, optimizer)
    assert (finding.code, finding.fix) == ("factor-is-lr", fix)


def test_a_factor_that_equals_the_lr_of_one_group_by_chance_is_not_reported() -> None:
    assert findings("LambdaLR(['0.9**epoch', '0.001*0.9**epoch'])", 10, 100, LISTED) == []


# --- messages --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "epochs", "optimizer", "message"),
    [
        (
            "ReduceLROnPlateau()",
            10,
            SGD,
            "with patience=10 the first cut comes after epoch 12 at the earliest, but the run has 10 epochs: the lr is "
            "never cut",
        ),
        (
            "ReduceLROnPlateau(patience=0)",
            1,
            SGD,
            "with patience=0 the first cut comes after epoch 2 at the earliest, but the run has 1 epoch: the lr is "
            "never cut",
        ),
        (
            "ReduceLROnPlateau(min_lr=[0.1])",
            20,
            SGD,
            "min_lr=[0.1] is not below the optimizer's lr, 0.1: the lr is never cut",
        ),
        (
            "ReduceLROnPlateau(min_lr=[0.1, 0.01])",
            20,
            GROUPS,
            "min_lr=[0.1, 0.01] is not below the optimizer's lr, 0.1: the lr is never cut",
        ),
        (
            'LambdaLR(["1"])',
            10,
            GROUPS,
            "lr_lambda of LambdaLR has 1 value, but the optimizer has 2 parameter groups: PyTorch raises an error",
        ),
        ('LambdaLR("0")', 10, SGD, "the lr is 0 in the whole run: nothing is learned"),
        ('LambdaLR("1e-8")', 10, SGD, "the lr is 1e-09 or lower in the whole run: nothing is learned"),
        (
            "SequentialLR([ConstantLR(), CosineAnnealingLR()], milestones=[4])",
            10,
            SGD,
            "ConstantLR without factor lowers the lr to a third until epoch 5, where the next scheduler takes over",
        ),
        (
            "ConstantLR(total_iters=20)",
            10,
            SGD,
            "ConstantLR without factor lowers the lr to a third until the end of the run",
        ),
        # the lr at the end of the cosine, not of the run
        (
            "SequentialLR([CosineAnnealingLR(T_max=3), ExponentialLR(0.6)], milestones=[6])",
            10,
            SGD,
            "the cosine reaches its lowest lr after T_max=3 of 6 epochs and then rises again from epoch 4 on: it ends "
            "at 0.075",
        ),
    ],
)
def test_the_message(schedule: str, epochs: int, optimizer: str, message: str) -> None:
    assert findings(schedule, epochs, 100, optimizer)[0].message == message


# --- chains ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "factor"),
    [
        ("LinearLR(start_factor=0.1, total_iters=5)", "(0.1 + 0.9 * min(1, epoch / 5))"),
        ("LinearLR()", "(0.333333333333333 + 0.666666666666667 * min(1, epoch / 5))"),
        ("LinearLR(start_factor=1.0, end_factor=0.5, total_iters=8)", "(1 + (-0.5) * min(1, epoch / 8))"),
        ("ConstantLR(factor=0.5, total_iters=3)", "(0.5 if epoch < 3 else 1)"),
        ("StepLR(step_size=4, gamma=0.5)", "0.5 ** (epoch // 4)"),
        ("MultiStepLR([3, 7], gamma=0.5)", "0.5 ** ((epoch >= 3) + (epoch >= 7))"),
        ("PolynomialLR(total_iters=12)", "max(0, 1 - epoch / 12)"),
        ("PolynomialLR(total_iters=12, power=2.0)", "max(0, 1 - epoch / 12) ** 2"),
        ("ExponentialLR(gamma=0.9)", "0.9 ** epoch"),
        ("CosineAnnealingLR()", "0.5 * (1 + cos(pi * epoch / 10))"),
    ],
)
def test_an_overwritten_chain_becomes_the_product_of_its_factors(first: str, factor: str) -> None:
    finding = only_finding(f'ChainedScheduler([{first}, LambdaLR("0.95**epoch")])', 10, 100)
    assert (finding.code, finding.fix) == ("chain-overwritten", f'LambdaLR("{factor} * (0.95**epoch)")')
    assert_same(str(finding.fix), f"ChainedScheduler([{first}, ExponentialLR(gamma=0.95)])")


def test_a_warm_up_chained_with_restarts_is_kept() -> None:
    first, restarts = "LinearLR(start_factor=0.1, total_iters=1)", "CosineAnnealingWarmRestarts(T_0=5)"
    finding = only_finding(f"ChainedScheduler([{first}, {restarts}])", 10, 100)
    assert finding.code == "chain-overwritten"
    warm, cycles = lrs(f"{first}"), lrs(restarts)
    np.testing.assert_allclose(lrs(str(finding.fix)), warm * cycles / 0.1, rtol=1e-12)


def test_a_chain_without_a_closed_form_becomes_the_scheduler_in_effect() -> None:
    finding = only_finding('ChainedScheduler([CosineAnnealingLR(eta_min=0.001), LambdaLR("0.95**epoch")])', 10, 100)
    assert (finding.code, finding.fix) == ("chain-overwritten", 'LambdaLR("0.95**epoch")')


def lrs(schedule: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the lr of each step in a run of ten epochs."""
    found: np.ndarray[tuple[int, int], np.dtype[np.float64]] = simulate(
        parse_schedule(schedule), parse_optimizer(SGD), Horizon(10, 100)
    )
    return found


def assert_same(one: str, other: str) -> None:
    """Assert that two schedules have the same lr in every step."""
    np.testing.assert_allclose(lrs(one), lrs(other), rtol=1e-12)


# --- a frozen parameter group -----------------------------------------------------------------------------------------

FROZEN = 'Adam(lr=0, groups={"fc*": {"lr": 0.01}})'


def test_a_schedule_that_trains_a_frozen_group_is_reported_without_a_fix() -> None:
    finding = only_finding("OneCycleLR(max_lr=0.003)", 10, 100, FROZEN)
    assert (finding.code, finding.fix) == ("groups-flattened", None)
    assert "replaces their own lrs (0, 0.01)" in finding.message


def test_an_lr_that_continues_from_a_warm_up_is_reported_for_the_group_that_trains() -> None:
    schedule = 'SequentialLR([LinearLR(start_factor=0.1, total_iters=3), MultiplicativeLR("0.9")], milestones=[3])'
    finding = only_finding(schedule, 10, 100, FROZEN)
    assert finding.code == "multiplicative-in-sequence"
    assert "start from the optimizer's lr, 0.01" in finding.message
