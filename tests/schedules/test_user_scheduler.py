"""Schedulers that users' classes and functions make, those of transformers and timm among them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from generated_code import lrs_of
from training_runs import run_events, tiny_spec

from lrtui.analysis.checks import check_schedule
from lrtui.engine.run_code import code_of_spec
from lrtui.run.commands import ScaleLr, SwitchSchedule
from lrtui.run.errors import NotationError, UsageError
from lrtui.run.events import ScheduleSwitched, StepDone
from lrtui.run.spec import RunSpec
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.schedule import check_no_fixed_length
from lrtui.schedules.simulate import simulate
from lrtui.training.lr_control import LrControl

# one worker imports the libraries
pytestmark = pytest.mark.xdist_group("libraries")

RUN = Horizon(6, 5)
OPTIMIZER = 'SGD(lr=0.1, groups={"fc1*": {"lr": 0.003}})'

SOURCE = """
import functools

import torch
from timm.scheduler import CosineLRScheduler
from torch.optim.lr_scheduler import LambdaLR, PolynomialLR, ReduceLROnPlateau, StepLR


def make_schedule(optimizer, total_steps, power=1.0):
    return PolynomialLR(optimizer, total_steps, power)


def with_default(optimizer, total_steps=100):
    return PolynomialLR(optimizer, total_steps)


def without_default(optimizer, *, total_steps=None):
    return PolynomialLR(optimizer, total_steps)


def of_timm(optimizer, total_steps):
    return CosineLRScheduler(optimizer, total_steps)


class Own(LambdaLR):
    def __init__(self, optimizer, total_steps, last_epoch=-1):
        super().__init__(optimizer, lambda step: 1 - step / total_steps, last_epoch)


def forgets(optimizer):
    StepLR(optimizer, 3)


def lightning(optimizer):
    return {"scheduler": StepLR(optimizer, 3), "interval": "step"}


def plateau(optimizer):
    return ReduceLROnPlateau(optimizer)


def other(optimizer):
    return StepLR(torch.optim.SGD([torch.zeros(1)], lr=1), 3)


def fails(optimizer):
    raise RuntimeError("no luck")


NUMBER = 3
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)


def previewed(text: str, run: Horizon = RUN) -> list[list[float]]:
    found: list[list[float]] = simulate(parse_schedule(text), parse_optimizer(OPTIMIZER), run).tolist()
    return found


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("mine.py:make_schedule()", "mine.py:make_schedule(total_steps=6)"),
        (
            "mine.py:make_schedule(power=2.0, per='batch')",
            'mine.py:make_schedule(power=2.0, total_steps=30, per="batch")',
        ),
        ("mine.py:make_schedule(optimizer, 9)", "mine.py:make_schedule(9)"),
        ("mine.py:with_default()", "mine.py:with_default()"),
        ("mine.py:without_default()", "mine.py:without_default(total_steps=6)"),
        ("mine.py:Own()", "mine.py:Own(total_steps=6)"),
        ("torch.optim.lr_scheduler:CosineAnnealingLR()", "torch.optim.lr_scheduler:CosineAnnealingLR(T_max=6)"),
        (
            "SequentialLR([LinearLR(), mine.py:Own()], [2])",
            "SequentialLR([LinearLR(), mine.py:Own(total_steps=4)], milestones=[2])",
        ),
        ("Warmup(5, mine.py:Own())", "Warmup(5, mine.py:Own(total_steps=5))"),
        (
            "transformers:get_cosine_schedule_with_warmup(num_warmup_steps=4)",
            "transformers:get_cosine_schedule_with_warmup(num_warmup_steps=4, num_training_steps=30)",
        ),
        ("timm.scheduler:CosineLRScheduler(warmup_t=2)", "timm.scheduler:CosineLRScheduler(warmup_t=2, t_initial=6)"),
        (
            "timm.scheduler:CosineLRScheduler(t_in_epochs=False)",
            "timm.scheduler:CosineLRScheduler(t_in_epochs=False, t_initial=30)",
        ),
        (
            "timm.scheduler:CosineLRScheduler(per='batch')",
            'timm.scheduler:CosineLRScheduler(t_initial=30, t_in_epochs=False, per="batch")',
        ),
    ],
)
def test_lengths_are_filled_in_from_the_run(text: str, filled: str) -> None:
    schedule, _ = fill_in(parse_schedule(text), RUN)
    assert str(schedule) == filled
    assert parse_schedule(filled) == schedule
    assert previewed(text) == previewed(filled)
    # a picker fills in nothing that would have to be imported first
    assert "num_training" not in str(fill_in(parse_schedule(text), RUN, imports=False)[0])


LIBRARIES = (
    "transformers:get_cosine_schedule_with_warmup(num_warmup_steps=4)",
    "transformers:get_linear_schedule_with_warmup(3)",
    "transformers:get_polynomial_decay_schedule_with_warmup(3, power=2.0)",
    "transformers:get_inverse_sqrt_schedule(4)",
    "timm.scheduler:CosineLRScheduler(warmup_t=2, lr_min=0.0001)",
    "timm.scheduler:CosineLRScheduler(warmup_t=7, t_in_epochs=False, noise_range_t=10)",
    "timm.scheduler:StepLRScheduler(decay_t=4, decay_rate=0.5)",
    "timm.scheduler:PolyLRScheduler(warmup_t=4, warmup_prefix=True, per='batch')",
)


