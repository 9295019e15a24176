"""The stopping rule of a race: which schedules it stops, and which it never stops."""

from __future__ import annotations

import math

import pytest
from race_runs import fake_plan, fake_result, filled

from lrtui.analysis.race.plan import Cell, Ruling
from lrtui.analysis.race.stopping import StoppingRule

BASELINE, LEADER = "ConstantLR(factor=1.0)", "OneCycleLR(max_lr=0.003)"
IMPROVING = [0.80, 0.86, 0.89, 0.90, 0.905]
STALLED = [0.80, 0.8500, 0.8502, 0.8503, 0.8503]
TUTORIAL = "ExponentialLR(gamma=0.1)"


def judge(
    schedule: str, values: list[float], *, entrant: int = 1, leader: list[float] = IMPROVING, **more: object
) -> Ruling | None:
    """Return the ruling on a run with these accuracies by epoch, next to a leader that is still training."""
    schedules = [BASELINE, schedule, LEADER]
    if entrant == 0:
        schedules = [schedule, BASELINE, LEADER]
    plan = fake_plan(*schedules)
    results = [
        fake_result(plan, entrant, values, outcome=None, **more),  # type: ignore[arg-type]
        fake_result(plan, 2, leader, outcome=None, **more),  # type: ignore[arg-type]
    ]
    return StoppingRule(plan).judge(Cell(entrant, 0), filled(plan, results))


def test_the_tutorials_schedule_is_stopped_once_its_lr_is_spent() -> None:
    ruling = judge(TUTORIAL, STALLED)
    assert ruling is not None
    assert (ruling.seed, ruling.epoch, ruling.step) == (0, 3, 150)
    assert "0.8502" in ruling.reason
    assert LEADER in ruling.reason
    assert "0.8900" in ruling.reason


@pytest.mark.parametrize(
    ("schedule", "values", "leader", "why"),
    [
        (TUTORIAL, STALLED[:2], IMPROVING, "no schedule is stopped within two epochs and 30% of the run"),
        (TUTORIAL, [0.80, 0.82, 0.85, 0.87], IMPROVING, "it still improves"),
        (TUTORIAL, [0.80, 0.85, 0.8502], [0.8, 0.84, 0.855], "it is behind by less than noise"),
        (TUTORIAL, STALLED, [0.5, 0.6, 0.7, 0.7, 0.7], "it leads"),
        ("OneCycleLR(max_lr=0.003)", [0.3, 0.35, 0.351, 0.3512], IMPROVING, "its lr has not peaked yet"),
        ("CosineAnnealingLR()", STALLED, IMPROVING, "half of its lr is left"),
        ("CosineAnnealingWarmRestarts(T_0=5)", STALLED, IMPROVING, "it restarts"),
        ("ReduceLROnPlateau(patience=0)", STALLED, IMPROVING, "its lr isn't known in advance"),
    ],
)
def test_a_schedule_that_can_still_win_continues(
    schedule: str, values: list[float], leader: list[float], why: str
) -> None:
    assert judge(schedule, values, leader=leader) is None, why


def test_the_reference_schedule_is_never_stopped() -> None:
    assert judge(TUTORIAL, STALLED, entrant=0) is None


def test_a_finished_run_is_never_stopped() -> None:
    assert judge(TUTORIAL, [0.8, 0.85, *[0.8502] * 8], leader=[0.9] * 10) is None


def test_a_scripted_run_is_never_stopped() -> None:
    plan = fake_plan(BASELINE, TUTORIAL, LEADER)
    plan.common = type(plan.common)(epochs=10, at=("epoch 8: lr=0.01",))
    results = [fake_result(plan, 1, STALLED, outcome=None), fake_result(plan, 2, IMPROVING, outcome=None)]
    assert StoppingRule(plan).judge(Cell(1, 0), filled(plan, results)) is None


def test_a_run_with_another_seed_does_not_count() -> None:
    plan = fake_plan(BASELINE, TUTORIAL, LEADER, seeds=2)
    results = [fake_result(plan, 1, STALLED, outcome=None), fake_result(plan, 2, IMPROVING, seed=1)]
    assert StoppingRule(plan).judge(Cell(1, 0), filled(plan, results)) is None


def test_a_stopped_schedule_does_not_count() -> None:
    plan = fake_plan(BASELINE, TUTORIAL, LEADER, rulings={2: Ruling(0, 3, 150, "gone")})
    results = [fake_result(plan, 1, STALLED, outcome=None), fake_result(plan, 2, IMPROVING, outcome="stopped")]
    assert StoppingRule(plan).judge(Cell(1, 0), filled(plan, results)) is None


def test_with_a_small_test_set_only_a_large_gap_counts() -> None:
    few = {"name": "few", "source": "nowhere", "train": 100, "test": 100}
    assert judge(TUTORIAL, STALLED, data=few) is None
    assert judge(TUTORIAL, [0.4, 0.5, 0.5, 0.5], data=few) is not None


def test_without_accuracy_the_loss_decides() -> None:
    plan = fake_plan(BASELINE, TUTORIAL, LEADER)
    results = [
        fake_result(plan, 1, [0.9, 0.8, 0.799], outcome=None, accuracy=False),
        fake_result(plan, 2, [0.9, 0.7, 0.6], outcome=None, accuracy=False),
    ]
    ruling = StoppingRule(plan).judge(Cell(1, 0), filled(plan, results))
    assert ruling is not None
    assert "loss stays at 0.7990" in ruling.reason


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_result_that_is_not_finite_stops_nothing(odd: float) -> None:
    assert judge(TUTORIAL, [0.80, odd, 0.8502]) is None
    assert judge(TUTORIAL, [0.80, 0.8502, odd]) is None
    assert judge(TUTORIAL, STALLED, leader=[odd] * 5) is None


def test_an_accuracy_in_percent_has_no_sampling_noise() -> None:
    assert judge(TUTORIAL, [80.0, 85.0, 85.02], leader=[80.0, 86.0, 89.0]) is not None
