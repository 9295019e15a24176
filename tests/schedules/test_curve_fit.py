"""The usual schedule that has a recorded lr curve."""

from __future__ import annotations

import numpy as np
import pytest

from lrtui.run.recorded_curve import RecordedCurve
from lrtui.schedules.curve_fit import fit_schedule
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate

EPOCHS, PER_EPOCH = 10, 200
HORIZON = Horizon(EPOCHS, PER_EPOCH)
STEPS = EPOCHS * PER_EPOCH


def lrs_of(notation: str, lr: float = 0.1) -> np.ndarray:
    return simulate(parse_schedule(notation), parse_optimizer(f"SGD(lr={lr!r}, momentum=0.9)"), HORIZON)[:, 0]


def curve_of(lrs: np.ndarray, every: int = 1, *, offset: int = 0, per_epoch: int | None = PER_EPOCH) -> RecordedCurve:
    steps = np.arange(every - 1, len(lrs), every)
    return RecordedCurve(steps + offset, lrs[steps][:, None], None, per_epoch)


EXACT = [
    ("ConstantLR(factor=1.0)", "ConstantLR(factor=1)"),
    ("ExponentialLR(gamma=0.7)", "ExponentialLR(gamma=0.7)"),
    ("ExponentialLR(gamma=0.998, per='batch')", "ExponentialLR(gamma=0.998, per='batch')"),
    ("StepLR(step_size=3, gamma=0.1)", "StepLR(step_size=3, gamma=0.1)"),
    ("StepLR(step_size=500, gamma=0.5, per='batch')", "StepLR(step_size=500, gamma=0.5, per='batch')"),
    ("CosineAnnealingLR()", "CosineAnnealingLR(T_max=10)"),
    ("CosineAnnealingLR(eta_min=0.001, per='batch')", "CosineAnnealingLR(T_max=2000, eta_min=0.001, per='batch')"),
    ("PolynomialLR(total_iters=2000, power=2.0, per='batch')", "PolynomialLR(total_iters=2000, power=2, per='batch')"),
    ("PolynomialLR(total_iters=10)", "PolynomialLR(total_iters=10, power=1)"),
    ("OneCycleLR(max_lr=0.3)", "OneCycleLR(max_lr=0.3, total_steps=2000)"),
    ("OneCycleLR(max_lr=0.3, pct_start=0.1)", "OneCycleLR(max_lr=0.3, total_steps=2000, pct_start=0.1)"),
    ("WarmupLinear(warmup=230)", "WarmupLinear(warmup=230, total_steps=2000)"),
    ("WarmupCosine(warmup=230)", "WarmupCosine(warmup=230, total_steps=2000)"),
]


@pytest.mark.parametrize("every", [1, 50])
@pytest.mark.parametrize(("made_by", "found"), EXACT)
def test_the_schedule_of_an_exact_curve_is_named(made_by: str, found: str, every: int) -> None:
    lrs = lrs_of(made_by)
    fitted = fit_schedule(curve_of(lrs, every))
    assert fitted is not None
    assert (fitted.notation, fitted.offset) == (found, 0)
    # PyTorch's class makes the same curve
    again = lrs_of(fitted.notation, fitted.base_lr)
    assert np.allclose(again, lrs, rtol=1e-4, atol=1e-7 * lrs.max())


@pytest.mark.parametrize("made_by", ["WarmupCosine(warmup=230)", "CosineAnnealingLR(per='batch')"])
def test_a_log_in_32_bits_that_counts_steps_from_1_is_named_with_its_offset(made_by: str) -> None:
    lrs = lrs_of(made_by)
    fitted = fit_schedule(curve_of(lrs.astype(np.float32).astype(np.float64), 50, offset=1))
    assert fitted is not None
    assert fitted.notation.split("(")[0] == made_by.split("(")[0]
    assert fitted.offset == 1
    assert fitted.base_lr == 0.1


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_a_warmup_of_which_one_point_was_logged_is_named(offset: int) -> None:
    # Trainer logs the lr of the step that it has done, in earlier versions that of the next one
    x = np.arange(61)
    lrs = 5e-4 * np.where(x < 6, x / 6, (1 + np.cos(np.pi * (x - 6) / 54)) / 2)
    logged = np.arange(4, 60, 5)
    fitted = fit_schedule(RecordedCurve(logged, lrs[logged - offset][:, None], 60, 20))
    assert fitted is not None
    assert fitted.notation == "WarmupCosine(warmup=6, total_steps=60)"
    assert fitted.base_lr == pytest.approx(5e-4)
    assert fitted.offset == offset


@pytest.mark.parametrize(
    ("warmup", "total", "every", "first"), [(3, 60, 5, 4), (97, 100_000, 500, 499), (100, 2_000, 250, 0)]
)
def test_a_cosine_after_a_warmup_that_was_not_logged_is_named(warmup: int, total: int, every: int, first: int) -> None:
    x = np.arange(total)
    lrs = 5e-4 * np.where(x < warmup, x / warmup, (1 + np.cos(np.pi * (x - warmup) / (total - warmup))) / 2)
    logged = np.arange(first, total, every)
    fitted = fit_schedule(RecordedCurve(logged, lrs[logged][:, None], total))
    assert fitted is not None
    assert (fitted.notation, fitted.offset) == (f"WarmupCosine(warmup={warmup}, total_steps={total})", 0)


def test_without_the_length_of_an_epoch_steps_are_counted_in_batches() -> None:
    fitted = fit_schedule(curve_of(lrs_of("StepLR(step_size=3, gamma=0.1)"), 50, per_epoch=None))
    assert fitted is not None
    assert fitted.notation == "StepLR(step_size=600, gamma=0.1, per='batch')"


@pytest.mark.parametrize(
    "lrs",
    [
        np.abs(np.sin(np.arange(STEPS) / 90)) + 0.1,
        np.where(np.arange(STEPS) == 1000, 0.2, 0.1),
        np.full(STEPS, 0.0),
        np.full(STEPS, np.inf),
        -np.full(STEPS, 0.1),
        np.where(np.arange(STEPS) < 700, 0.1, np.where(np.arange(STEPS) < 900, 0.01, 0.001)),
        np.linspace(0.01, 0.1, STEPS),
    ],
)
def test_a_curve_that_no_usual_schedule_has_is_not_named(lrs: np.ndarray) -> None:
    assert fit_schedule(curve_of(lrs)) is None


def test_one_point_that_is_off_by_more_than_the_tolerance_is_enough() -> None:
    lrs = lrs_of("CosineAnnealingLR(per='batch')")
    lrs[1234] *= 1.0005
    assert fit_schedule(curve_of(lrs)) is None


def test_a_few_points_name_nothing() -> None:
    assert fit_schedule(curve_of(lrs_of("ConstantLR(factor=1.0)"), 500)) is None


def test_a_long_curve_is_named_by_all_of_its_points() -> None:
    steps = np.arange(100_000)
    lrs = 0.001 * (1 - steps / 100_000)
    fitted = fit_schedule(RecordedCurve(steps, lrs[:, None]))
    assert fitted is not None
    assert fitted.notation == "PolynomialLR(total_iters=100000, power=1, per='batch')"
    assert parse_schedule(fitted.notation).get("total_iters") == 100_000
    # none of the 2,000 points that are tried first
    lrs[77_777] *= 1.5
    assert fit_schedule(RecordedCurve(steps, lrs[:, None])) is None
