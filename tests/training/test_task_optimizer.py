"""Optimizers that a task makes with `optimizer(model)`: one, or several by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from plain_optimizer_loop import EPOCHS, STEPS, Ordered, plain_loop, recorded
from training_runs import run_events

from lrtui.__main__ import main
from lrtui.analysis.checks.check import check_schedule
from lrtui.cli.run_findings import finding_lines
from lrtui.engine.run_code import code_of_spec
from lrtui.run.commands import ScaleLr, SetLr, Stop, SwitchSchedule, UndoLr
from lrtui.run.events import CommandRefused, Event, Notice, RunFinished, RunStarted, ScheduleSwitched
from lrtui.run.spec import RunSpec
from lrtui.schedules.command_notation import parse_command
from lrtui.schedules.forecast import ForecastRequest, forecast
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.lr_placement import place_lr
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.simulate import simulate
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.policy import Checkpoints


def spec(**settings: Any) -> RunSpec:
    return RunSpec(**{"schedule": "ExponentialLR(0.5)", "epochs": EPOCHS, "batch_size": 16, **settings})


def started(events: list[Event]) -> RunStarted:
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert (end.outcome, end.error) in (("done", None), ("stopped", None))
    return next(event for event in events if isinstance(event, RunStarted))


class ByDimension(Ordered):
    """Groups by the number of dimensions, as nanoGPT has them."""

    def optimizer(self, model: torch.nn.Module) -> Any:
        decay = [p for p in model.parameters() if p.ndim >= 2]
        rest = [p for p in model.parameters() if p.ndim < 2]
        groups = [{"params": decay, "name": "decay"}, {"params": rest, "weight_decay": 0.0, "lr": 0.002}]
        return torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)


class Muon(Ordered):
    """Muon for the matrices, AdamW for the rest."""

    def optimizer(self, model: torch.nn.Module) -> Any:
        matrices = [p for p in model.parameters() if p.ndim == 2]
        return {
            "muon": torch.optim.Muon(matrices, lr=0.02),
            "adamw": torch.optim.AdamW([p for p in model.parameters() if p.ndim != 2], lr=0.003),
        }


def test_the_optimizer_of_a_task_is_used_described_and_previewed() -> None:
    task = ByDimension()
    events = run_events(spec(), task=task)
    text = (
        'task:AdamW(lr=0.01, betas=(0.9, 0.95), groups={"decay": {"lr": 0.01, "weight_decay": 0.1}, '
        '"group 1": {"lr": 0.002, "weight_decay": 0.0}})'
    )
    run = started(events)
    assert run.spec.optimizer == text
    assert (run.group_names, run.group_lrs) == (("decay", "group 1"), (0.01, 0.002))
    model = task.model()
    optimizer = task.optimizer(model)
    expected = plain_loop(task, {"": optimizer}, model, [torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)])
    losses, lrs, _ = recorded(events)
    assert lrs == expected[1]
    assert losses == pytest.approx(expected[0], abs=1e-6)
    parsed = parse_optimizer(text)
    assert (str(parsed), parsed.has_momentum) == (text, True)
    previewed = simulate(parse_schedule("ExponentialLR(0.5)"), parsed, Horizon(EPOCHS, STEPS))
    assert [tuple(row) for row in previewed.tolist()] == lrs


def test_an_optimizer_of_the_settings_wins_and_an_lr_can_be_placed_in_the_tasks() -> None:
    for text in ("SGD(lr=0.1)", "torch.optim.Adam(lr=0.01)"):
        run = started(run_events(spec(optimizer=text, epochs=1), task=ByDimension()))
        assert run.spec.optimizer == text
        assert run.group_names == ("default",)
    own = started(run_events(spec(epochs=1), task=ByDimension())).spec.optimizer
    placed = place_lr("ExponentialLR(0.5)", own, 0.1)
    run = started(run_events(spec(optimizer=placed.optimizer, epochs=1), task=ByDimension()))
    assert run.group_lrs == (0.1, 0.02)
    failed = run_events(spec(optimizer="task:SGD(lr=0.1)", epochs=1), task=ByDimension())[-1]
    assert "is not what the task's optimizer(model) returns" in str(getattr(failed, "error", ""))
    failed = run_events(spec(optimizer=own, epochs=1), task=Ordered())[-1]
    assert "needs a task with a method optimizer(model)" in str(getattr(failed, "error", ""))


@pytest.mark.parametrize(
    "text",
    [
        "OneCycleLR(max_lr=[0.02, 0.003])",
        "PerOptimizer(muon=WSD(warmup=3, decay=6), adamw=ExponentialLR(gamma=0.5))",
        "PerOptimizer(muon=WarmupLinear(warmup=3), adamw=ReduceLROnPlateau(patience=0, threshold=9))",
    ],
)
def test_several_optimizers_share_a_schedule_or_have_one_each(text: str) -> None:
    task = Muon()
    events = run_events(spec(schedule=text), task=task)
    run = started(events)
    assert run.group_names == ("muon", "adamw")
    model = task.model()
    optimizers = task.optimizer(model)
    muon, adamw = optimizers.values()
    losses, lrs, _ = recorded(events)
    total = EPOCHS * STEPS
    if text.startswith("OneCycle"):
        schedulers = [
            torch.optim.lr_scheduler.OneCycleLR(each, lr, total_steps=total)
            for each, lr in ((muon, 0.02), (adamw, 0.003))
        ]
        expected = plain_loop(task, optimizers, model, schedulers, per="batch")
        assert losses == pytest.approx(expected[0], abs=1e-6)
        assert lrs == expected[1]
    elif "WSD" in text:
        assert [lr for _, lr in lrs] == [0.003] * STEPS + [0.0015] * STEPS + [0.00075] * STEPS
        assert [lr for lr, _ in lrs][:5] == pytest.approx([0.02 * share for share in (0, 1 / 3, 2 / 3, 1, 1)])
    else:
        assert [lr for _, lr in lrs][::STEPS] == pytest.approx([0.003, 0.0003, 0.00003])
        assert [lr for lr, _ in lrs][2:4] == pytest.approx([0.02 * 2 / 3, 0.02])
    assert str(parse_schedule(run.spec.schedule)) == run.spec.schedule
    if "Plateau" not in text:
        preview = simulate(parse_schedule(text), parse_optimizer(run.spec.optimizer), Horizon(EPOCHS, STEPS))
        assert [tuple(row) for row in preview.tolist()] == lrs


def test_each_optimizer_is_checked_with_its_schedule() -> None:
    optimizer = parse_optimizer("task:optimizers(muon=task:Muon(lr=0.02, momentum=0.95), adamw=task:AdamW(lr=0.003))")
    schedule = parse_schedule("PerOptimizer(muon=ExponentialLR(0.1), adamw=CosineAnnealingLR())")
    found = check_schedule(schedule, optimizer, Horizon(10, 100))
    assert [(finding.code, finding.message[:6]) for finding in found] == [("dead-tail", "muon: ")]
    assert found[0].fix is not None
    assert found[0].fix.endswith("adamw=CosineAnnealingLR())")
    assert not check_schedule(parse_schedule(found[0].fix), optimizer, Horizon(10, 100))


@pytest.mark.parametrize("step", [6, 9])
def test_a_run_with_several_optimizers_is_resumed_bit_identically(step: int, tmp_path: Path) -> None:
    schedule = "PerOptimizer(muon=WSD(warmup=3, decay=6), adamw=ExponentialLR(gamma=0.5))"
    script: dict[int, Any] = {
        2: [ScaleLr(0.5)],
        4: [SetLr(0.001, 1)],
        5: [UndoLr()],
        7: [SwitchSchedule("PerOptimizer(muon=ExponentialLR(0.9), adamw=WarmupLinear(warmup=2))")],
        13: [SwitchSchedule("StepLR(1)", "current")],
    }
    whole = recorded(run_events(spec(schedule=schedule), script, task=Muon()))
    before = {at: commands for at, commands in script.items() if at <= step}
    first = run_events(
        spec(schedule=schedule),
        {**before, step: [Stop()]},
        task=Muon(),
        checkpoints=Checkpoints(tmp_path),
        meets_tests=step == 6,
    )
    assert not [event for event in first if isinstance(event, CommandRefused)]
    rest = run_events(
        spec(schedule=schedule),
        {at: commands for at, commands in script.items() if at > step},
        task=Muon(),
        resume_point=ResumePoint(saved_files(tmp_path)[-1].path),
        next_seq=10**6,
    )
    started(rest)
    for index in (0, 1):
        assert [*recorded(first)[index], *recorded(rest)[index]] == whole[index]


@pytest.mark.parametrize(
    "adamw", ["ExponentialLR(gamma=0.5)", "WarmupLinear(warmup=2)", "ReduceLROnPlateau(patience=0)"]
)
@pytest.mark.parametrize("anchor", ["base", "current"])
def test_a_switch_of_one_optimizer_leaves_the_others(adamw: str, anchor: str, tmp_path: Path) -> None:
    schedule = f"PerOptimizer(muon=ExponentialLR(0.9), adamw={adamw})"
    plain = run_events(spec(schedule=schedule), task=Muon())
    switch = parse_command(f"muon=WarmupLinear(warmup=2) from {anchor}")
    script: dict[int, Any] = {8: [switch]}
    events = run_events(spec(schedule=schedule), script, task=Muon())
    (switched,) = [event for event in events if isinstance(event, ScheduleSwitched)]
    lrs, lrs_without = recorded(events)[1], recorded(plain)[1]
    if "Plateau" not in adamw:
        # the results of the tests differ, so that the cuts may
        assert [lr for _, lr in lrs] == [lr for _, lr in lrs_without]
        request = ForecastRequest(
            switched.schedule, started(events).spec.optimizer, EPOCHS, STEPS, 8, anchor, tuple(switched.lrs_before)
        )
        assert [tuple(row) for row in forecast(request).lrs.tolist()] == lrs[8:]
    start = 0.02 if anchor == "base" else lrs_without[8][0]
    assert [lr for lr, _ in lrs[8:11]] == [0, start / 2, start]
    # resumed after the switch, and switched once more
    more: dict[int, Any] = {15: [parse_command("adamw=ConstantLR(1)")]}
    whole = recorded(run_events(spec(schedule=schedule), {**script, **more}, task=Muon()))
    first = run_events(
        spec(schedule=schedule), {**script, 10: [Stop()]}, task=Muon(), checkpoints=Checkpoints(tmp_path)
    )
    point = ResumePoint(saved_files(tmp_path)[-1].path)
    rest = run_events(spec(schedule=schedule), more, task=Muon(), resume_point=point, next_seq=10**6)
    for index in (0, 1):
        assert [*recorded(first)[index], *recorded(rest)[index]] == whole[index]
    assert [lr for _, lr in whole[1][15:]] == [0.003] * 3


def test_a_switch_of_one_optimizer_that_is_not_exact_is_refused() -> None:
    def reasons(commands: dict[int, Any], **settings: Any) -> list[str]:
        events = run_events(spec(), commands, task=Muon(), **settings)
        return [event.reason for event in events if isinstance(event, CommandRefused)]

    switch = parse_command("muon=StepLR(1)")
    assert "changed by hand" in reasons({3: [SetLr(0.1, 1), switch]})[0]
    assert reasons({3: [SetLr(0.1, 0), switch]}) == []
    assert "every optimizer" in reasons({3: [parse_command("muon=StepLR(1) from start")]})[0]
    assert "wait for the test" in reasons({6: [switch]}, meets_tests=True)[0]
    assert "no optimizer moun" in reasons({3: [parse_command("moun=StepLR(1)")]})[0]
    at = run_events(spec(at=("step 3: muon=StepLR(1)",)), task=Muon())
    assert [event.schedule for event in at if isinstance(event, ScheduleSwitched)] == [
        'PerOptimizer(muon=StepLR(step_size=1), adamw=ExponentialLR(gamma=0.5), continues={"adamw": [0, 0.003]})'
    ]
    # a pasted line, and a name in front of the schedule of a single optimizer
    assert parse_command("scheduler = StepLR(1)").text == "scheduler = StepLR(1) from base"
    named = run_events(spec(), {3: [parse_command("mine = StepLR(1)")]}, task=Ordered())
    assert [event.schedule for event in named if isinstance(event, ScheduleSwitched)] == ["StepLR(step_size=1)"]


@pytest.mark.parametrize(
    ("task", "switch", "finding"),
    [
        (Muon, "step 3: muon = ExponentialLR(0.9)", []),
        (Muon, "step 3: muon = StepLR(9)", ["check: never-reached: muon"]),
        (Ordered, "step 3: mine = StepLR(9)", ["check: never-reached: step_size=9"]),
    ],
)
def test_a_scripted_switch_of_one_optimizer_is_checked_with_those_that_go_on(
    task: Any, switch: str, finding: list[str]
) -> None:
    settings = spec(schedule="ConstantLR(factor=1)", at=(switch,))
    events = run_events(settings, {4: [Stop()]}, task=task())
    started = next(event for event in events if isinstance(event, RunStarted))
    found = finding_lines(started, settings)
    assert [line[: len(start)] for line, start in zip(found, finding, strict=True)] == finding


class Criterion(Ordered):
    """The criterion has parameters that optimizer(model) may forget."""

    trains = False

    def __init__(self) -> None:
        super().__init__()
        self.criterion = torch.nn.PReLU()
        torch.nn.init.constant_(self.criterion.weight, 0.5)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return super().loss(self.criterion(outputs), targets)


class TrainedCriterion(Criterion):
    def optimizer(self, model: torch.nn.Module) -> Any:
        return torch.optim.SGD([*model.parameters(), *self.criterion.parameters()], lr=0.1)


def test_parameters_of_a_criterion_are_trained_resumed_or_reported(tmp_path: Path) -> None:
    def warnings(events: list[Event]) -> list[str]:
        return [event.text for event in events if isinstance(event, Notice) and event.level == "warning"]

    assert "self.criterion.weight" in warnings(run_events(spec(epochs=1), task=Criterion()))[0]
    whole = run_events(spec(), task=TrainedCriterion())
    assert not warnings(whole)
    first = run_events(spec(), {9: [Stop()]}, task=TrainedCriterion(), checkpoints=Checkpoints(tmp_path))
    task = TrainedCriterion()
    rest = run_events(spec(), task=task, resume_point=ResumePoint(saved_files(tmp_path)[-1].path), next_seq=10**6)
    assert [*recorded(first)[0], *recorded(rest)[0]] == recorded(whole)[0]
    assert float(task.criterion.weight.detach()) != 0.5


class Teacher(Ordered):
    """Distills the outputs of a frozen network, which still has requires_grad."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = torch.nn.Linear(4, 2)

    def step(self, model: torch.nn.Module, batch: Any) -> Any:
        with torch.no_grad():
            wanted = self.teacher(batch[0])
        return torch.nn.functional.mse_loss(model(batch[0]), wanted)


