"""What people mean by a schedule: what they meant is no trap, and a fix keeps it."""

from __future__ import annotations

import numpy as np
import pytest

from lrtui.analysis.checks import Finding, check_schedule
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.schedule import Horizon
from lrtui.schedules.simulate import simulate

SGD = "SGD(lr=0.1, momentum=0.9)"
GROUPS = 'SGD(lr=0.1, momentum=0.9, groups={"fc*": {"lr": 0.001}})'


def findings(schedule: str, epochs: int, batches: int, optimizer: str = SGD) -> list[Finding]:
    """Return what is said of a schedule; every fix that is offered has to be clean itself."""
    found = check_schedule(parse_schedule(schedule), parse_optimizer(optimizer), Horizon(epochs, batches))
    for finding in found:
        if finding.fix is not None and len(found) == 1:
            assert not check_schedule(
                parse_schedule(finding.fix), parse_optimizer(optimizer), Horizon(epochs, batches)
            ), finding.fix
    return found


def only(schedule: str, epochs: int, batches: int, optimizer: str = SGD) -> Finding:
    """Return the one thing that is said of a schedule."""
    (finding,) = findings(schedule, epochs, batches, optimizer)
    return finding


# --- averaging ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("swa_lr", [0.05, 0.08, 0.1])
def test_the_high_lr_that_weights_are_averaged_at_is_no_high_end(swa_lr: float) -> None:
    schedule = f"SequentialLR([CosineAnnealingLR(), SWALR(swa_lr={swa_lr})], milestones=[160])"
    assert findings(schedule, 300, 50, "SGD(lr=0.1)") == []


def test_what_is_proposed_for_a_swa_lr_that_is_too_high_is_clean() -> None:
    finding = only("SequentialLR([CosineAnnealingLR(), SWALR(swa_lr=0.5)], milestones=[160])", 300, 50, "SGD(lr=0.1)")
    assert (finding.code, finding.fix) == (
        "swa-lr-high",
        "SequentialLR([CosineAnnealingLR(), SWALR(swa_lr=0.05)], milestones=[160])",
    )


# --- lrs ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "optimizer", "epochs"),
    [
        ("MultiStepLR([60, 80])", "SGD(lr=30, momentum=0.9)", 100),  # MoCo's linear classifier
        ("ReduceLROnPlateau(patience=5)", "SGD(lr=30)", 100),  # AWD-LSTM
        ("ReduceLROnPlateau(patience=5)", "ASGD(lr=30)", 100),
    ],
)
def test_an_sgd_of_lr_30_is_known_to_train(schedule: str, optimizer: str, epochs: int) -> None:
    assert findings(schedule, epochs, 500, optimizer) == []
    assert only(schedule, epochs, 500, optimizer.replace("30", "300")).code == "implausible"


# --- units -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "epochs", "batches", "code"),
    [
        ("CosineAnnealingLR(T_max=100)", 90, 100, None),
        ("CosineAnnealingLR(T_max=200)", 90, 100, "cut-short"),
        ("LinearLR(start_factor=1, end_factor=0, total_iters=100)", 10, 100, "cut-short"),
        ("MultiStepLR([30, 60, 80])", 10, 20, "never-reached"),
    ],
)
def test_a_run_that_is_cut_short_counts_epochs(schedule: str, epochs: int, batches: int, code: str | None) -> None:
    assert [finding.code for finding in findings(schedule, epochs, batches)] == ([code] if code else [])


@pytest.mark.parametrize(
    ("schedule", "fix"),
    [
        ("CosineAnnealingLR(T_max=9000)", 'CosineAnnealingLR(T_max=9000, per="batch")'),
        ("StepLR(step_size=3000)", 'StepLR(step_size=3000, per="batch")'),
        ("LinearLR(total_iters=500)", 'LinearLR(total_iters=500, per="batch")'),
    ],
)
def test_what_fits_the_runs_batches_counts_batches(schedule: str, fix: str) -> None:
    finding = only(schedule, 90, 100)
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
def test_a_decay_that_is_over_in_an_epoch_counts_epochs(schedule: str, fix: str) -> None:
    finding = only(schedule, 90, 100)
    assert (finding.code, finding.fix) == ("epochs-for-batches", fix)


@pytest.mark.parametrize(
    "schedule",
    [
        'LinearLR(start_factor=0.1, total_iters=90, per="batch")',
        'SequentialLR([LinearLR(total_iters=90), CosineAnnealingLR()], milestones=[90], per="batch")',
        'StepLR(step_size=60, gamma=0.98, per="batch")',
    ],
)
def test_what_takes_an_epoch_on_purpose_counts_batches(schedule: str) -> None:
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
        # twice the run's epochs are meant for a longer run
        ("LinearLR(total_iters=20)", "endless-warm-up", "LinearLR(total_iters=1)"),
        # the run has fewer batches
        ("LinearLR(total_iters=50000)", "endless-warm-up", "LinearLR(total_iters=1)"),
    ],
)
def test_a_warm_up_far_longer_than_the_run_counts_batches(schedule: str, code: str, fix: str) -> None:
    finding = only(schedule, 10, 938)
    assert (finding.code, finding.fix) == (code, fix)


