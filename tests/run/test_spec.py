"""The settings of a run."""

from __future__ import annotations

from dataclasses import fields

import pytest

from lrtui.run.errors import UsageError
from lrtui.run.spec import RunSpec, read_option

FIELDS = {item.name: item for item in fields(RunSpec)}


def test_the_defaults_are_those_of_the_case_study() -> None:
    spec = RunSpec()
    assert (spec.task, spec.optimizer, spec.schedule) == ("fashion-mnist", "Adam(lr=0.01)", "ExponentialLR(gamma=0.1)")
    assert (spec.epochs, spec.batch_size, spec.seed) == (10, 64, 0)


@pytest.mark.parametrize(
    ("name", "text"),
    [("epochs", "0"), ("epochs", "-3"), ("epochs", "2.5"), ("epochs", "many"), ("epochs", "9" * 50),
     ("batch_size", "0"), ("seed", "-1"), ("device", "tpu"), ("precision", "fp8"), ("train_samples", "0")],
)  # fmt: skip
def test_an_invalid_value_is_refused_with_the_name_of_its_option(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
        read_option(FIELDS[name], text)


def test_numbers_may_have_thousands_separators() -> None:
    assert read_option(FIELDS["train_samples"], "6,000") == 6000
    assert read_option(FIELDS["train_samples"], "") is None


def test_differences_returns_both_values_of_each_differing_setting() -> None:
    assert RunSpec(epochs=3).differences(RunSpec(epochs=5)) == {"epochs": (3, 5)}


def test_every_setting_has_help() -> None:
    assert all(item.metadata["help"] for item in FIELDS.values())


def test_a_run_that_is_known_from_its_log_is_none_that_lrtui_trains() -> None:
    spec = RunSpec(task="log-file:runs/a:b", schedule="", epochs=1)
    assert (spec.is_log, spec.is_attached, spec.script) == (True, True, "runs/a:b")
    assert not RunSpec(task="script:train.py", schedule="script:lr()").is_log
    # a user's module may be called log
    assert not RunSpec(task="log:Task").is_attached


def test_the_known_settings_of_scripts_and_logs_are_those_that_they_have_told() -> None:
    assert "seed" in RunSpec().known
    assert "optimizer" in RunSpec(task="script:train.py", optimizer="task:Adam(lr=0.1)").known
    # a command that is not attached does not name its optimizer
    assert "optimizer" not in RunSpec(task="script:train.py").known
    assert RunSpec(task="log-file:a.csv", schedule="").known == ("task", "epochs", "name", "store")
