"""The candidates of a search, and schedules shortened to fewer epochs."""

from __future__ import annotations

import pytest
from training_runs import run_events, tiny_spec

from lrtui.analysis.race.plan import Entrant
from lrtui.analysis.suggest.candidates import MAX_PIECES, WARMUP_COSINE, WSD, candidates, shorten
from lrtui.analysis.suggest.range_test import RangeTestResult
from lrtui.run.events import StepDone
from lrtui.run.lr_rules import Suggestions
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.text.format import two_digits

BATCHES = 6


def lrs_of(entrant: Entrant, epochs: int, **settings: object) -> list[tuple[float, ...]]:
    """Return the lrs of a run of the entrant, by step."""
    spec = entrant.spec(tiny_spec(epochs=epochs, **settings), 0, "short")
    return [event.lrs for event in run_events(spec) if isinstance(event, StepDone)]


def test_a_shortened_schedule_has_its_whole_lr_curve_in_fewer_epochs() -> None:
    spec = tiny_spec(schedule="ExponentialLR(gamma=0.1)", epochs=12)
    entrant = shorten(spec, BATCHES, 2, "mine")
    assert entrant is not None
    lrs = [lr for (lr,) in lrs_of(entrant, 2)]
    # each of its 12 epochs becomes one of 12 batches
    assert lrs == pytest.approx([0.01 * 0.1**epoch for epoch in range(12)])


def test_a_shortened_schedule_keeps_the_lrs_of_parameter_groups() -> None:
    optimizer = 'Adam(lr=0.01, groups={"0.*": {"lr": 0.001}})'
    spec = tiny_spec(schedule="StepLR(step_size=6, gamma=0.5)", epochs=12, optimizer=optimizer)
    entrant = shorten(spec, BATCHES, 2, "mine")
    assert entrant is not None
    lrs = lrs_of(entrant, 2, optimizer=optimizer)
    assert lrs == [(0.01, 0.001)] * 6 + [(0.005, 0.0005)] * 6


def test_a_curve_that_changes_at_every_batch_is_approximated_in_pieces() -> None:
    spec = tiny_spec(schedule='ExponentialLR(gamma=0.99, per="batch")', epochs=100)
    entrant = shorten(spec, BATCHES, 40, "mine")
    assert entrant is not None
    assert len(entrant.at) == MAX_PIECES["batch"]
    lrs = [lr for (lr,) in lrs_of(entrant, 40)]
    expected = [0.01 * 0.99 ** (step * 2.5) for step in range(240)]
    assert all(abs(lr / other - 1) < 0.05 for lr, other in zip(lrs, expected, strict=True))


@pytest.mark.parametrize("schedule", ["OneCycleLR(max_lr=0.1)", 'CosineAnnealingLR(per="batch")', WSD])
def test_a_schedule_without_a_fixed_length_is_unchanged(schedule: str) -> None:
    assert shorten(tiny_spec(schedule=schedule, epochs=10), BATCHES, 2, "mine") == Entrant(schedule, title="mine")


def test_a_schedule_that_follows_a_metric_or_a_script_cannot_be_shortened() -> None:
    assert shorten(tiny_spec(schedule="ReduceLROnPlateau()", epochs=10), BATCHES, 2, "mine") is None
    assert shorten(tiny_spec(at=("epoch 2: lr*0.5",), epochs=10), BATCHES, 2, "mine") is None


def test_a_schedule_of_the_requested_length_is_unchanged() -> None:
    spec = tiny_spec(schedule="ReduceLROnPlateau()", epochs=10)
    assert shorten(spec, BATCHES, 10, "mine") == Entrant("ReduceLROnPlateau()", title="mine")


@pytest.mark.parametrize("epochs", [1, 2, 10])
def test_the_warm_up_takes_a_twentieth_of_the_run_and_the_lr_ends_near_zero(epochs: int) -> None:
    for schedule in (WARMUP_COSINE, WSD):
        lrs = [lr for (lr,) in lrs_of(Entrant(schedule), epochs)]
        rise = round(epochs * BATCHES / 20)
        assert max(lrs) == lrs[rise] == pytest.approx(0.01)
        assert lrs.index(max(lrs)) == rise
        assert lrs[-1] < 0.01 * (1.01 if epochs == 1 else 0.6)