def test_a_teacher_is_not_reported_as_a_criterion_that_lacks_an_optimizer() -> None:
    events = run_events(spec(epochs=1), task=Teacher())
    assert not [event.text for event in events if isinstance(event, Notice) and event.level == "warning"]
    assert [event.outcome for event in events if isinstance(event, RunFinished)] == ["done"]


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda model: None, "optimizer(model) must return a torch.optim.Optimizer"),
        (lambda model: {}, "optimizer(model) must return a torch.optim.Optimizer"),
        (lambda model: {"a b": torch.optim.SGD(model.parameters(), lr=1.0)}, "an optimizer named 'a b'"),
        (
            lambda model: {name: torch.optim.SGD(model.parameters(), lr=1.0) for name in ("a", "b")},
            "optimizers that share parameters",
        ),
        (lambda model: torch.optim.SGD(model.parameter(), lr=1.0), "optimizer(model) fails: AttributeError"),
    ],
)
def test_a_mistake_in_optimizer_is_explained(returned: Any, message: str) -> None:
    class Wrong(Ordered):
        optimizer = staticmethod(returned)

    assert message in str(run_events(spec(), task=Wrong())[-1])


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("PerOptimizer(muon=StepLR(1))", "there is no schedule for the optimizer adamw"),
        ("PerOptimizer(muon=StepLR(1), adam=StepLR(1))", "there is no optimizer adam: the task has muon, adamw"),
        ("PerOptimizer(muon=OneCycleLR(0.1), adamw=SWALR(0.1))", "needs the same unit"),
        ("PerOptimizer(StepLR(1))", "takes a schedule for each optimizer by its name"),
    ],
)
def test_a_schedule_that_does_not_fit_the_optimizers_is_refused(schedule: str, message: str) -> None:
    assert message in str(run_events(spec(schedule=schedule), task=Muon())[-1])
    if "muon=StepLR" in schedule:
        assert "single optimizer" in str(run_events(spec(schedule=schedule), task=Ordered())[-1])


