"""Recently used schedulers lead the picker's list."""

from __future__ import annotations

from lrtui.schedules.schedule import Horizon
from lrtui.tui.screens.picker.model import PickerModel

RECENT = ("StepLR(step_size=7)", "OneCycleLR(max_lr=0.3)", "StepLR(step_size=2)", "invalid")


def model() -> PickerModel:
    return PickerModel("ExponentialLR(gamma=0.1)", "Adam(lr=0.02)", Horizon(10, 100), RECENT)


def test_recent_schedulers_lead_the_list() -> None:
    names = [entry.name for entry in model().entries("")]
    assert names[:3] == ["StepLR", "OneCycleLR", "ExponentialLR"]
    assert len(set(names)) == len(names)


def test_a_better_match_comes_before_a_recent_scheduler() -> None:
    assert [entry.name for entry in model().entries("cyc")][:2] == ["CyclicLR", "OneCycleLR"]


def test_recent_schedulers_keep_their_arguments() -> None:
    picker = model()
    assert picker.text == "ExponentialLR(gamma=0.1)"
    assert picker.error is None
    picker.choose("StepLR")
    assert picker.text == "StepLR(step_size=7)"
