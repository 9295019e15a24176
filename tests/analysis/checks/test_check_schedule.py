"""Findings: the code, what they say, and whether their fix holds."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch

from lrtui.analysis.checks import Finding, check_schedule
from lrtui.analysis.checks.check import explain
from lrtui.run.errors import NotationError, UsageError
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate_anchor


def codes(schedule: str, optimizer: str = "Adam(lr=0.01)", epochs: int = 10, batches: int = 100) -> list[str]:
    found = check_schedule(parse_schedule(schedule), parse_optimizer(optimizer), Horizon(epochs, batches))
    return [finding.code for finding in found]


@pytest.mark.parametrize(
    ("schedule", "optimizer", "code"),
    [
        ("ExponentialLR(gamma=0.1)", "Adam(lr=0.01)", "dead-tail"),
        ("CosineAnnealingLR(T_max=5)", "Adam(lr=0.01)", "goes-up-again"),
        ('CosineAnnealingLR(T_max=10, per="batch")', "Adam(lr=0.01)", "epochs-for-batches"),
        ("StepLR(step_size=300)", "Adam(lr=0.01)", "batches-for-epochs"),
        ("StepLR(step_size=30)", "Adam(lr=0.01)", "never-reached"),
        ("OneCycleLR(max_lr=0.003, total_steps=500)", "Adam(lr=0.01)", "cycle-too-short"),
        ("OneCycleLR(max_lr=0.003, total_steps=5000)", "Adam(lr=0.01)", "cycle-too-long"),
        ("OneCycleLR(max_lr=0.1)", "Adagrad(lr=0.01)", "no-momentum"),
        ("CyclicLR(base_lr=0.001, max_lr=0.01)", "Adam(lr=0.01)", "cycle-unfinished"),
        ("ConstantLR()", "Adam(lr=0.01)", "default-third"),
        ("ReduceLROnPlateau(patience=20)", "Adam(lr=0.01)", "plateau-never-cuts"),
        ('LambdaLR("-1")', "Adam(lr=0.01)", "negative"),
        ('LambdaLR("0")', "Adam(lr=0.01)", "nothing"),
        ("ExponentialLR(gamma=3)", "SGD(lr=0.01)", "exploding"),
        ('LambdaLR("0.01 * 0.9 ** epoch")', "Adam(lr=0.01)", "factor-is-lr"),
        ("MultiStepLR([3, 3])", "Adam(lr=0.01)", "milestone-twice"),
        ("CosineAnnealingLR(eta_min=0.1)", "Adam(lr=0.01)", "upside-down"),
        ("LinearLR(start_factor=0.1, total_iters=20)", "Adam(lr=0.01)", "endless-warm-up"),
        ("OneCycleLR(max_lr=1.0)", "Adam(lr=0.01)", "implausible"),
    ],
)
def test_the_first_finding(schedule: str, optimizer: str, code: str) -> None:
    assert codes(schedule, optimizer)[:1] == [code]


def test_the_case_study_gets_a_fix() -> None:
    (finding,) = check_schedule(
        parse_schedule("ExponentialLR(gamma=0.1)"), parse_optimizer("Adam(lr=0.01)"), Horizon(10, 938)
    )
    assert finding.fix == "ExponentialLR(gamma=0.6)"
    assert "from epoch 4 on" in finding.message


def test_an_unknown_code_names_a_similar_one() -> None:
    with pytest.raises(UsageError, match="did you mean dead-tail"):
        explain("dead-tial")


def findings(schedule: str, horizon: Horizon, optimizer: str = "Adam(lr=0.01)", **known: object) -> list[Finding]:
    return check_schedule(parse_schedule(schedule), parse_optimizer(optimizer), horizon, **known)  # type: ignore[arg-type]


def test_a_finding_that_the_fix_of_another_removes_is_left_out() -> None:
    # it holds its last lr for half of the run, which is also a dead tail
    assert codes("OneCycleLR(max_lr=0.003, total_steps=500)") == ["cycle-too-short"]


def test_independent_findings_are_all_reported_the_worst_first() -> None:
    schedule = "SequentialLR([ConstantLR(total_iters=2), MultiStepLR([3, 3])], milestones=[2])"
    found = findings(schedule, Horizon(10, 100))
    assert [finding.code for finding in found] == ["milestone-twice", "default-third"]
    for finding in found:
        other = {"milestone-twice": "default-third", "default-third": "milestone-twice"}[finding.code]
        assert codes(str(finding.fix)) == [other]


@pytest.mark.parametrize(("length", "steps", "raises"), [(5, 7, True), (6, 7, True), (7, 7, False), (8, 7, False)])
def test_a_cycle_is_too_short_where_pytorch_raises(length: int, steps: int, raises: bool) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=length)
    optimizer.step()
    message = ""
    try:
        for _ in range(steps):
            scheduler.step()
    except ValueError as error:
        message = str(error)
    assert bool(message) is raises
    found = findings(f"OneCycleLR(max_lr=0.1, total_steps={length})", Horizon(1, steps), "SGD(lr=0.1, momentum=0.9)")
    short = [finding for finding in found if finding.code == "cycle-too-short"]
    assert bool(short) is raises
    if raises:
        # PyTorch's message in a loop without lrtui
        assert message.startswith(f"Tried to step {length + 1} times")
        assert f"Tried to step {length + 1} times" in short[0].message


@pytest.mark.parametrize("code", ["return [1e-9 * lr if self.last_epoch else lr for lr in self.base_lrs]"])
def test_a_users_class_is_judged_by_its_lrs(code: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch.optim.lr_scheduler import LRScheduler\n"
        f"class Mine(LRScheduler):\n    def get_lr(self):\n        {code}\n"
    )
    (finding,) = findings(f"{tmp_path}/mine.py:Mine()", Horizon(10, 3))
    # the meaning of its arguments is unknown
    assert (finding.code, finding.fix) == ("dead-tail", None)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise RuntimeError('no lr today')", "no lr today"),
        ("return ['x' for _ in self.base_lrs]", "ValueError"),
        ("return [lr if self.last_epoch < 3 else 1 / 0 for lr in self.base_lrs]", "step() call 3"),
    ],
)
def test_a_users_class_that_fails_is_a_finding(code: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch.optim.lr_scheduler import LRScheduler\n"
        f"class Mine(LRScheduler):\n    def get_lr(self):\n        {code}\n"
    )
    (finding,) = findings(f"{tmp_path}/mine.py:Mine()", Horizon(10, 3))
    assert finding.code == "cannot-run"
    assert message in finding.message
    assert "\n" not in finding.message


def test_a_missing_class_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotationError, match="there is no file"):
        findings(f"{tmp_path}/nowhere.py:Mine()", Horizon(10, 3))


def test_known_lrs_give_the_same_findings() -> None:
    schedule, optimizer, horizon = (
        parse_schedule("CosineAnnealingLR(T_max=3)"),
        parse_optimizer("SGD(lr=0.1)"),
        Horizon(9, 5, 7),
    )
    lrs = simulate_anchor(schedule, optimizer, horizon, "current", (0.02,))
    known = check_schedule(schedule, optimizer, horizon, base_lrs=(0.02,), lrs=lrs)
    assert known == check_schedule(schedule, optimizer, horizon, base_lrs=(0.02,))
    (finding,) = known
    # the current epoch ends with the first call: the lowest lr comes after 3 calls, at the start of epoch 5
    assert finding.code == "goes-up-again"
    assert "from epoch 5 on" in finding.message
    assert float(lrs.max()) == pytest.approx(0.02)


def test_during_a_run_the_remaining_steps_are_checked() -> None:
    assert codes("CosineAnnealingLR(T_max=6)", epochs=6) == []
    assert [finding.code for finding in findings("CosineAnnealingLR(T_max=6)", Horizon(10, 100, 700))] == ["cut-short"]
    assert findings("CosineAnnealingLR()", Horizon(10, 100, 700)) == []
    assert findings("CosineAnnealingLR()", Horizon(10, 100, 1000)) == []


def test_a_schedule_that_builds_on_a_dead_lr_is_dead() -> None:
    (finding,) = findings("CosineAnnealingLR()", Horizon(10, 100, 700), base_lrs=(1e-9,))
    assert finding.code == "nothing"


def test_a_frozen_parameter_group_is_not_reported() -> None:
    optimizer = 'Adam(lr=0.01, groups={"fc*": {"lr": 0}})'
    assert codes("CosineAnnealingLR()", optimizer) == []
    assert codes('LambdaLR(["0.8 ** epoch", "0"])', 'Adam(lr=0.01, groups={"fc*": {"lr": 0.001}})') == []
    assert codes('LambdaLR(["0.1 ** epoch", "0.1 ** epoch"])', 'Adam(lr=0.01, groups={"fc*": {"lr": 0.001}})') == [
        "dead-tail"
    ]


def test_ten_thousand_steps_take_less_than_a_second() -> None:
    schedules = (
        "OneCycleLR(max_lr=0.003)",
        "OneCycleLR(max_lr=0.003, total_steps=5000)",
        'ExponentialLR(0.9, per="batch")',
    )
    findings(schedules[0], Horizon(1, 10))
    for schedule in schedules:
        # CPU time; the limit is six times the time on a slow machine that does nothing else
        started = time.thread_time()
        findings(schedule, Horizon(10, 1000))
        assert time.thread_time() - started < 2


def test_a_missing_cut_is_found_by_simulation() -> None:
    for epochs in range(1, 9):
        for patience in range(8):
            lrs = _lrs_without_improvement(patience, epochs)
            found = [
                finding.code for finding in findings(f"ReduceLROnPlateau(patience={patience})", Horizon(epochs, 3))
            ]
            assert found == ([] if np.ptp(lrs) else ["plateau-never-cuts"]), (epochs, patience)


def _lrs_without_improvement(patience: int, epochs: int) -> list[float]:
    """Return the lr of each epoch if no test is better than the first."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=patience)
    lrs = []
    for _ in range(epochs):
        lrs.append(optimizer.param_groups[0]["lr"])
        scheduler.step(1.0)
    return lrs


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("WarmupLinear(0.9)", "WarmupLinear(warmup=0.1)"),
        ("WSD(0.05, 0.2, total_steps=2000)", "WSD(warmup=0.05, decay=0.2)"),
        ('WSD(0.9, 30, "cosine")', 'WSD(warmup=0.1, decay=30, shape="cosine")'),
        ("WSD(9000, 0.2)", "WSD(warmup=938, decay=0.2)"),
        ("Warmup(0.8, CosineAnnealingLR())", "Warmup(0.1, CosineAnnealingLR())"),
        (
            "Warmup(0.05, WarmupCosine(0.9), start_factor=0.1)",
            "Warmup(0.05, WarmupCosine(warmup=0.1), start_factor=0.1)",
        ),
    ],
)
def test_a_share_of_the_run_is_fixed_as_a_share(text: str, fix: str) -> None:
    findings = check_schedule(parse_schedule(text), parse_optimizer("SGD(lr=0.1)"), Horizon(10, 938))
    assert fix in [finding.fix for finding in findings]


