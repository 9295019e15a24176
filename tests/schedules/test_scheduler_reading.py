"""Existing schedulers are read back as schedules with the same lrs."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler as pytorch

from lrtui.run.errors import UsageError
from lrtui.schedules.build import build
from lrtui.schedules.catalogue import CATALOGUE
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_build import build_tiny_optimizer
from lrtui.schedules.scheduler_reading import guess_per, schedule_of, schedule_of_script
from lrtui.schedules.simulate import simulate
from tests.schedules import strategies

OPTIMIZERS = (
    "SGD(lr=0.1, momentum=0.9)",
    "Adam(lr=0.02)",
    'AdamW(lr=0.01, groups={"bias": {"lr": 0.003, "weight_decay": 0}})',
)
STEPS = 30


def made(text: str, optimizer: str) -> Any:
    """Return the scheduler as a script would have created it."""
    tiny: Any = build_tiny_optimizer(parse_optimizer(optimizer))
    scheduler = build(parse_schedule(text), tiny, Horizon(STEPS, 1))
    tiny._opt_called = True
    for part in parts(scheduler):
        if type(part).__name__ == "HeldOneCycleLR":
            part.__class__ = pytorch.OneCycleLR
    return scheduler


def parts(scheduler: Any) -> Iterator[Any]:
    yield scheduler
    for part in [*getattr(scheduler, "_schedulers", ()), *filter(None, [getattr(scheduler, "scheduler", None)])]:
        yield from parts(part)


def lrs(scheduler: Any) -> list[float]:
    return [group["lr"] for group in scheduler.optimizer.param_groups]


def as_plain(scheduler: Any) -> Any:
    """Return everything that a scheduler and its optimizer hold, to see that it stays the same."""
    states = [
        {name: value for name, value in vars(part).items() if isinstance(value, (int, float, str, list, tuple))}
        for part in parts(scheduler)
    ]
    groups = [
        {name: value for name, value in group.items() if name != "params"} for group in scheduler.optimizer.param_groups
    ]
    return copy.deepcopy((len(groups), [str(state) for state in states], groups))


SINGLE = [name for name, entry in CATALOGUE.items() if not entry.follows_metric and entry.composite != "warmup"]


@pytest.mark.parametrize("name", SINGLE)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_scheduler_read_at_any_step_has_the_lrs_of_the_object(name: str, data: st.DataObject) -> None:
    text = data.draw(strategies.BY_NAME[name])
    optimizer = data.draw(st.sampled_from(OPTIMIZERS))
    steps = data.draw(st.sampled_from([0, 1, 7, STEPS - 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scheduler = made(text, optimizer)
        wanted = [lrs(scheduler)]
        for step in range(STEPS - 1):
            if step == steps:
                before = as_plain(scheduler)
                found = schedule_of(scheduler, "epoch")
                assert as_plain(scheduler) == before
            scheduler.step()
            wanted.append(lrs(scheduler))
    if steps == STEPS - 1:
        found = schedule_of(scheduler, "epoch")
    assert simulate(found, parse_optimizer(optimizer), Horizon(STEPS, 1)).tolist() == wanted


def test_a_plateau_is_read_at_any_step_with_what_it_has_seen() -> None:
    scheduler = made("ReduceLROnPlateau(factor=0.5, patience=1, cooldown=1, min_lr=0.001)", OPTIMIZERS[0])
    for loss in (1.0, 1.0, 1.0, 1.0, 0.5):
        found = schedule_of(scheduler, "epoch", "auc")
        scheduler.step(loss)
    assert str(found) == 'ReduceLROnPlateau(factor=0.5, patience=1, cooldown=1, min_lr=0.001, metric="auc")'
    scheduler.optimizer.param_groups[0]["lr"] = 0.03
    # nothing is known of its lr before
    assert schedule_of(scheduler, "epoch").metric == "loss"


WARMUPS = (
    "Warmup(4, CosineAnnealingLR(T_max=9))",
    'Warmup(4, OneCycleLR(max_lr=0.3, total_steps=9, per="epoch"), start_factor=0.1)',
    "Warmup(3, ReduceLROnPlateau(patience=1))",
    'Warmup(3, StepLR(step_size=2), per="epoch")',
    'Warmup(3, StepLR(step_size=2, per="batch"))',
)


@pytest.mark.parametrize("text", WARMUPS)
def test_a_warmup_is_read_with_the_unit_of_the_schedule_inside(text: str) -> None:
    scheduler = made(text, OPTIMIZERS[1])
    per = parse_schedule(text).per
    for _ in range(8):
        assert str(schedule_of(scheduler, per)) == text
        scheduler.step()
        if scheduler.per_epoch:
            scheduler.step_epoch(1.0 if "Plateau" in text else None)


def test_schedulers_are_written_as_their_scripts_wrote_them() -> None:
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.001)
    one_cycle = pytorch.OneCycleLR(optimizer, 0.1, epochs=7, steps_per_epoch=13, pct_start=0.27, final_div_factor=777)
    assert str(schedule_of(one_cycle, "batch")) == (
        "OneCycleLR(max_lr=0.1, total_steps=91, pct_start=0.27, final_div_factor=777.0)"
    )
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=torch.tensor(0.1))
    cosine = pytorch.CosineAnnealingLR(optimizer, T_max=20.0, eta_min=torch.tensor(0.25))  # type: ignore[arg-type]
    for _ in range(3):
        optimizer.step()
        cosine.step()
    assert str(schedule_of(cosine, "batch")) == 'CosineAnnealingLR(T_max=20, eta_min=0.25, per="batch")'


def test_what_cannot_be_written_is_refused_with_the_reason() -> None:
    class Mine(pytorch.StepLR):
        pass

    def optimizer() -> Any:
        return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)

    changed = pytorch.ExponentialLR(optimizer(), 0.9)
    changed.optimizer.param_groups[0]["lr"] = 0.05
    long = pytorch.StepLR(optimizer(), 3)
    long.last_epoch = 10**6
    incomplete = pytorch.LinearLR(optimizer())
    del incomplete.end_factor
    for scheduler, message in (
        (pytorch.LambdaLR(optimizer(), lambda epoch: 1.0), "LambdaLR with lr_lambda as a Python function can't be"),
        (Mine(optimizer(), 3), "Mine can't be written as a schedule"),
        (changed, "its lr is 0.05 after 0 steps, and that of ExponentialLR"),
        (long, "it has made 1,000,000 steps, too many"),
        (pytorch.StepLR(optimizer(), 2.5), "step_size"),  # type: ignore[arg-type]
        (incomplete, "this LinearLR can't be written as a schedule"),
    ):
        with pytest.raises(UsageError, match=message):
            schedule_of(scheduler, "epoch")


def test_the_schedulers_of_a_script_are_written_or_named() -> None:
    def named(scheduler: Any, per: Any = None) -> str:
        return str(schedule_of_script([scheduler], per))

    assert named(made("StepLR(step_size=3)", OPTIMIZERS[0])) == "StepLR(step_size=3)"
    assert named(made("StepLR(step_size=3)", OPTIMIZERS[0]), "batch") == 'StepLR(step_size=3, per="batch")'
    assert named(made("ReduceLROnPlateau()", OPTIMIZERS[0])) == "ReduceLROnPlateau()"
    assert named(made("ReduceLROnPlateau()", OPTIMIZERS[0]), "batch") == 'script:ReduceLROnPlateau(per="batch")'
    resumed = made("StepLR(step_size=3)", OPTIMIZERS[0])
    resumed.step()
    assert named(resumed) == "script:StepLR(last_epoch=1)"
    assert named(pytorch.LambdaLR(resumed.optimizer, lambda epoch: 1.0)) == "script:LambdaLR()"
    several = [made("StepLR(step_size=3)", OPTIMIZERS[0]), made("ExponentialLR(0.9)", OPTIMIZERS[0])]
    assert str(schedule_of_script(several)) == "script:StepLR()"
    assert str(schedule_of_script([], "batch")) == 'script:lr(per="batch")'
    unusual = type("Täglich", (pytorch.StepLR,), {})(resumed.optimizer, 3)
    assert named(unusual) == "script:scheduler()"


def test_the_unit_is_guessed_where_the_object_tells_it() -> None:
    for text, per in {
        "StepLR(step_size=3)": None,
        "OneCycleLR(max_lr=0.1)": "batch",
        "WSD(warmup=2, decay=2)": "batch",
        "ReduceLROnPlateau()": "epoch",
        'SequentialLR([LinearLR(), OneCycleLR(max_lr=0.1)], milestones=[5], per="batch")': "batch",
    }.items():
        assert guess_per(made(text, OPTIMIZERS[0])) == per