# --- parameter groups --------------------------------------------------------------------------------------------


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
def test_a_floor_above_the_lr_of_one_group_is_told_with_the_group(schedule: str, code: str, fix: str) -> None:
    finding = only(schedule, 10, 100, GROUPS)
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
def test_a_floor_below_the_lr_of_every_group_is_clean(schedule: str) -> None:
    assert findings(schedule, 10, 100, GROUPS) == []
    assert findings(schedule, 10, 100, GROUPS.replace('{"lr": 0.001}', '{"lr": 0}')) == []


# --- proportions -------------------------------------------------------------------------------------------------


def test_cycles_that_grow_are_kept_from_growing() -> None:
    cycle = "CyclicLR(base_lr=0.01, max_lr=0.1, step_size_up=938, mode='exp_range'"
    finding = only(f"{cycle}, gamma=1.01)", 10, 938)
    assert finding.code == "implausible"
    assert finding.fix == cycle.replace("'", '"') + ")"


@pytest.mark.parametrize(("max_lr", "fix"), [(200, "OneCycleLR(max_lr=0.2)"), (1e6, None)])
def test_no_lr_is_scaled_to_less_than_a_thousandth(max_lr: float, fix: str | None) -> None:
    finding = only(f"OneCycleLR(max_lr={max_lr})", 10, 938)
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
        # a group that is not trained has no say
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
def test_an_lr_in_place_of_a_factor_is_found_in_every_group(schedule: str, optimizer: str, fix: str) -> None:
    finding = only(schedule, 10, 100, optimizer)
    assert (finding.code, finding.fix) == ("factor-is-lr", fix)


def test_factors_that_are_an_lr_in_one_group_by_chance_are_clean() -> None:
    assert findings("LambdaLR(['0.9**epoch', '0.001*0.9**epoch'])", 10, 100, LISTED) == []


# --- words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "epochs", "optimizer", "words"),
    [
        (
            "ReduceLROnPlateau()",
            10,
            SGD,
            "with patience=10 the first cut would come after epoch 12 at the earliest, and the run has 10 epochs: the "
            "lr is never cut",
        ),
        (
            "ReduceLROnPlateau(patience=0)",
            1,
            SGD,
            "with patience=0 the first cut would come after epoch 2 at the earliest, and the run has 1 epoch: the lr "
            "is never cut",
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
            "lr_lambda of LambdaLR has 1 value, and the optimizer 2 parameter groups: PyTorch refuses it",
        ),
        ('LambdaLR("0")', 10, SGD, "the lr is 0 throughout: nothing is learnt"),
        ('LambdaLR("1e-8")', 10, SGD, "the lr is 1e-09 at most in the whole run: nothing is learnt"),
        (
            "SequentialLR([ConstantLR(), CosineAnnealingLR()], milestones=[4])",
            10,
            SGD,
            "ConstantLR without factor is no constant: the lr is a third of the optimizer's up to epoch 5, where the "
            "next schedule takes over",
        ),
        (
            "ConstantLR(total_iters=20)",
            10,
            SGD,
            "ConstantLR without factor is no constant: the lr is a third of the optimizer's to the end",
        ),
        # of its last epoch, and not of the run's
        (
            "SequentialLR([CosineAnnealingLR(T_max=3), ExponentialLR(0.6)], milestones=[6])",
            10,
            SGD,
            "the cosine is at its foot after T_max=3 of 6 epochs and then goes up again from epoch 4 on: it ends at "
            "0.075",
        ),
    ],
)
def test_what_is_said_is_true_and_english(schedule: str, epochs: int, optimizer: str, words: str) -> None:
    assert findings(schedule, epochs, 100, optimizer)[0].message == words


# --- chains ------------------------------------------------------------------------------------------------------


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
def test_a_chain_that_is_undone_is_mended_by_the_product_that_was_meant(first: str, factor: str) -> None:
    finding = only(f'ChainedScheduler([{first}, LambdaLR("0.95**epoch")])', 10, 100)
    assert (finding.code, finding.fix) == ("chain-overwritten", f'LambdaLR("{factor} * (0.95**epoch)")')
    assert_same(str(finding.fix), f"ChainedScheduler([{first}, ExponentialLR(gamma=0.95)])")


def test_a_warm_up_in_front_of_restarts_is_kept() -> None:
    first, restarts = "LinearLR(start_factor=0.1, total_iters=1)", "CosineAnnealingWarmRestarts(T_0=5)"
    finding = only(f"ChainedScheduler([{first}, {restarts}])", 10, 100)
    assert finding.code == "chain-overwritten"
    warm, cycles = lrs(f"{first}"), lrs(restarts)
    np.testing.assert_allclose(lrs(str(finding.fix)), warm * cycles / 0.1, rtol=1e-12)


def test_what_is_no_factor_leaves_the_part_that_is_in_force() -> None:
    finding = only('ChainedScheduler([CosineAnnealingLR(eta_min=0.001), LambdaLR("0.95**epoch")])', 10, 100)
    assert (finding.code, finding.fix) == ("chain-overwritten", 'LambdaLR("0.95**epoch")')


def lrs(schedule: str) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Return the lr of each step of a run of ten epochs."""
    found: np.ndarray[tuple[int, int], np.dtype[np.float64]] = simulate(
        parse_schedule(schedule), parse_optimizer(SGD), Horizon(10, 100)
    )
    return found


def assert_same(one: str, other: str) -> None:
    """See that two schedules have the same lr in every step."""
    np.testing.assert_allclose(lrs(one), lrs(other), rtol=1e-12)