def test_candidates_use_the_lr_of_the_range_test() -> None:
    spec = tiny_spec(schedule="StepLR(step_size=3)", optimizer="SGD(lr=0.5, momentum=0.9)", epochs=10)
    found = candidates(spec, RangeTestResult(0.0213, Suggestions({"steepest": 0.021, "valley": 0.0213}), 100, BATCHES))
    entrants = [entrant for each in found if (entrant := each.of_length(10)) is not None]
    assert len(entrants) == 5
    assert entrants[0] == Entrant("OneCycleLR(max_lr=0.021)")
    assert (entrants[1].schedule, entrants[1].optimizer) == ("StepLR(step_size=3)", None)
    assert entrants[2] == Entrant("WarmupCosine(warmup=0.05)", "SGD(lr=0.021, momentum=0.9)")
    assert entrants[3] == Entrant("OneCycleLR(max_lr=0.063)")
    assert entrants[4] == Entrant("WSD(warmup=0.05, decay=0.2)", "SGD(lr=0.021, momentum=0.9)")
    for entrant in entrants:
        parse_schedule(entrant.schedule)
        parse_optimizer(entrant.optimizer or spec.optimizer)


def test_the_higher_lr_is_tried_where_the_rules_differ() -> None:
    found = candidates(
        tiny_spec(epochs=10), RangeTestResult(0.01, Suggestions({"steepest": 0.08, "valley": 0.01}), 100, BATCHES)
    )
    assert found[3].name == "OneCycleLR(max_lr=0.08)"
    # the lr found equals the optimizer's, which then isn't repeated
    cosine = found[2].of_length(10)
    assert cosine is not None
    assert cosine.optimizer is None


def test_the_lrs_of_parameter_groups_are_scaled_in_proportion() -> None:
    optimizer = 'Adam(lr=0.01, groups={"0.*": {"lr": 0.001}})'
    found = candidates(
        tiny_spec(optimizer=optimizer, epochs=10), RangeTestResult(0.02, Suggestions({"valley": 0.02}), 100, BATCHES)
    )
    assert found[0].name == "OneCycleLR(max_lr=[0.02, 0.002])"
    cosine = found[2].of_length(10)
    assert cosine is not None
    assert parse_optimizer(cosine.optimizer or "").lrs == (0.02, 0.002)


def test_two_digits_rounds_to_two_significant_digits() -> None:
    assert [two_digits(lr) for lr in (0.0213, 1.26e-5, 0.3, 1.0)] == [0.021, 1.3e-5, 0.3, 1.0]


def test_a_group_frozen_at_lr_0_stays_at_0_in_every_candidate() -> None:
    optimizer = 'Adam(lr=0, groups={"0.*": {"lr": 0.01}})'
    spec = tiny_spec(schedule="StepLR(1)", epochs=2, optimizer=optimizer)
    found = RangeTestResult(0.015, Suggestions({}), 100, BATCHES)
    for candidate in candidates(spec, found):
        entrant = candidate.of_length(2)
        assert entrant is not None
        lrs = lrs_of(entrant, 2, optimizer=optimizer)
        assert {first for first, _ in lrs} == {0}, candidate.name
        assert max(second for _, second in lrs) > 0, candidate.name


def test_a_shortened_schedule_of_many_epochs_has_a_limited_number_of_changes() -> None:
    spec = tiny_spec(schedule="ExponentialLR(gamma=0.99999)", epochs=100_000)
    entrant = shorten(spec, BATCHES, 20_000, "mine")
    assert entrant is not None
    assert len(entrant.at) == MAX_PIECES["epoch"]


def test_a_schedule_with_too_many_steps_to_simulate_is_not_shortened() -> None:
    assert shorten(tiny_spec(schedule="StepLR(2)", epochs=10**5), 10**7, 2, "mine") is not None
    assert shorten(tiny_spec(schedule='StepLR(2, per="batch")', epochs=10**6), 10**7, 2, "mine") is None


@pytest.mark.parametrize(
    "optimizer",
    [
        'task:AdamW(lr=0.01, groups={"decay": {"lr": 0.01}, "group 1": {"lr": 0.005}})',
        "task:optimizers(muon=task:Muon(lr=0.01), adamw=task:AdamW(lr=0.005))",
        'lion_pytorch:Lion(lr=0.01, groups={"ndim<2": {"lr": 0.005}})',
    ],
)
def test_candidates_keep_the_optimizer_of_a_task_or_a_package(optimizer: str) -> None:
    found = candidates(
        tiny_spec(optimizer=optimizer, epochs=10),
        RangeTestResult(0.02, Suggestions({"valley": 0.02}), 100, BATCHES),
    )
    entrants = [entrant for each in found if (entrant := each.of_length(10)) is not None]
    assert entrants[0].schedule == "OneCycleLR(max_lr=[0.02, 0.01])"
    moved = {entrant.optimizer for entrant in entrants if entrant.optimizer}
    assert [parse_optimizer(text).lrs for text in moved] == [(0.02, 0.01)]
    assert all(text.split(":")[0] == optimizer.split(":")[0] for text in moved)
