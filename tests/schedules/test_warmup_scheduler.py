"""A warmup around any other scheduler, compared at each step with the scheduler alone."""

from __future__ import annotations

import contextlib
import io
import random
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from example_counts import examples
from generated_code import lrs_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import warmup
from torch.optim.lr_scheduler import (
    ChainedScheduler,
    ConstantLR,
    CosineAnnealingLR,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

from lrtui.analysis.checks import check_schedule
from lrtui.engine.run_code import code_of_spec
from lrtui.run.commands import ScaleLr, SwitchSchedule
from lrtui.run.errors import NotationError, UsageError
from lrtui.run.spec import RunSpec
from lrtui.schedulers import Warmup, WarmupCosine
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lengths import fill_in
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_build import build_tiny_optimizer
from lrtui.schedules.scheduler_recording import recorded_schedulers
from lrtui.schedules.script import read_script
from lrtui.schedules.short_notation import short_name, short_notation
from lrtui.schedules.simulate import simulate, simulate_anchor
from lrtui.training.lr_control import LrControl

PEAKS = (0.1, 0.003, 0.0)
SETS = 50


def optimizer_of(peaks: tuple[float, ...] = PEAKS) -> torch.optim.Optimizer:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in peaks]
    return torch.optim.SGD(groups, lr=0.1, momentum=0.5)


def followed(optimizer: torch.optim.Optimizer, scheduler: Any, steps: int) -> list[list[float]]:
    """Return the lrs of so many steps."""
    found = []
    for _ in range(steps):
        found.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
        scheduler.step()
    return found


class Halves(LambdaLR):
    """A user's own class."""

    def __init__(self, optimizer: Any) -> None:
        super().__init__(optimizer, lambda step: 0.5**step)


INSIDE: dict[str, Callable[[Any, random.Random], Any]] = {
    "StepLR": lambda o, draw: StepLR(o, draw.randint(1, 20)),
    "ExponentialLR": lambda o, draw: ExponentialLR(o, draw.uniform(0.8, 1)),
    "CosineAnnealingLR": lambda o, draw: CosineAnnealingLR(o, draw.randint(1, 80), draw.uniform(0, 0.001)),
    "OneCycleLR": lambda o, draw: OneCycleLR(o, [0.1, 0.2, 0.3], 200, pct_start=draw.uniform(0.1, 0.9)),
    "CyclicLR": lambda o, draw: CyclicLR(o, 0.001, 0.1, draw.randint(1, 30)),
    "ChainedScheduler": lambda o, draw: ChainedScheduler([LinearLR(o, 0.5), ExponentialLR(o, 0.9)]),
    "SequentialLR": lambda o, draw: SequentialLR(o, [ConstantLR(o, 0.5), ExponentialLR(o, 0.9)], [draw.randint(1, 30)]),
    "WarmupCosine": lambda o, draw: WarmupCosine(o, draw.randint(0, 9), total_steps=100),
    "a user's class": lambda o, draw: Halves(o),
}


@pytest.mark.parametrize("name", INSIDE)
def test_it_rises_to_the_first_lr_of_the_scheduler_and_then_follows_it(name: str) -> None:
    draw = random.Random(name)
    for _ in range(SETS):
        state = draw.getstate()
        alone = optimizer_of()
        expected = followed(alone, INSIDE[name](alone, draw), 50)
        draw.setstate(state)
        optimizer = optimizer_of()
        inside = INSIDE[name](optimizer, draw)
        length, low = draw.randint(0, 20), draw.choice((0.0, 0.1, 1.0))
        found = followed(optimizer, Warmup(optimizer, length, inside, low), length + 50)
        assert found[length:] == expected
        for step, lrs in enumerate(found[:length]):
            factor = (step + (length - step) * low) / length
            assert lrs == pytest.approx([lr * factor for lr in expected[0]], rel=1e-12, abs=1e-15)
        momenta = [group["momentum"] for group in optimizer.param_groups]
        assert momenta == [group["momentum"] for group in alone.param_groups]


