"""What is declared of every scheduler, against the PyTorch that is installed."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch

from lrtui.schedules.catalogue import CATALOGUE, SchedulerEntry
from lrtui.schedules.notation import parse_schedule
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS
from lrtui.schedules.parameter import Parameter

ENTRIES = CATALOGUE.values()
BY_NAME = lambda entry: entry.name  # noqa: E731


def _declared(parameters: tuple[Parameter, ...]) -> list[tuple[str, Any]]:
    return [
        (parameter.name, inspect.Parameter.empty if parameter.is_required else parameter.default)
        for parameter in parameters
    ]


def _installed(found: type[Any], left_out: tuple[str, ...]) -> list[tuple[str, Any]]:
    signature = inspect.signature(found)
    return [(name, parameter.default) for name, parameter in signature.parameters.items() if name not in left_out]


def test_the_catalogue_has_every_scheduler_of_pytorch() -> None:
    module = torch.optim.lr_scheduler
    installed = {name for name in module.__all__ if not name.startswith("_")} - {"LRScheduler"}
    assert {*CATALOGUE} == installed | {"SWALR"}
    assert all(name == entry.name for name, entry in CATALOGUE.items())


@pytest.mark.parametrize("entry", ENTRIES, ids=BY_NAME)
def test_arguments_and_defaults_of_a_scheduler_are_pytorchs(entry: SchedulerEntry) -> None:
    found = getattr(torch.optim.swa_utils if entry.name == "SWALR" else torch.optim.lr_scheduler, entry.name)
    assert _declared(entry.parameters) == _installed(found, ("optimizer", "last_epoch"))


@pytest.mark.parametrize("entry", ENTRIES, ids=BY_NAME)
def test_an_example_is_of_its_scheduler_and_every_argument_is_explained(entry: SchedulerEntry) -> None:
    assert parse_schedule(entry.example).name == entry.name
    assert entry.url.startswith("https://docs.pytorch.org/")
    for parameter in entry.parameters:
        assert parameter.help
        assert parameter.range_words
    assert set(entry.fills) <= {parameter.name for parameter in entry.parameters}


@pytest.mark.parametrize("entry", ENTRIES, ids=BY_NAME)
def test_defaults_are_within_the_declared_ranges(entry: SchedulerEntry) -> None:
    for parameter in entry.parameters:
        if isinstance(parameter.default, (int, float)) and not isinstance(parameter.default, bool):
            assert parameter.refusal(parameter.default) is None
        if parameter.kind == "choice":
            assert parameter.default in parameter.choices


def test_the_optimizers_are_all_that_work_with_a_plain_step() -> None:
    installed = {
        name
        for name, found in vars(torch.optim).items()
        if isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
    }
    assert set(OPTIMIZERS) == installed - {"Optimizer", "LBFGS", "SparseAdam"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_arguments_and_defaults_of_an_optimizer_are_pytorchs(name: str) -> None:
    found = _installed(getattr(torch.optim, name), ("params",))
    assert dict(_declared(OPTIMIZERS[name].parameters)) == dict(found)
    # positional arguments follow PyTorch's order; the rest of a signature is keyword-only there
    signature = inspect.signature(getattr(torch.optim, name))
    by_place = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "params"
    ]
    assert [parameter.name for parameter in OPTIMIZERS[name].parameters][: len(by_place)] == by_place