def lrs_of_the_library(text: str) -> list[list[float]]:
    """Return the lrs with the library's own calls."""
    import timm.scheduler
    import transformers

    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (0.1, 0.003)]
    optimizer = torch.optim.SGD(groups, lr=0.1)
    schedule, _ = fill_in(parse_schedule(text), RUN)
    module: Any = transformers if str(schedule.user_path) == "transformers" else timm.scheduler
    scheduler = getattr(module, schedule.name)(optimizer, *schedule.positional, **schedule.arguments)
    found = []
    for step in range(30):
        found.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        if module is transformers:
            scheduler.step()
        else:
            scheduler.step_update(step + 1)
            if step % 5 == 4:
                scheduler.step(step // 5 + 1)
    return found


@pytest.mark.parametrize("text", LIBRARIES)
def test_its_lrs_are_those_of_the_library_and_of_the_exported_code(text: str) -> None:
    expected = lrs_of_the_library(text)
    assert previewed(text) == expected
    assert len({tuple(lrs) for lrs in expected}) > 1
    code = code_of_spec(RunSpec(schedule=text, optimizer=OPTIMIZER, epochs=6), 5)
    assert lrs_of(code) == expected
    assert "lrtui" not in code
    nested = f"Warmup(3, {text})"
    assert lrs_of(code_of_spec(RunSpec(schedule=nested, optimizer=OPTIMIZER, epochs=6), 5)) == previewed(nested)
    assert check_schedule(parse_schedule(text), parse_optimizer(OPTIMIZER), Horizon(10, 938, 0)) is not None


@pytest.mark.parametrize("text", [LIBRARIES[0], LIBRARIES[4], LIBRARIES[7]])
def test_it_resumes_at_every_step_of_a_run(text: str) -> None:
    def control() -> LrControl:
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
        return LrControl(optimizer, parse_schedule(text), RUN)

    def advance(control: LrControl, step: int) -> tuple[float, ...]:
        lrs = control.lrs
        control.after_step()
        if step % 5 == 4:
            control.after_epoch(step + 1, {})
        if step == 11:
            control.scale_by(0.5)
        return lrs

    whole = control()
    expected = [advance(whole, step) for step in range(30)]
    for at in range(0, 30, 3):
        before, after = control(), control()
        found = [advance(before, step) for step in range(at)]
        after.restore(before.state())
        after._optimizer.param_groups[0]["lr"] = before.lrs[0]
        assert found + [advance(after, step) for step in range(at, 30)] == expected


@pytest.mark.usefixtures("mine")
def test_a_run_trains_with_it_and_is_switched_to_it() -> None:
    made = "mine.py:make_schedule()"
    events = run_events(tiny_spec(schedule=LIBRARIES[0]), {5: [SwitchSchedule(made)], 7: [ScaleLr(2.0)]})
    (switch,) = [event for event in events if isinstance(event, ScheduleSwitched)]
    assert re.fullmatch(r"mine\.py:make_schedule\(total_steps=\d+\)", switch.schedule)
    used = [event.lrs[0] for event in events if isinstance(event, StepDone)]
    assert used[0] == 0
    assert used[5] == 0.01
    assert used[7] == 2 * used[6]


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mine.py:forgets()", "mine.py:forgets returns None, not a scheduler of PyTorch (LRScheduler) or timm"),
        ("mine.py:lightning()", "mine.py:lightning returns a dict, not a scheduler of PyTorch"),
        (
            "mine.py:plateau()",
            "is a ReduceLROnPlateau, whose metric is not known here; write ReduceLROnPlateau(...) in",
        ),
        ("mine.py:other()", "returns a scheduler of another optimizer than the one it is given"),
        ("mine.py:fails()", "mine.py:fails fails: RuntimeError: no luck"),
        ("mine.py:make_schedule(nope=3)", "got an unexpected keyword argument 'nope'"),
        ("mine.py:NUMBER()", "mine.py:NUMBER is no class and no function: 3"),
        ("mine.py:nothing()", "mine.py has no nothing"),
        ("os:system('true')", "os:system is no class and no function: <built-in function system>"),
        ("timm.scheduler:CosineLRScheduler(t_in_epochs=True, per='batch')", 'counts per epoch: add per="epoch"'),
        ("mine.py:of_timm(per='batch')", 'counts per epoch: add per="epoch"'),
        (
            "SequentialLR([LinearLR(), timm.scheduler:CosineLRScheduler()], [3])",
            "CosineLRScheduler is a scheduler of timm, which can't be inside a SequentialLR",
        ),
    ],
)
def test_what_makes_no_scheduler_is_named(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=re.escape(message)):
        previewed(text)


@pytest.mark.usefixtures("mine")
def test_a_run_is_not_extended_beyond_the_length_that_was_filled_in() -> None:
    filled, _ = fill_in(parse_schedule(LIBRARIES[0]), RUN)
    with pytest.raises(UsageError, match=r"num_training_steps=30\) has a fixed length; switch"):
        check_no_fixed_length(filled, "switch first")
    check_no_fixed_length(parse_schedule("mine.py:with_default()"), "switch first")