MUON = "task:optimizers(muon=task:Muon(lr=0.02, momentum=0.95), adamw=task:Lion(lr=0.003, betas=(0.9, 0.99)))"


@pytest.mark.parametrize(
    ("schedule", "optimizer"),
    [
        (
            "StepLR(1)",
            'task:AdamW(lr=0.01, betas=(0.9, 0.95), groups={"decay": {"lr": 0.01}, "group 1": {"lr": 0.002}})',
        ),
        ("OneCycleLR(max_lr=[0.2, 0.1])", MUON),
        ("PerOptimizer(ExponentialLR(0.5), muon=WSD(warmup=2, decay=2))", MUON),
        ("PerOptimizer(muon=ReduceLROnPlateau(patience=0), adamw=StepLR(1))", MUON),
        ("PerOptimizer(muon=Warmup(2, ReduceLROnPlateau(patience=0)), adamw=StepLR(1))", MUON),
        ("StepLR(1)", "task:LBFGS(lr=1.0)"),
    ],
)
def test_exported_code_has_the_lr_of_the_run_and_a_function_for_the_tasks_optimizer(
    schedule: str, optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = code_of_spec(RunSpec(schedule=schedule, optimizer=optimizer, epochs=3), 2)
    assert "lrtui" not in code.replace("lrtui.schedulers", "")
    variables: dict[str, Any] = {}
    exec(code, variables)
    optimizers = variables.get("optimizers") or {"": variables["optimizer"]}
    assert list(optimizers) == (["muon", "adamw"] if "muon" in optimizer else [""])
    if "Plateau" not in schedule and "OneCycle" not in schedule:
        lrs = simulate(parse_schedule(schedule), parse_optimizer(optimizer), Horizon(4, 2))
        # the lr after the last step is that of the next epoch
        ends = [float(group["lr"]) for each in optimizers.values() for group in each.param_groups]
        if "WSD" not in schedule:
            assert ends == lrs[6].tolist()
        else:
            assert ends == pytest.approx([0.0, lrs[6, 1]], abs=0.011)


def test_a_command_takes_a_schedule_for_each_optimizer_and_knows_the_tasks_lr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    task = tmp_path / "two.py"
    task.write_text(
        "import torch\n"
        "class Two:\n"
        "    def training_data(self): return torch.zeros(4, 3), torch.zeros(4).long()\n"
        "    test_data = training_data\n"
        "    def model(self): return torch.nn.Linear(3, 2)\n"
        "    def loss(self, outputs, targets): return torch.nn.functional.cross_entropy(outputs, targets)\n"
        "    def optimizer(self, model):\n"
        "        return {'a': torch.optim.SGD([model.weight], lr=0.5), 'b': torch.optim.Adam([model.bias], lr=0.25)}\n"
    )
    common = ["--task", f"{task}:Two", "--epochs", "2", "--batches-per-epoch", "2"]
    assert main(["preview", "ConstantLR(1)", "--schedule", "a=StepLR(1)", *common, "--csv"]) == 0
    rows = [line.split(",")[3:] for line in capsys.readouterr().out.splitlines()[-4:]]
    assert [[float(lr) for lr in row] for row in rows] == [[0.5, 0.25]] * 2 + [[0.05, 0.25]] * 2
    assert main(["train", "--schedule", "a=StepLR(1)", "--schedule", "ConstantLR(1)"]) == 2
    assert "--schedule takes NAME=SCHEDULE" in capsys.readouterr().err
    rows = ["preview", "ConstantLR(1)", *common, "--csv", "--optimizer", "Adam(lr=0.01)"]
    assert main(rows) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(",0.01")
    assert main(["train"]) == 2
    assert "a schedule is needed" in capsys.readouterr().err
    assert main(["check", "--schedule", "a=StepLR(1)", "--schedule", "c=StepLR(1)", *common]) == 2
    assert "no optimizer c" in capsys.readouterr().err
