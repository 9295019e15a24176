"""The picker's one value and its three views."""

from __future__ import annotations

import pytest

from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_schedule
from lrtui.tui.screens.picker.model import PickerModel


def model(text: str = "ExponentialLR(gamma=0.1)", start_step: int = 0) -> PickerModel:
    return PickerModel(text, "Adam(lr=0.02)", Horizon(10, 100, start_step))


def texts(picker: PickerModel) -> dict[str, str]:
    return {field.name: field.text for field in picker.fields if field.text}


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_scheduler_can_be_chosen_and_is_a_schedule_at_once(name: str) -> None:
    picker = model()
    picker.choose(name)
    assert picker.error is None
    assert picker.schedule is not None
    assert picker.schedule.name == name
    assert parse_schedule(picker.text) == picker.schedule
    assert [field.name for field in picker.fields if field.name != "per"] == [
        parameter.name for parameter in CATALOGUE[name].parameters
    ]


def test_an_lr_begins_at_the_optimizers() -> None:
    picker = model()
    picker.choose("OneCycleLR")
    assert picker.text == "OneCycleLR(max_lr=0.02)"


def test_the_form_moves_the_line_and_the_line_the_form() -> None:
    picker = model()
    picker.choose("StepLR")
    picker.set_field("step_size", "4")
    assert picker.text == "StepLR(step_size=4, gamma=0.5)"
    picker.set_field("gamma", "")
    assert picker.text == "StepLR(step_size=4)"
    picker.set_text("OneCycleLR(0.1, three_phase=True)")
    assert picker.name == "OneCycleLR"
    assert texts(picker) == {"max_lr": "0.1", "three_phase": "True"}


def test_words_need_no_quotes_in_the_form() -> None:
    picker = model()
    picker.choose("OneCycleLR")
    picker.set_field("anneal_strategy", "linear")
    assert picker.text == 'OneCycleLR(max_lr=0.02, anneal_strategy="linear")'
    picker.choose("LambdaLR")
    picker.set_field("lr_lambda", "0.5 ** epoch")
    assert picker.text == 'LambdaLR("0.5 ** epoch")'


def test_per_is_a_field_of_its_own() -> None:
    picker = model()
    picker.choose("StepLR")
    picker.set_field("per", "batch")
    assert picker.text == 'StepLR(step_size=3, gamma=0.5, per="batch")'
    picker.set_field("per", "hour")
    assert picker.schedule is None
    assert [field.name for field in picker.fields if field.error] == ["per"]


def test_a_fault_stands_at_its_field_and_what_was_typed_stays() -> None:
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


def test_a_line_that_cannot_be_read_leaves_the_form_as_it_was() -> None:
    picker = model()
    picker.set_text("ExponentialLR(gamma=0.3")
    assert picker.error is not None
    assert picker.name == "ExponentialLR"
    assert texts(picker) == {"gamma": "0.1"}


def test_what_was_given_is_kept_while_looking_at_another() -> None:
    picker = model("StepLR(step_size=7)")
    picker.choose("ExponentialLR")
    picker.choose("StepLR")
    assert picker.text == "StepLR(step_size=7)"


def test_lengths_are_filled_in_with_what_remains() -> None:
    picker = model("CosineAnnealingLR()", start_step=350)
    assert picker.filled_in == "CosineAnnealingLR(T_max=7)"
    assert next(field.hint for field in picker.fields if field.name == "T_max") == "7 (filled in)"


@pytest.mark.parametrize(
    ("words", "first"),
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
def test_the_list_is_filtered_by_name_and_by_what_it_does(words: str, first: str) -> None:
    assert model().entries(words)[0].name == first


def test_a_filter_that_fits_nothing_leaves_nothing() -> None:
    assert model().entries("moon") == []


def test_an_own_class_has_no_form() -> None:
    picker = model("my.py:Warm(3)")
    assert picker.schedule is not None
    assert picker.fields == []
