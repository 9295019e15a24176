"""The schedule being chosen in the picker, and its three views."""

from __future__ import annotations

import pytest

from lrtui.analysis.checks import check_schedule
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.tui.screens.picker.model import PickerModel


def model(text: str = "ExponentialLR(gamma=0.1)", start_step: int = 0) -> PickerModel:
    return PickerModel(text, "Adam(lr=0.02)", Horizon(10, 100, start_step))


def texts(picker: PickerModel) -> dict[str, str]:
    return {field.name: field.text for field in picker.fields if field.text}


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_scheduler_is_valid_when_chosen(name: str) -> None:
    picker = model()
    picker.choose(name)
    assert picker.error is None
    assert picker.schedule is not None
    assert picker.schedule.name == name
    assert parse_schedule(picker.text) == picker.schedule
    assert [field.name for field in picker.fields if field.name != "per"] == [
        parameter.name for parameter in CATALOGUE[name].parameters
    ]


def test_lr_arguments_default_to_the_optimizers_lr() -> None:
    picker = model()
    picker.choose("OneCycleLR")
    assert picker.text == "OneCycleLR(max_lr=0.02)"


def test_form_and_notation_follow_each_other() -> None:
    picker = model()
    picker.choose("StepLR")
    picker.set_field("step_size", "4")
    assert picker.text == "StepLR(step_size=4, gamma=0.5)"
    picker.set_field("gamma", "")
    assert picker.text == "StepLR(step_size=4)"
    picker.set_text("OneCycleLR(0.1, three_phase=True)")
    assert picker.name == "OneCycleLR"
    assert texts(picker) == {"max_lr": "0.1", "three_phase": "True"}


def test_strings_need_no_quotes_in_the_form() -> None:
    picker = model()
    picker.choose("OneCycleLR")
    picker.set_field("anneal_strategy", "linear")
    assert picker.text == 'OneCycleLR(max_lr=0.02, anneal_strategy="linear")'
    picker.choose("LambdaLR")
    picker.set_field("lr_lambda", "0.5 ** epoch")
    assert picker.text == 'LambdaLR("0.5 ** epoch")'


def test_per_is_a_field() -> None:
    picker = model()
    picker.choose("StepLR")
    picker.set_field("per", "batch")
    assert picker.text == 'StepLR(step_size=3, gamma=0.5, per="batch")'
    picker.set_field("per", "hour")
    assert picker.schedule is None
    assert [field.name for field in picker.fields if field.error] == ["per"]


def test_an_error_is_shown_at_its_field_and_the_text_stays() -> None:
    picker = model()
    picker.choose("StepLR")
    picker.set_field("step_size", "0")
    assert picker.schedule is None
    wrong = {field.name: field.error for field in picker.fields if field.error}
    assert list(wrong) == ["step_size"]
    assert "at least 1" in wrong["step_size"]
    assert texts(picker)["step_size"] == "0"
    picker.set_field("step_size", "2")
    assert picker.error is None


def test_an_invalid_notation_leaves_the_form_unchanged() -> None:
    picker = model()
    picker.set_text("ExponentialLR(gamma=0.3")
    assert picker.error is not None
    assert picker.name == "ExponentialLR"
    assert texts(picker) == {"gamma": "0.1"}


def test_arguments_are_kept_while_another_scheduler_is_selected() -> None:
    picker = model("StepLR(step_size=7)")
    picker.choose("ExponentialLR")
    picker.choose("StepLR")
    assert picker.text == "StepLR(step_size=7)"


def test_lengths_are_filled_in_from_the_remaining_epochs() -> None:
    picker = model("CosineAnnealingLR()", start_step=350)
    assert picker.filled_in == "CosineAnnealingLR(T_max=7)"
    assert next(field.hint for field in picker.fields if field.name == "T_max") == "7 (filled in)"


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("cosine", "CosineAnnealingLR"),
        ("one", "OneCycleLR"),
        ("step", "StepLR"),
        ("warm rest", "CosineAnnealingWarmRestarts"),
        ("plateau", "ReduceLROnPlateau"),
        ("expression", "LambdaLR"),
        ("", "ExponentialLR"),
    ],
)
def test_the_list_is_filtered_by_name_and_summary(query: str, first: str) -> None:
    assert model().entries(query)[0].name == first


def test_a_filter_without_matches_leaves_an_empty_list() -> None:
    assert model().entries("moon") == []


def test_a_user_class_has_no_form() -> None:
    picker = model("my.py:Warm(3)")
    assert picker.schedule is not None
    assert picker.fields == []


# -- recent schedules -------------------------------------------------------------------------------------------------

RECENT = ("StepLR(step_size=7)", "OneCycleLR(max_lr=0.3)", "StepLR(step_size=2)", "invalid")


def recent_model() -> PickerModel:
    return PickerModel("ExponentialLR(gamma=0.1)", "Adam(lr=0.02)", Horizon(10, 100), RECENT)


def test_recent_schedulers_lead_the_list() -> None:
    names = [entry.name for entry in recent_model().entries("")]
    assert names[:3] == ["StepLR", "OneCycleLR", "ExponentialLR"]
    assert len(set(names)) == len(names)


def test_a_better_match_comes_before_a_recent_scheduler() -> None:
    assert [entry.name for entry in recent_model().entries("cyc")][:2] == ["CyclicLR", "OneCycleLR"]


def test_recent_schedulers_keep_their_arguments() -> None:
    picker = recent_model()
    assert picker.text == "ExponentialLR(gamma=0.1)"
    assert picker.error is None
    picker.choose("StepLR")
    assert picker.text == "StepLR(step_size=7)"


@pytest.mark.parametrize("name", ["CyclicLR", "CosineAnnealingWarmRestarts"])
@pytest.mark.parametrize("horizon", [Horizon(4, 100), Horizon(1, 938), Horizon(3, 7), Horizon(10, 938)])
def test_the_cycles_that_the_form_proposes_have_no_finding(name: str, horizon: Horizon) -> None:
    picker = PickerModel("StepLR(3)", "SGD(lr=0.1, momentum=0.9)", horizon)
    picker.choose(name)
    assert picker.schedule is not None
    optimizer = parse_optimizer("SGD(lr=0.1, momentum=0.9)")
    codes = {finding.code for finding in check_schedule(picker.schedule, optimizer, horizon)}
    assert not codes & {"cycle-unfinished", "unfinished-cycle"}
