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
def test_a_value_that_cannot_be_is_refused_with_the_option_named(name: str, text: str) -> None:
    with pytest.raises(UsageError, match="--" + name.replace("_", "-")):
        read_option(FIELDS[name], text)


def test_thousands_may_be_parted() -> None:
    assert read_option(FIELDS["train_samples"], "6,000") == 6000
    assert read_option(FIELDS["train_samples"], "") is None


def test_differences_name_what_differs() -> None:
    assert RunSpec(epochs=3).differences(RunSpec(epochs=5)) == {"epochs": (3, 5)}


def test_every_setting_says_what_it_is() -> None:
    assert all(item.metadata["help"] for item in FIELDS.values())