def test_around_a_constant_lr_and_a_cosine_it_equals_other_libraries() -> None:
    from timm.scheduler import CosineLRScheduler
    from transformers.optimization import get_constant_schedule_with_warmup

    draw = random.Random(0)
    for _ in range(SETS):
        length, total = draw.randint(1, 20), draw.randint(1, 50)
        ours, theirs = optimizer_of(), optimizer_of()
        found = followed(ours, Warmup(ours, length, ConstantLR(ours, 1.0)), 40)
        assert found == followed(theirs, get_constant_schedule_with_warmup(theirs, length), 40)

        ours, theirs = optimizer_of(), optimizer_of()
        found = followed(ours, Warmup(ours, length, CosineAnnealingLR(ours, total)), length + total)
        cosine = CosineLRScheduler(theirs, t_initial=total, warmup_t=length, warmup_prefix=True, t_in_epochs=False)
        for step, lrs in enumerate(found):
            cosine.step_update(step)
            assert lrs == pytest.approx([group["lr"] for group in theirs.param_groups], rel=1e-9, abs=1e-15)


def test_a_plateau_is_stepped_at_the_end_of_the_epochs_after_the_warmup() -> None:
    optimizer = optimizer_of((1.0,))
    scheduler = Warmup(optimizer, 6, ReduceLROnPlateau(optimizer, factor=0.5, patience=0))
    found = []
    for loss in (1.0, 2.0, 3.0, 4.0, 2.0):
        found += followed(optimizer, scheduler, 3)
        scheduler.step_epoch(loss)
    # the losses of the first two epochs, which are warmup, do not count
    expected = [*(step / 6 for step in range(6)), 1, 1, 1, 1, 1, 1, 0.5, 0.5, 0.5]
    assert [lr for (lr,) in found] == pytest.approx(expected)
    assert scheduler.get_last_lr() == [0.5]


def test_a_plateau_can_have_the_unit_of_the_warmup() -> None:
    optimizer = optimizer_of((1.0,))
    scheduler = Warmup(optimizer, 2, ReduceLROnPlateau(optimizer, factor=0.5, patience=0), per_epoch=False)
    found = []
    for loss in (1.0, 1.0, 3.0, 4.0, 5.0):
        found.append(optimizer.param_groups[0]["lr"])
        scheduler.step(loss)
    assert found == [0, 0.5, 1, 1, 0.5]


@pytest.mark.parametrize("at", [3, 7, 8, 22])
@pytest.mark.parametrize("name", ["OneCycleLR", "SequentialLR", "ReduceLROnPlateau"])
def test_a_run_resumes_in_the_middle(name: str, at: int) -> None:
    def start() -> tuple[torch.optim.Optimizer, Warmup]:
        optimizer = optimizer_of()
        plateau = name == "ReduceLROnPlateau"
        inside = ReduceLROnPlateau(optimizer, patience=0) if plateau else INSIDE[name](optimizer, random.Random(1))
        return optimizer, Warmup(optimizer, 8, inside)

    def follow(optimizer: torch.optim.Optimizer, scheduler: Warmup, steps: range) -> list[list[float]]:
        found = []
        for step in steps:
            found += followed(optimizer, scheduler, 1)
            if scheduler.per_epoch and step % 4 == 3:
                scheduler.step_epoch(1.0 * step)
        return found

    whole = follow(*start(), range(40))
    optimizer, scheduler = start()
    before = follow(optimizer, scheduler, range(at))
    saved = io.BytesIO()
    torch.save([optimizer.state_dict(), scheduler.state_dict()], saved)
    saved.seek(0)
    states = torch.load(saved, weights_only=True)
    other, resumed = start()
    other.load_state_dict(states[0])
    resumed.load_state_dict(states[1])
    assert before + follow(other, resumed, range(at, 40)) == whole
    assert resumed.get_last_lr() == [group["lr"] for group in other.param_groups]


def test_lrs_that_are_tensors_stay_the_same_tensors() -> None:
    peak = torch.tensor(0.1, dtype=torch.float64)
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=peak)
    scheduler = Warmup(optimizer, 5, ExponentialLR(optimizer, 0.5))
    found = followed(optimizer, scheduler, 8)
    expected = [0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.05, 0.025]
    assert [lr for (lr,) in found] == pytest.approx(expected)
    assert optimizer.param_groups[0]["lr"] is peak
    assert scheduler.get_last_lr()[0] is not peak


def test_a_group_that_is_added_during_the_warmup_rises_to_its_own_lr() -> None:
    optimizer = optimizer_of((0.1,))
    scheduler = Warmup(optimizer, 4, ConstantLR(optimizer, 1.0))
    followed(optimizer, scheduler, 1)
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 0.8})
    assert followed(optimizer, scheduler, 4)[1:] == pytest.approx(np.array([[0.05, 0.4], [0.075, 0.6], [0.1, 0.8]]))


