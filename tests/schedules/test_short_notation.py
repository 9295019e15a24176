"""Schedules in short, as lists and labels show them."""

from __future__ import annotations

import pytest

from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.short_notation import short_name, short_notation, short_notations


@pytest.mark.parametrize(
    ("notation", "short"),
    [
        ("ExponentialLR(gamma=0.1)", "Exp 0.1"),
        ("StepLR(step_size=3, gamma=0.1)", "Step 3"),
        ("StepLR(step_size=3, gamma=0.5)", "Step 3 gamma=0.5"),
        ("OneCycleLR(max_lr=0.003, total_steps=9380)", "OneCycle 0.003"),
        ("CosineAnnealingLR(T_max=10)", "Cosine"),
        ("MultiStepLR([5, 8], gamma=0.1)", "MultiStep [5, 8]"),
        ('LambdaLR("0.95 ** epoch")', "Lambda 0.95 ** epoch"),
        ('ExponentialLR(gamma=0.9, per="batch")', "Exp 0.9 per batch"),
        (
            "SequentialLR([LinearLR(start_factor=0.1, total_iters=2), CosineAnnealingLR(T_max=8)], milestones=[2])",
            "Linear start_factor=0.1 total_iters=2 → Cosine",
        ),
        ("my_module:MyLR(3)", "my_module:MyLR(3)"),
        ("not a schedule", "not a schedule"),
    ],
)
def test_a_schedule_is_shortened_to_what_differs(notation: str, short: str) -> None:
    assert short_notation(notation) == short


def test_schedules_that_would_look_the_same_are_written_in_full() -> None:
    same = ["CosineAnnealingLR(T_max=5)", "CosineAnnealingLR(T_max=10)"]
    assert short_notations([*same, "ExponentialLR(gamma=0.1)"]) == {
        **{notation: notation for notation in same},
        "ExponentialLR(gamma=0.1)": "Exp 0.1",
    }


def test_every_scheduler_has_another_short_name() -> None:
    names = [entry.short_name for entry in CATALOGUE.values()]
    assert len(set(names)) == len(names)


def test_a_composite_is_named_after_its_parts() -> None:
    notation = "SequentialLR([LinearLR(total_iters=2), CosineAnnealingLR(T_max=8)], milestones=[2])"
    assert short_name(notation) == "Linear → Cosine"
