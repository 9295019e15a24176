"""Optimizers of other packages and of files: as exact as a plain loop, resumed exactly, their errors named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from plain_optimizer_loop import EPOCHS, STEPS, Ordered, plain_loop, recorded
from training_runs import run_events

from lrtui.engine.run_code import code_of_spec
from lrtui.run.commands import EvaluateNow, Stop, SwitchSchedule
from lrtui.run.errors import NotationError
from lrtui.run.events import CommandRefused, Notice, RunFinished, RunStarted
from lrtui.run.spec import RunSpec
from lrtui.schedules.horizon import Horizon
from lrtui.schedules.notation import parse_optimizer, parse_schedule
from lrtui.schedules.optimizer_build import build_optimizer, build_tiny_optimizer
from lrtui.schedules.simulate import simulate
from lrtui.training.checkpoint.files import ResumePoint, saved_files
from lrtui.training.checkpoint.policy import Checkpoints


def spec(optimizer: str, **settings: Any) -> RunSpec:
    return RunSpec(
        **{"schedule": "ExponentialLR(0.5)", "optimizer": optimizer, "epochs": EPOCHS, "batch_size": 16, **settings}
    )


def outcome(events: list[Any]) -> tuple[str, str | None]:
    end = events[-1]
    assert isinstance(end, RunFinished)
    return end.outcome, end.error


@pytest.mark.parametrize(
    ("text", "lr"),
    [
        ("lion_pytorch:Lion(lr=0.001, weight_decay=0.1)", 0.001),
        ("lion_pytorch:Lion(weight_decay=0.1)", 0.0001),
        ("prodigyopt:Prodigy()", 1.0),
        ("schedulefree:AdamWScheduleFree(0.02, betas=(0.9, 0.99), warmup_steps=4)", 0.02),
        ("schedulefree:SGDScheduleFree(lr=0.5)", 0.5),
        ("LBFGS(lr=0.5, max_iter=4)", 0.5),
    ],
)
def test_a_run_equals_a_plain_loop(text: str, lr: float) -> None:
    task = Ordered()
    events = run_events(spec(text), task=task)
    assert outcome(events) == ("done", None)
    model = task.model()
    optimizer: Any = build_optimizer(parse_optimizer(text), model.named_parameters())
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)

    def step(batch: Any) -> float:
        def closure() -> Any:
            optimizer.zero_grad()
            loss = task.loss(model(batch[0]), batch[1])
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        return float(optimizer.step(closure).detach())

    expected = plain_loop(task, {"": optimizer}, model, [scheduler], step=step if "LBFGS" in text else None)
    losses, lrs, tests = recorded(events)
    assert lrs == expected[1]
    assert lrs[0] == (lr,)
    assert losses == pytest.approx(expected[0], abs=1e-6)
    assert tests == pytest.approx(expected[2], abs=1e-6)
    started = next(event for event in events if isinstance(event, RunStarted))
    # the lr is part of the notation that is stored, so that reading a run imports nothing
    assert parse_optimizer(started.spec.optimizer).arguments["lr"] == lr


@pytest.mark.parametrize("text", ["schedulefree:AdamWScheduleFree(lr=0.02)", "prodigyopt:Prodigy()"])
def test_a_run_resumed_in_mid_epoch_or_within_a_test_is_bit_identical(text: str, tmp_path: Path) -> None:
    whole = recorded(run_events(spec(text), task=Ordered()))
    # a test on demand must not change training, nor the checkpoint within a test
    first = run_events(
        spec(text), {8: [EvaluateNow()], 9: [Stop()]}, task=Ordered(), checkpoints=Checkpoints(tmp_path / "run")
    )
    within = run_events(
        spec(text), {6: [Stop()]}, meets_tests=True, task=Ordered(), checkpoints=Checkpoints(tmp_path / "within")
    )
    for events, folder, tests in ((first, tmp_path / "run", whole[2][1:]), (within, tmp_path / "within", whole[2])):
        assert outcome(events)[0] == "stopped"
        rest = run_events(
            spec(text),
            task=Ordered(),
            checkpoints=Checkpoints(folder),
            resume_point=ResumePoint(saved_files(folder)[-1].path),
            next_seq=10**6,
        )
        assert outcome(rest) == ("done", None)
        assert [*recorded(events)[0], *recorded(rest)[0]] == whole[0]
        assert recorded(rest)[2] == tests


def test_a_switch_leaves_the_state_that_an_optimizer_keeps_in_its_groups() -> None:
    text = "schedulefree:AdamWScheduleFree(lr=0.02)"
    plain = recorded(run_events(spec(text, schedule="ConstantLR(factor=1)"), task=Ordered()))
    script = {8: [SwitchSchedule("ConstantLR(factor=1)")]}
    events = run_events(spec(text, schedule="ConstantLR(factor=1)"), script, task=Ordered())
    assert not any(isinstance(event, CommandRefused) for event in events)
    assert recorded(events) == plain


def test_an_optimizer_of_a_file_has_groups_and_a_preview(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "import torch\n"
        "class Mine(torch.optim.SGD):\n"
        "    def __init__(self, params, lr=0.3, momentum=0.9):\n"
        "        super().__init__(params, lr=lr, momentum=momentum)\n"
    )
    text = f'{file}:Mine(momentum=0.5, groups={{"0.*": {{"lr": 0.1}}}})'
    parsed = parse_optimizer(text)
    assert str(parsed) == text
    assert (parsed.lrs, parsed.has_momentum) == ((0.3, 0.1), True)
    assert simulate(parse_schedule("StepLR(1, gamma=0.5)"), parsed, Horizon(2, 1)).tolist() == [
        [0.3, 0.1],
        [0.15, 0.05],
    ]
    events = run_events(spec(text), task=Ordered())
    assert outcome(events) == ("done", None)
    assert recorded(events)[1][STEPS] == (0.15, 0.05)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no_such_package:Lion()", "no_such_package can't be imported"),
        ("lion_pytorch:Lyon()", "has no Lyon"),
        ("lion_pytorch:Lion(lr=0.1, beta=3)", "Lion has no argument beta; did you mean betas"),
        ("lion_pytorch:Lion(1, 2, 3, 4, 5, 6, 7, 8)", "too many positional arguments"),
        ("lion_pytorch:Lion(lr=-1.0)", "lion_pytorch:Lion fails: AssertionError"),
        ("torch:Tensor()", "is no subclass of torch.optim.Optimizer"),
        ('lion_pytorch:Lion(groups={"*": {"lrr": 1}})', "Lion has no setting 'lrr'; did you mean lr"),
        ("no_such_file.py:Lion()", "there is no file"),
    ],
)
def test_what_a_class_refuses_is_named(text: str, message: str) -> None:
    with pytest.raises(NotationError) as refused:
        build_tiny_optimizer(parse_optimizer(text))
    assert message in str(refused.value)


class Sparse(Ordered):
    """A task with an embedding whose gradients are sparse."""

    dense = False

    def __init__(self) -> None:
        super().__init__()
        self.inputs = (self.inputs * 2).long().clamp(-4, 3) + 4

    def model(self) -> torch.nn.Module:
        torch.manual_seed(3)
        bag = torch.nn.EmbeddingBag(8, 2, sparse=True)
        return torch.nn.Sequential(bag, torch.nn.Linear(2, 2)) if self.dense else bag


class SparseAndDense(Sparse):
    dense = True


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_sparse_gradients_work_or_their_optimizer_is_refused_plainly() -> None:
    for text in ("SparseAdam(lr=0.01)", "SGD(lr=0.1, momentum=0.9)", "Adagrad(lr=0.1)"):
        assert outcome(run_events(spec(text, epochs=1), task=Sparse())) == ("done", None)
    _, error = outcome(run_events(spec("AdamW(lr=0.01)"), task=Sparse()))
    assert error is not None
    assert "AdamW can't use sparse gradients" in error
    assert "SparseAdam" in error
    _, error = outcome(run_events(spec("SparseAdam(lr=0.01)"), task=SparseAndDense()))
    assert error is not None
    assert "SparseAdam takes sparse gradients only" in error
    assert "1.weight" in error
    _, error = outcome(run_events(spec("SGD(lr=0.01, weight_decay=0.1)"), task=SparseAndDense()))
    assert error is not None
    assert "sparse" in error


def test_lbfgs_is_refused_where_its_closure_cannot_work() -> None:
    _, error = outcome(run_events(spec("LBFGS()", precision="fp16"), task=Ordered()))
    assert error is not None
    assert "fp16" in error
    _, error = outcome(run_events(spec('LBFGS(groups={"0.*": {"lr": 0.1}})'), task=Ordered()))
    assert error is not None
    assert "LBFGS" in error
    assert not [
        e
        for e in run_events(spec("LBFGS(max_iter=2)", epochs=1), task=Ordered())
        if isinstance(e, Notice) and e.level == "error"
    ]


def test_groups_are_chosen_by_rule_or_several_patterns_and_may_have_every_parameter() -> None:
    model = Ordered().model()
    rules = 'AdamW(lr=0.01, groups={"ndim<2": {"weight_decay": 0}})'
    built = build_optimizer(parse_optimizer(rules), model.named_parameters())
    assert [[p.ndim for p in group["params"]] for group in built.param_groups] == [[2, 2], [1, 1]]
    assert [group["weight_decay"] for group in built.param_groups] == [0.01, 0]
    several = 'AdamW(lr=0.01, groups={("*.bias", "2.*"): {"lr": 0.1}})'
    assert str(parse_optimizer(several)) == several
    assert parse_optimizer(several).group_names == ("default", "*.bias, 2.*")
    assert [
        len(group["params"])
        for group in build_optimizer(parse_optimizer(several), model.named_parameters()).param_groups
    ] == [1, 3]
    both = parse_optimizer('SGD(lr=1, groups={"ndim<2": {"lr": 0.1}, "ndim>=2": {"lr": 0.2}})')
    assert (both.group_names, both.lrs) == (("ndim<2", "ndim>=2"), (0.1, 0.2))
    assert simulate(parse_schedule("ConstantLR(1)"), both, Horizon(1, 1)).tolist() == [[0.1, 0.2]]
    # only the model shows that these have every parameter
    events = run_events(spec('SGD(lr=1, groups={"0.*": {"lr": 0.1}, "2.*": {"lr": 0.2}})', epochs=1), task=Ordered())
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.group_names == ("0.*", "2.*")
    assert started.group_lrs == (0.1, 0.2)
    assert parse_optimizer(started.spec.optimizer).lrs == (0.1, 0.2)


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
def test_exported_code_has_the_class_and_the_rules() -> None:
    text = 'lion_pytorch:Lion(weight_decay=0.1, groups={("ndim<2", "0.*"): {"lr": 0.5}})'
    code = code_of_spec(RunSpec(schedule="StepLR(1)", optimizer=text, epochs=2), 3)
    assert "from lion_pytorch import Lion" in code
    assert "Lion(parameter_groups(model), weight_decay=0.1)" in code
    variables: dict[str, Any] = {}
    exec(code, variables)
    assert [len(group["params"]) for group in variables["optimizer"].param_groups] == [1, 1]
    assert [group["lr"] for group in variables["optimizer"].param_groups] == pytest.approx([1e-6, 5e-3])
    for text in ("LBFGS(max_iter=2)", "SparseAdam()"):
        exec(code_of_spec(RunSpec(schedule="StepLR(1)", optimizer=text, epochs=2), 3), {})
