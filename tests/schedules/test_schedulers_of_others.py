"""The schedulers of `lrtui.schedulers` have, step by step, the lrs of timm's and pytorch_optimizer's."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

import lrtui.schedulers
from lrtui.run.errors import UsageError
from lrtui.schedulers import REX, WSD, CosineWithLinearTail
from lrtui.schedules.scheduler_reading import schedule_of, schedule_of_script

# one worker imports the libraries
pytestmark = pytest.mark.xdist_group("libraries")

PEAKS = (0.1, 0.003)
SETS = 50
FOREVER = 10_000


def optimizer_of(peaks: tuple[float, ...] = PEAKS) -> torch.optim.Optimizer:
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in peaks], lr=0.1)


def lrs_of(optimizer: torch.optim.Optimizer) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def followed(optimizer: torch.optim.Optimizer, scheduler: Any, steps: int) -> list[list[float]]:
    """Return the lrs of so many steps."""
    found = []
    for _ in range(steps):
        found.append(lrs_of(optimizer))
        optimizer.step()
        scheduler.step()
    return found


def of_timm(name: str, steps: range, peaks: tuple[float, ...] = PEAKS, **arguments: Any) -> list[list[float]]:
    """Return the lrs that a scheduler of timm has at these steps."""
    scheduler = pytest.importorskip("timm.scheduler")
    optimizer = optimizer_of(peaks)
    made = getattr(scheduler, name)(optimizer, t_in_epochs=False, **arguments)
    found = []
    for step in steps:
        made.step_update(step)
        found.append(lrs_of(optimizer))
    return found


def drawn(name: str, draw: random.Random) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """Return arguments of a scheduler, and the class of timm and its arguments with which it is the same."""
    total, low = draw.randint(3, 60), draw.choice((0.0, draw.uniform(0, 0.002)))
    warmup = draw.randint(1, total - 2)
    ours: dict[str, Any] = {"warmup": warmup, "total_steps": total}
    theirs: dict[str, Any] = {"t_initial": total - warmup, "warmup_t": warmup}
    match name:
        case "WarmupCosine":
            return {**ours, "min_lr": low}, "CosineLRScheduler", {**theirs, "lr_min": low, "warmup_prefix": True}
        case "WarmupLinear" | "WarmupPolynomial":
            power = {} if name == "WarmupLinear" else {"power": draw.uniform(0.2, 4)}
            line = {"power": 1.0, **power, "lr_min": low, "warmup_prefix": True}
            return {**ours, **power, "min_lr": low}, "PolyLRScheduler", {**theirs, **line}
        case "WSD":
            shape, decay = draw.choice(("linear", "cosine", "1-sqrt", "exponential")), draw.randint(1, total - warmup)
            fall = {"decay_fn": "exp" if shape == "exponential" else shape, "decay_ratio": 0.5, "decay_t": decay}
            ours |= {"decay": decay, "shape": shape, "min_lr": low}
            return ours, "WSDLRScheduler", {**theirs, **fall, "lr_min": low}
    endless = {"warmup_t": warmup, "t_initial": FOREVER, "decay_t": 1}
    return ours, "WSDLRScheduler", {**endless, "stable_fn": "rsqrt" if name == "InverseSqrt" else "constant"}


NAMES = ("WarmupCosine", "WarmupLinear", "WarmupPolynomial", "WSD", "InverseSqrt", "ConstantWithWarmup")


@pytest.mark.parametrize("name", NAMES)
def test_every_lr_is_that_of_timm(name: str) -> None:
    draw = random.Random(name)
    for _ in range(SETS):
        arguments, other, theirs = drawn(name, draw)
        optimizer, steps = optimizer_of(), arguments["total_steps"] + 1
        found = followed(optimizer, getattr(lrtui.schedulers, name)(optimizer, **arguments), steps)
        assert np.allclose(found, of_timm(other, range(steps), **theirs), rtol=1e-12, atol=1e-15), arguments


def test_a_cosine_with_a_linear_tail_is_a_cosine_and_a_line_of_timm() -> None:
    draw = random.Random(0)
    for _ in range(SETS):
        total, factor = draw.randint(4, 60), draw.uniform(0, 1)
        warmup = draw.randint(1, total - 3)
        tail = draw.randint(1, total - warmup - 1)
        start, low = total - tail, 0.1 * factor
        optimizer = optimizer_of((0.1,))
        ours = CosineWithLinearTail(optimizer, warmup, tail, factor, total_steps=total)
        cosine = {"t_initial": start - warmup, "warmup_t": warmup, "warmup_prefix": True, "lr_min": low}
        expected = of_timm("CosineLRScheduler", range(start), (0.1,), **cosine)
        expected += of_timm("PolyLRScheduler", range(tail + 1), (low,), t_initial=tail, power=1.0)
        assert np.allclose(followed(optimizer, ours, total + 1), expected, rtol=1e-12, atol=1e-15)


def test_rex_and_wsd_are_those_of_pytorch_optimizer() -> None:
    theirs = pytest.importorskip("pytorch_optimizer.lr_scheduler")
    draw = random.Random(0)
    for _ in range(SETS):
        total, low = draw.randint(1, 60), draw.uniform(0, 0.01)
        ours_on, theirs_on = optimizer_of((0.1,)), optimizer_of((0.1,))
        found = followed(ours_on, REX(ours_on, min_lr=low, total_steps=total), total + 1)
        expected = followed(theirs_on, theirs.REXScheduler(theirs_on, total, max_lr=0.1, min_lr=low), total + 1)
        # its first step has the lowest lr
        assert np.allclose(found[1:], expected[1:], rtol=1e-12, atol=1e-15)

        warmup, decay = draw.randint(0, total - 1), draw.randint(0, total)
        decay = min(decay, total - warmup)
        shape = draw.choice(("linear", "cosine", "1-sqrt"))
        ours_on, theirs_on = optimizer_of(), optimizer_of()
        found = followed(ours_on, WSD(ours_on, warmup, decay, shape, total_steps=total), total + 1)
        other = theirs.get_wsd_schedule(theirs_on, warmup, total - warmup - decay, decay, cooldown_type=shape)
        # without a decay, its lr is 0 after the end
        steps = total + 1 if decay else total
        assert np.allclose(found[:steps], followed(theirs_on, other, total + 1)[:steps], rtol=1e-12, atol=1e-15)


def test_the_schedules_of_transformers_are_read_at_any_step() -> None:
    transformers = pytest.importorskip("transformers")
    for make, text in (
        (lambda o: transformers.get_constant_schedule(o), 'ConstantLR(factor=1.0, per="batch")'),
        (lambda o: transformers.get_constant_schedule_with_warmup(o, 3), "ConstantWithWarmup(warmup=3)"),
        (lambda o: transformers.get_linear_schedule_with_warmup(o, 3, 20), "WarmupLinear(warmup=3, total_steps=20)"),
        (lambda o: transformers.get_cosine_schedule_with_warmup(o, 3, 20), "WarmupCosine(warmup=3, total_steps=20)"),
    ):
        optimizer = optimizer_of()
        scheduler = make(optimizer)
        assert str(schedule_of_script([scheduler])) == text
        for _ in range(21):
            assert str(schedule_of(scheduler, "batch")) == text
            optimizer.step()
            scheduler.step()
    hard = transformers.get_cosine_with_hard_restarts_schedule_with_warmup(optimizer_of(), 3, 20, 2)
    assert str(schedule_of_script([hard])) == "script:LambdaLR()"
    with pytest.raises(UsageError, match="as a Python function can't be written"):
        schedule_of(hard, "batch")
