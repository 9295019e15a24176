"""Schedules as values, and the lengths that follow from the run."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import schedules

from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_schedule

TEN_EPOCHS = Horizon(epochs=10, batches_per_epoch=100)


@pytest.mark.parametrize(
    ("horizon", "batches", "epochs"),
    [
        (Horizon(10, 100), 1000, 10),
        (Horizon(10, 100, 1), 999, 10),
        (Horizon(10, 100, 99), 901, 10),
        (Horizon(10, 100, 100), 900, 9),
        (Horizon(10, 100, 950), 50, 1),
        (Horizon(10, 100, 1000), 0, 0),
        (Horizon(1, 1), 1, 1),
    ],
)
def test_the_current_epoch_still_has_its_step(horizon: Horizon, batches: int, epochs: int) -> None:
    assert horizon.calls("batch") == horizon.steps == batches
    assert horizon.calls("epoch") == epochs


@pytest.mark.parametrize(
    ("text", "start", "filled", "values"),
    [
        ("OneCycleLR(0.1)", 0, "OneCycleLR(max_lr=0.1, total_steps=1000)", {"total_steps": 1000}),
        ("OneCycleLR(0.1)", 250, "OneCycleLR(max_lr=0.1, total_steps=750)", {"total_steps": 750}),
        ("OneCycleLR(0.1, total_steps=7)", 0, "OneCycleLR(max_lr=0.1, total_steps=7)", {}),
        (
            "OneCycleLR(0.1, epochs=3, steps_per_epoch=5)",
            0,
            "OneCycleLR(max_lr=0.1, epochs=3, steps_per_epoch=5)",
            {},
        ),
        ('OneCycleLR(0.1, per="epoch")', 0, 'OneCycleLR(max_lr=0.1, total_steps=10, per="epoch")', {"total_steps": 10}),
        ("CosineAnnealingLR()", 0, "CosineAnnealingLR(T_max=10)", {"T_max": 10}),
        ("CosineAnnealingLR()", 250, "CosineAnnealingLR(T_max=8)", {"T_max": 8}),
        ("CosineAnnealingLR()", 1000, "CosineAnnealingLR(T_max=1)", {"T_max": 1}),
        ("CosineAnnealingLR(T_max=3)", 0, "CosineAnnealingLR(T_max=3)", {}),
        ('CosineAnnealingLR(per="batch")', 0, 'CosineAnnealingLR(T_max=1000, per="batch")', {"T_max": 1000}),
        ("LinearLR()", 0, "LinearLR()", {}),
        ("PolynomialLR()", 0, "PolynomialLR()", {}),
        ("file.py:MyLR(3)", 0, "file.py:MyLR(3)", {}),
        (
            "SequentialLR([LinearLR(), CosineAnnealingLR(), CosineAnnealingLR()], milestones=[2, 5])",
            0,
            "SequentialLR([LinearLR(), CosineAnnealingLR(T_max=3), CosineAnnealingLR(T_max=5)], milestones=[2, 5])",
            {"schedulers[1].T_max": 3, "schedulers[2].T_max": 5},
        ),
        (
            "SequentialLR([CosineAnnealingLR(), CosineAnnealingLR()], milestones=[20])",
            0,
            "SequentialLR([CosineAnnealingLR(T_max=20), CosineAnnealingLR(T_max=1)], milestones=[20])",
            {"schedulers[0].T_max": 20, "schedulers[1].T_max": 1},
        ),
        (
            'SequentialLR([LinearLR(), OneCycleLR(0.1)], milestones=[100], per="batch")',
            400,
            'SequentialLR([LinearLR(), OneCycleLR(max_lr=0.1, total_steps=500)], milestones=[100], per="batch")',
            {"schedulers[1].total_steps": 500},
        ),
        (
            "ChainedScheduler([CosineAnnealingLR(), SequentialLR([LinearLR(), CosineAnnealingLR()], milestones=[4])])",
            0,
            "ChainedScheduler([CosineAnnealingLR(T_max=10), "
            "SequentialLR([LinearLR(), CosineAnnealingLR(T_max=6)], milestones=[4])])",
            {"schedulers[0].T_max": 10, "schedulers[1].schedulers[1].T_max": 6},
        ),
    ],
)
def test_lengths_left_out_are_those_of_the_remaining_steps(
    text: str, start: int, filled: str, values: dict[str, int]
) -> None:
    schedule, found = fill_in(parse_schedule(text), Horizon(10, 100, start))
    assert str(schedule) == filled
    assert found == values


@settings(deadline=None, max_examples=50)
@given(schedules(), st.integers(0, 999))
def test_filled_in_lengths_do_not_change(text: str, start: int) -> None:
    once, _ = fill_in(parse_schedule(text), Horizon(10, 100, start))
    assert fill_in(once, TEN_EPOCHS) == (once, {})
    assert parse_schedule(str(once)) == once
