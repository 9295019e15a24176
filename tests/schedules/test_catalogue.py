"""The catalogue agrees with the installed PyTorch."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
import pytest
import torch

from lrtui.schedules.build import check_buildable
from lrtui.schedules.catalogue import CATALOGUE, SchedulerEntry
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_catalogue import OPTIMIZERS
from lrtui.schedules.parameter import Parameter
from lrtui.schedules.simulate import simulate

ENTRIES = CATALOGUE.values()
PYTORCH = [entry for entry in ENTRIES if entry.is_pytorch]
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
    assert {entry.name for entry in PYTORCH} == installed | {"SWALR"}
    assert all(name == entry.name for name, entry in CATALOGUE.items())


@pytest.mark.parametrize("entry", ENTRIES, ids=BY_NAME)
def test_scheduler_arguments_and_defaults_are_those_of_the_class(entry: SchedulerEntry) -> None:
    found = getattr(importlib.import_module(entry.module), entry.name)
    # lrtui itself fills in those of Warmup
    filled = ("total_steps", "per_epoch") if entry.composite == "warmup" else ()
    assert _declared(entry.parameters) == _installed(found, ("optimizer", "last_epoch", *filled))


@pytest.mark.parametrize("entry", ENTRIES, ids=BY_NAME)
def test_examples_parse_and_every_argument_has_help(entry: SchedulerEntry) -> None:
    assert parse_schedule(entry.example).name == entry.name
    if entry.is_pytorch:
        assert entry.url.startswith("https://docs.pytorch.org/")
    for parameter in entry.parameters:
        assert parameter.help
        assert parameter.range_text
    assert set(entry.fills) <= {parameter.name for parameter in entry.parameters}


@pytest.mark.parametrize("entry", ENTRIES, ids=BY_NAME)
def test_defaults_are_within_the_declared_ranges(entry: SchedulerEntry) -> None:
    for parameter in entry.parameters:
        if isinstance(parameter.default, (int, float)) and not isinstance(parameter.default, bool):
            assert parameter.refusal(parameter.default) is None
        if parameter.kind == "choice":
            assert parameter.default in parameter.choices


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.factor], ids=BY_NAME)
def test_a_closed_form_has_the_lrs_of_its_scheduler(entry: SchedulerEntry) -> None:
    optimizer, horizon = parse_optimizer("SGD(lr=0.5)"), Horizon(10, 1)
    schedule, _ = fill_in(parse_schedule(entry.example), horizon)
    assert entry.factor is not None
    text = entry.factor(entry.values(schedule.arguments), 10)
    assert text is not None
    closed = simulate(parse_schedule(f'LambdaLR("{text}")'), optimizer, horizon)
    assert np.allclose(closed, simulate(schedule, optimizer, horizon), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if entry.fit], ids=BY_NAME)
def test_fitted_arguments_are_read_and_built(entry: SchedulerEntry) -> None:
    schedule = parse_schedule(entry.example)
    for calls in (2, 10, 937):
        filled, _ = fill_in(schedule, Horizon(calls, 1))
        assert entry.fit is not None
        changes = entry.fit(entry.values(filled.arguments), calls)
        if changes is not None:
            fitted = parse_schedule(str(filled.with_arguments(**changes)))
            check_buildable(fitted, parse_optimizer("SGD(lr=0.5, momentum=0.9)"), Horizon(calls, 1))


def test_the_length_of_a_curve_can_be_given_in_two_ways() -> None:
    assert parse_schedule("OneCycleLR(0.1, epochs=3, steps_per_epoch=5)").length == 15
    assert parse_schedule("OneCycleLR(0.1, total_steps=7)").length == 7
    # PyTorch ignores the factors where both are given
    assert parse_schedule("OneCycleLR(0.1, total_steps=7, epochs=3, steps_per_epoch=5)").length == 7
    assert parse_schedule("OneCycleLR(0.1)").length is None
    assert parse_schedule("LinearLR()").length == 5
    assert parse_schedule("ExponentialLR(0.9)").length is None


@pytest.mark.parametrize(
    ("text", "argument", "has"),
    [
        ("Adam()", "betas", True),
        ("SGD()", "momentum", False),
        ("SGD(momentum=0.9)", "momentum", True),
        ("Muon()", "momentum", True),
        ("Adagrad()", None, False),
    ],
)
def test_an_optimizer_declares_whether_it_has_a_momentum(text: str, argument: str | None, has: bool) -> None:
    optimizer = parse_optimizer(text)
    assert (optimizer.momentum_argument, optimizer.has_momentum) == (argument, has)


def test_the_catalogue_has_every_optimizer_with_a_plain_step() -> None:
    installed = {
        name
        for name, found in vars(torch.optim).items()
        if isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
    }
    assert set(OPTIMIZERS) == installed - {"Optimizer"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizer_arguments_and_defaults_are_those_of_pytorch(name: str) -> None:
    found = _installed(getattr(torch.optim, name), ("params",))
    assert dict(_declared(OPTIMIZERS[name].parameters)) == dict(found)
    # positional arguments have PyTorch's order; the others are keyword-only
    signature = inspect.signature(getattr(torch.optim, name))
    by_place = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name != "params"
    ]
    assert [parameter.name for parameter in OPTIMIZERS[name].parameters][: len(by_place)] == by_place