ADAMW_FREE = "schedulefree:AdamWScheduleFree(lr=0.0025)"
PRODIGY = "prodigyopt:Prodigy(lr=1.0)"


@pytest.mark.parametrize(
    ("optimizer", "schedule", "code", "words"),
    [
        (ADAMW_FREE, "ConstantLR(factor=1.0)", "", ""),
        (ADAMW_FREE, "WarmupCosine(0.05)", "schedule-free", "its warm-up is its own argument, warmup_steps"),
        (ADAMW_FREE, "Warmup(0.05, ReduceLROnPlateau())", "schedule-free", "(better: ConstantLR(factor=1.0))"),
        ("schedulefree:RAdamScheduleFree()", "ReduceLROnPlateau()", "schedule-free", "needs no warm-up either"),
        ("pytorch_optimizer:ScheduleFreeSGD(lr=1.0)", "ExponentialLR(0.1)", "schedule-free", "averages its weights"),
        (PRODIGY, "ConstantLR(factor=1.0)", "", ""),
        (PRODIGY, 'CosineAnnealingLR(per="batch")', "", ""),
        (PRODIGY, "WarmupCosine(0.05)", "prodigy-schedule", "without safeguard_warmup=True"),
        (PRODIGY, "CosineAnnealingWarmRestarts(T_0=5)", "prodigy-schedule", "(better: CosineAnnealingLR())"),
        ("prodigyopt:Prodigy(lr=1.0, safeguard_warmup=True)", "WarmupCosine(0.05)", "", ""),
        (PRODIGY, "ReduceLROnPlateau(patience=1)", "prodigy-schedule", "ReduceLROnPlateau works against it"),
        ("prodigyopt:Prodigy(lr=0.001)", "CosineAnnealingLR()", "prodigy-lr", "not 0.001. Set the lr of Prodigy to 1"),
        ("pytorch_optimizer:DAdaptAdam(lr=1.0)", "MultiStepLR([4, 8])", "", ""),
        (
            "pytorch_optimizer:DAdaptAdam(lr=0.001)",
            "MultiStepLR([4, 8])",
            "prodigy-lr",
            "Set the lr of DAdaptAdam to 1",
        ),
    ],
)
def test_optimizers_that_tune_themselves_get_the_schedules_that_their_authors_recommend(
    optimizer: str, schedule: str, code: str, words: str
) -> None:
    found = check_schedule(parse_schedule(schedule), parse_optimizer(optimizer), Horizon(10, 938))
    assert [finding.code for finding in found] == ([code] if code else [])
    assert words in " ".join(map(str, found))