@pytest.mark.parametrize(
    ("construct", "message"),
    [
        (lambda o: Warmup(o, 5, 3), "scheduler takes a scheduler, such as CosineAnnealingLR(optimizer, 100), not 3"),
        (lambda o: Warmup(o, 5, StepLR(optimizer_of(), 3)), "the StepLR belongs to another optimizer"),
        (lambda o: Warmup(o, 0.5, StepLR(o, 3)), "steps=0.5 is a share of the run and needs total_steps"),
        (lambda o: Warmup(o, -1, StepLR(o, 3)), "steps takes a whole number of steps of at least 0, or a share of"),
        (lambda o: Warmup(o, 5, StepLR(o, 3), 2), "start_factor takes a number from 0 to 1, not 2"),
        (lambda o: Warmup(StepLR(o, 3), 5, StepLR(o, 3)), "StepLR is not an Optimizer"),
        (lambda o: Warmup(o, 5, StepLR(o, 3)).step_epoch(), "step_epoch() is for per_epoch=True"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_allowed(construct: Callable[[Any], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        construct(optimizer_of())


# --- in lrtui --------------------------------------------------------------------------------------------------------

RUN = Horizon(10, 50)


@pytest.mark.parametrize(
    ("text", "filled", "units"),
    [
        ("Warmup(20, CosineAnnealingLR())", "Warmup(20, CosineAnnealingLR(T_max=10))", ("batch", "epoch")),
        # the epoch that the warmup takes does not count
        ("Warmup(50, CosineAnnealingLR())", "Warmup(50, CosineAnnealingLR(T_max=9))", ("batch", "epoch")),
        (
            'Warmup(scheduler=CosineAnnealingLR(per="batch"), steps=0.1)',
            'Warmup(50, CosineAnnealingLR(T_max=450, per="batch"))',
            ("batch",),
        ),
        ('Warmup(2, REX(), per="epoch")', 'Warmup(2, REX(total_steps=8), per="epoch")', ("epoch",)),
        ("Warmup(0.1, OneCycleLR(0.1))", "Warmup(50, OneCycleLR(max_lr=0.1, total_steps=450))", ("batch",)),
        (
            'Warmup(9, ReduceLROnPlateau(metric="f1"), per="batch")',
            'Warmup(9, ReduceLROnPlateau(metric="f1"), per="batch")',
            ("batch", "epoch"),
        ),
        ("Warmup(900, CosineAnnealingLR())", "Warmup(900, CosineAnnealingLR(T_max=1))", ("batch", "epoch")),
        ("Warmup(0.1, WSD(0, 0.2), 0.5)", "Warmup(50, WSD(warmup=0, decay=90, total_steps=450), start_factor=0.5)", ()),
    ],
)
def test_the_schedule_inside_has_its_own_unit_and_the_rest_of_the_run(
    text: str, filled: str, units: tuple[str, ...]
) -> None:
    schedule, _ = fill_in(parse_schedule(text), RUN)
    assert str(schedule) == filled
    assert schedule.units == (units or ("batch",))
    assert parse_schedule(str(schedule)) == schedule
    assert parse_schedule(str(parse_schedule(text))) == parse_schedule(text)


def test_it_is_the_switch_to_the_schedule_inside_at_the_end_of_the_warmup() -> None:
    optimizer = parse_optimizer("SGD(lr=0.1)")
    for inside in ("CosineAnnealingLR()", "WarmupLinear(0.1)", "StepLR(2)", 'PolynomialLR(9, per="batch")'):
        for length in (1, 49, 50, 51, 130):
            lrs = simulate(parse_schedule(f"Warmup({length}, {inside})"), optimizer, RUN)
            alone = simulate_anchor(parse_schedule(inside), optimizer, Horizon(10, 50, length), "base", [])
            assert lrs[length:].tolist() == alone.tolist()
            assert lrs[:length, 0] == pytest.approx(alone[0] * np.arange(length) / length)


def test_a_plateau_inside_it_follows_the_tests_after_the_warmup() -> None:
    losses = [{"loss": loss} for loss in (1.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0)]
    schedule = parse_schedule("Warmup(60, ReduceLROnPlateau(factor=0.5, patience=1))")
    assert schedule.metric == "loss"
    lrs = simulate(schedule, parse_optimizer("SGD(lr=1.0)"), RUN, metrics=losses)[::50, 0]
    assert lrs.tolist() == [0, 50 / 60, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]


def test_each_of_several_optimizers_can_have_its_own_warmup() -> None:
    optimizers = parse_optimizer("task:optimizers(a=task:SGD(lr=1.0), b=task:SGD(lr=2.0))")
    losses = [{"loss": loss} for loss in (1.0, 2.0, 3.0, 4.0)]
    text = "PerOptimizer(a=Warmup(5, ReduceLROnPlateau(factor=0.5, patience=0)), b=Warmup(0.25, StepLR(1, gamma=0.5)))"
    lrs = simulate(parse_schedule(text), optimizers, Horizon(4, 3), metrics=losses)
    assert lrs[:, 0].tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1, 1, 1, 1, 0.5, 0.5, 0.5])
    assert lrs[:, 1].tolist() == pytest.approx([0, 2 / 3, 4 / 3, 2, 2, 2, 1, 1, 1, 0.5, 0.5, 0.5])


def test_a_scheduler_that_a_users_code_creates_is_written_as_notation() -> None:
    with recorded_schedulers() as records:
        optimizer = optimizer_of((0.1,))
        cosine = Warmup(optimizer, 5, CosineAnnealingLR(optimizer, 20))
        plateau = Warmup(optimizer, 5, ReduceLROnPlateau(optimizer))
    written = records.schedule(cosine, "batch")
    assert str(written) == 'Warmup(5, CosineAnnealingLR(T_max=20, per="batch"))'
    whole = parse_schedule('Warmup(5, CosineAnnealingLR(T_max=20), per="batch")')
    assert [part.per for part in written.walk()] == [part.per for part in whole.walk()]
    assert records.schedule(plateau, "batch").units == ("batch", "epoch")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Warmup(3)", "Warmup needs scheduler: the schedule that starts after the warmup"),
        ("Warmup(3, 4)", "a schedule is a call such as StepLR(step_size=3), not 4"),
        ("Warmup(1.0, StepLR(3))", "steps takes a number of steps (below 1: a share of the run), not 1.0"),
        ("Warmup(3, StepLR(3), 2)", "start_factor takes a number from 0 to 1, not 2"),
        ("Warmup(2, Warmup(2, StepLR(3)))", "a Warmup can't be inside a Warmup"),
        ("SequentialLR([StepLR(3), Warmup(2, StepLR(3))], [5])", "a Warmup goes around all other schedules"),
        ('Warmup(2, StepLR(3, per="batch"), per="epoch")', "per= of the Warmup is for the schedule inside as well"),
        ('Warmup(2, ReduceLROnPlateau(per="batch"))', "ReduceLROnPlateau steps per epoch only"),
        ("Warmup(2, SWALR(0.1))", 'weights are averaged per epoch: add per="epoch" at the end of the Warmup'),
    ],
)
def test_wrong_notation_is_refused(text: str, message: str) -> None:
    with pytest.raises(NotationError, match=re.escape(message)):
        parse_schedule(text)


def test_its_short_name_has_the_schedule_inside() -> None:
    assert short_notation("Warmup(0.05, StepLR(3))") == "Warmup 0.05 → Step 3"
    assert short_name("Warmup(0.05, StepLR(3))") == "Warmup → Step"


RESULTS = [{"loss": loss, "accuracy": 0.5} for loss in (1.0, 2.0, 3.0, 1.0, 0.5, 2.0)]


def code_lrs(code: str) -> list[list[float]]:
    assert "lrtui" not in code.replace("lrtui code", "")
    return lrs_of(code, RESULTS)


@settings(max_examples=examples(25, deep=300), deadline=None, suppress_health_check=list(HealthCheck))
@given(warmup())
def test_exported_code_has_the_same_lrs_without_lrtui(text: str) -> None:
    spec = RunSpec(schedule=text, optimizer='SGD(lr=0.1, momentum=0.9, groups={"fc1*": {"lr": 0.003}})', epochs=6)
    schedule, optimizer = parse_schedule(text), parse_optimizer(spec.optimizer)
    try:
        expected = simulate(schedule, optimizer, Horizon(6, 5), metrics=RESULTS)
    except NotationError:
        return
    assert code_lrs(code_of_spec(spec, 5)) == expected.tolist()


SWITCHED = ("Warmup(7, ReduceLROnPlateau(patience=0))", "Warmup(3, StepLR(1))", "StepLR(2)", "WarmupLinear(0.2)")


@settings(max_examples=examples(25, deep=300), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    texts=st.lists(st.sampled_from([*SWITCHED, "ReduceLROnPlateau(patience=0)"]), min_size=2, max_size=3),
    anchors=st.lists(st.sampled_from(["base", "current", "start"]), min_size=2, max_size=2),
    nudge=st.sampled_from(["", "step 4: lr*0.5", "step 21: lr*2"]),
    during_test=st.booleans(),
)
def test_exported_code_of_switches_has_the_lrs_of_the_run(
    texts: list[str], anchors: list[str], nudge: str, during_test: bool
) -> None:
    moments = ["test 2", "epoch 5"] if during_test else ["step 8", "step 20"]
    at = [f"{when}: {text} from {anchor}" for when, text, anchor in zip(moments, texts[1:], anchors, strict=False)]
    spec = RunSpec(schedule=texts[0], optimizer="SGD(lr=0.1)", epochs=6, at=(*at, *([nudge] if nudge else [])))
    assert code_lrs(code_of_spec(spec, 5)) == lrs_of_run(spec)


def lrs_of_run(spec: RunSpec) -> list[list[float]]:
    """Return the lr of each of 30 steps, with the commands of the script."""
    control = LrControl(
        build_tiny_optimizer(parse_optimizer(spec.optimizer)), parse_schedule(spec.schedule), Horizon(6, 5)
    )

    def carry_out(step: int, testing: bool) -> None:
        for line in read_script(spec.at, 6, 5):
            if line.step(5) == step and (line.when == "test") == testing:
                with contextlib.suppress(UsageError):
                    match line.command:
                        case SwitchSchedule(schedule, anchor):
                            control.switch(parse_schedule(schedule), anchor, step)
                        case ScaleLr(factor):
                            control.scale_by(factor)

    found = []
    for step in range(30):
        carry_out(step, testing=False)
        found.append(list(control.lrs))
        control.after_step()
        if step % 5 == 4:
            carry_out(step + 1, testing=True)
            control.after_epoch(step + 1, RESULTS[step // 5])
    return found


def test_it_resumes_at_every_step_of_a_run() -> None:
    def control() -> LrControl:
        text = "Warmup(7, ReduceLROnPlateau(factor=0.5, patience=0))"
        return LrControl(optimizer_of((0.1, 0.2)), parse_schedule(text), Horizon(6, 5))

    def advance(control: LrControl, step: int) -> tuple[float, ...]:
        lrs = control.lrs
        control.after_step()
        if step % 5 == 4:
            control.after_epoch(step + 1, RESULTS[step // 5])
        return lrs

    whole = control()
    expected = [advance(whole, step) for step in range(30)]
    for at in range(30):
        before, after = control(), control()
        found = [advance(before, step) for step in range(at)]
        after.restore(before.state())
        for group, lr in zip(after._optimizer.param_groups, before.lrs, strict=True):
            group["lr"] = lr
        assert found + [advance(after, step) for step in range(at, 30)] == expected


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Warmup(0.05, CosineAnnealingLR())", []),
        ("Warmup(938, ReduceLROnPlateau(patience=1))", []),
        ("Warmup(938, ExponentialLR(gamma=0.1))", ["dead-tail"]),
        ("Warmup(20000, CosineAnnealingLR())", ["endless-warm-up"]),
        ("Warmup(0.97, CosineAnnealingLR())", ["only-rises"]),
        ("Warmup(3, CosineAnnealingLR())", ["epochs-for-batches"]),
        ('Warmup(2, CosineAnnealingLR(), per="epoch")', ["dead-start"]),
        ("Warmup(200, CosineAnnealingLR(T_max=9380))", ["batches-for-epochs"]),
        ("Warmup(0.05, OneCycleLR(0.1, pct_start=0.9, total_steps=20000))", ["cycle-too-long"]),
        ("Warmup(0.05, ReduceLROnPlateau())", ["plateau-never-cuts"]),
        ("Warmup(0.6, ReduceLROnPlateau(threshold=0.9, patience=1))", ["plateau-threshold"]),
    ],
)
def test_check_finds_the_traps_of_the_warmup_and_of_the_schedule_inside(text: str, codes: list[str]) -> None:
    found = check_schedule(parse_schedule(text), parse_optimizer("Adam(lr=0.01)"), Horizon(10, 938))
    assert [each.code for each in found] == codes
    assert all(each.fix and each.fix.startswith("Warmup(") for each in found)
