"""The rule takes out what is hopeless and nothing else."""

from __future__ import annotations

import pytest
from racing import fake_plan, fake_result, filled

from lrtui.analysis.race.plan import Cell, Ruling
from lrtui.analysis.race.stopping import StoppingRule

BASELINE, LEADER = "ConstantLR(factor=1.0)", "OneCycleLR(max_lr=0.003)"
RISING = [0.80, 0.86, 0.89, 0.90, 0.905]
STILL = [0.80, 0.8500, 0.8502, 0.8503, 0.8503]
TUTORIAL = "ExponentialLR(gamma=0.1)"


def ruled(
    schedule: str, values: list[float], *, entrant: int = 1, leader: list[float] = RISING, **more: object
) -> Ruling | None:
    """Return what the rule says of a run that has come so far, beside one that goes on as well."""
    schedules = [BASELINE, schedule, LEADER]
    if entrant == 0:
        schedules = [schedule, BASELINE, LEADER]
    plan = fake_plan(*schedules)
    results = [
        fake_result(plan, entrant, values, outcome=None, **more),  # type: ignore[arg-type]
        fake_result(plan, 2, leader, outcome=None, **more),  # type: ignore[arg-type]
    ]
    return StoppingRule(plan).judge(Cell(entrant, 0), filled(plan, results))


def test_the_tutorials_schedule_is_stopped_once_it_is_exhausted() -> None:
    ruling = ruled(TUTORIAL, STILL)
    assert ruling is not None
    assert (ruling.seed, ruling.epoch, ruling.step) == (0, 3, 150)
    assert "0.8502" in ruling.reason
    assert LEADER in ruling.reason
    assert "0.8900" in ruling.reason


@pytest.mark.parametrize(
    ("schedule", "values", "leader", "why"),
    [
        (TUTORIAL, STILL[:2], RISING, "nobody leaves within two epochs and three tenths of the run"),
        (TUTORIAL, [0.80, 0.82, 0.85, 0.87], RISING, "it still gains"),
        (TUTORIAL, [0.80, 0.85, 0.8502], [0.8, 0.84, 0.855], "it is behind by no more than noise"),
        (TUTORIAL, STILL, [0.5, 0.6, 0.7, 0.7, 0.7], "it leads"),
        ("OneCycleLR(max_lr=0.003)", [0.3, 0.35, 0.351, 0.3512], RISING, "its lr is still to come"),
        ("CosineAnnealingLR()", STILL, RISING, "half of its lr is left"),
        ("CosineAnnealingWarmRestarts(T_0=5)", STILL, RISING, "it restarts"),
        ("ReduceLROnPlateau(patience=0)", STILL, RISING, "its lr can't be told in advance"),
    ],
)
def test_what_may_still_come_stays(schedule: str, values: list[float], leader: list[float], why: str) -> None:
    assert ruled(schedule, values, leader=leader) is None, why


def test_whom_the_others_are_measured_against_always_runs_on() -> None:
    assert ruled(TUTORIAL, STILL, entrant=0) is None


def test_a_run_that_is_through_is_ranked_by_what_it_reached() -> None:
    assert ruled(TUTORIAL, [0.8, 0.85, *[0.8502] * 8], leader=[0.9] * 10) is None


def test_a_scripted_run_is_never_stopped() -> None:
    plan = fake_plan(BASELINE, TUTORIAL, LEADER)
    plan.common = type(plan.common)(epochs=10, at=("epoch 8: lr=0.01",))
    results = [fake_result(plan, 1, STILL, outcome=None), fake_result(plan, 2, RISING, outcome=None)]
    assert StoppingRule(plan).judge(Cell(1, 0), filled(plan, results)) is None


def test_another_seed_is_no_measure() -> None:
    plan = fake_plan(BASELINE, TUTORIAL, LEADER, seeds=2)
    results = [fake_result(plan, 1, STILL, outcome=None), fake_result(plan, 2, RISING, seed=1)]
    assert StoppingRule(plan).judge(Cell(1, 0), filled(plan, results)) is None


def test_who_has_left_is_no_measure() -> None:
    plan = fake_plan(BASELINE, TUTORIAL, LEADER, rulings={2: Ruling(0, 3, 150, "gone")})
    results = [fake_result(plan, 1, STILL, outcome=None), fake_result(plan, 2, RISING, outcome="stopped")]
    assert StoppingRule(plan).judge(Cell(1, 0), filled(plan, results)) is None


def test_a_small_test_set_takes_a_large_gap() -> None:
    few = {"name": "few", "source": "nowhere", "train": 100, "test": 100}
    assert ruled(TUTORIAL, STILL, data=few) is None
    assert ruled(TUTORIAL, [0.4, 0.5, 0.5, 0.5], data=few) is not None


def test_where_there_is_no_accuracy_the_loss_decides() -> None:
    plan = fake_plan(BASELINE, TUTORIAL, LEADER)
    results = [
        fake_result(plan, 1, [0.9, 0.8, 0.799], outcome=None, accuracy=False),
        fake_result(plan, 2, [0.9, 0.7, 0.6], outcome=None, accuracy=False),
    ]
    ruling = StoppingRule(plan).judge(Cell(1, 0), filled(plan, results))
    assert ruling is not None
    assert "loss stays at 0.7990" in ruling.reason
