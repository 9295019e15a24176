"""SWALR and its averaged model, compared with the recipe in PyTorch's documentation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from training_runs import run_events, tiny_spec

from lrtui.run.commands import ScaleLr, SwitchSchedule
from lrtui.run.events import EvalDone, Notice, StepDone
from lrtui.run.feed import LiveFeed
from lrtui.run.inbox import Inbox
from lrtui.run.log import evaluation_line
from lrtui.run.spec import RunSpec
from lrtui.run.state import RunState
from lrtui.schedules.notation import parse_schedule
from lrtui.training.reporter import Reporter
from lrtui.training.train import train


class WithBatchNorm:
    """A task whose model has BatchNorm, and draws random numbers as it trains."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(3)
        self.inputs = torch.randn(80, 4, generator=generator)
        self.targets = (self.inputs.sum(dim=1) > 0).long()

    def model(self) -> torch.nn.Module:
        self.made = torch.nn.Sequential(
            torch.nn.Linear(4, 8),
            torch.nn.BatchNorm1d(8),
            torch.nn.ReLU(),
            torch.nn.Dropout(0.2),
            torch.nn.Linear(8, 2),
        )
        return self.made

    def training_data(self) -> Any:
        return self.inputs[:60], self.targets[:60]

    def test_data(self) -> Any:
        return self.inputs[60:], self.targets[60:]

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, targets)

    def metrics(self, outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets}


def play(schedule: str, **settings: Any) -> tuple[WithBatchNorm, list[Any]]:
    task, reporter = WithBatchNorm(), Reporter(feed := LiveFeed())
    spec = RunSpec(**{"schedule": schedule, "epochs": 5, "batch_size": 20, "optimizer": "SGD(lr=0.1)", **settings})
    train(spec, Inbox(), reporter, task)
    return task, feed.take(10**6)


def of(kind: type[Any], events: list[Any]) -> list[Any]:
    return [event for event in events if isinstance(event, kind)]


def plain_swa(begin: int, epochs: int = 5) -> tuple[list[float], list[float]]:
    """The recipe of PyTorch's documentation: train, average from an epoch on, update BatchNorm, test both."""
    task = WithBatchNorm()
    torch.manual_seed(0)
    model = task.model()
    order = torch.Generator().manual_seed(int(torch.empty((), dtype=torch.int64).random_()))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=True)
    inputs, targets = task.training_data()
    averaged: AveragedModel | None = None
    scheduler: SWALR | None = None
    own, of_average = [], []
    for epoch in range(epochs):
        if epoch == begin:
            averaged, scheduler = AveragedModel(model), SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)
        for indices in torch.split(torch.randperm(60, generator=order), 20):
            optimizer.zero_grad()
            task.loss(model(inputs[indices]), targets[indices]).backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            own.append(float(task.loss(model(task.inputs[60:]), task.targets[60:])))
        model.train()
        if averaged is not None and scheduler is not None:
            averaged.update_parameters(model)
            state = torch.get_rng_state()
            update_bn([inputs[start : start + 20] for start in range(0, 60, 20)], averaged)
            torch.set_rng_state(state)
            averaged.eval()
            with torch.no_grad():
                of_average.append(float(task.loss(averaged(task.inputs[60:]), task.targets[60:])))
            averaged.train()
            scheduler.step()
    return own, of_average


@pytest.mark.parametrize(
    ("schedule", "begin"),
    [
        ("SWALR(swa_lr=0.05, anneal_epochs=2)", 0),
        ("SequentialLR([ConstantLR(factor=1, total_iters=1), SWALR(swa_lr=0.05, anneal_epochs=2)], milestones=[2])", 2),
    ],
)
def test_it_is_pytorchs_recipe(schedule: str, begin: int) -> None:
    _, events = play(schedule)
    results = of(EvalDone, events)
    own, of_average = plain_swa(begin)
    assert [result.loss for result in results if not result.averaged] == pytest.approx(own, rel=1e-6)
    assert [result.loss for result in results if result.averaged] == pytest.approx(of_average, rel=1e-6)
    # each epoch's pair stands together, the model first
    assert [result.averaged for result in results] == [False] * begin + [False, True] * (5 - begin)
    assert [e.step for e in of(Notice, events) if e.code == "averaging"] == [3 * (begin + 1)]


def test_averaging_leaves_no_trace_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    from lrtui.training.weight_averaging import WeightAveraging

    with_average, events = play("SWALR(swa_lr=0.05, anneal_epochs=2)")
    monkeypatch.setattr(WeightAveraging, "update", lambda *_: False)
    without, plain = play("SWALR(swa_lr=0.05, anneal_epochs=2)")
    assert any(result.averaged for result in of(EvalDone, events))
    assert not any(result.averaged for result in of(EvalDone, plain))
    for mine, other in zip(with_average.made.state_dict().values(), without.made.state_dict().values(), strict=True):
        assert torch.equal(mine, other)


def test_per_batch_it_averages_after_each_batch() -> None:
    _, events = play('SWALR(swa_lr=0.05, anneal_epochs=4, per="batch")', epochs=2)
    assert [e.step for e in of(Notice, events) if e.code == "averaging"] == [1]
    assert sum(result.averaged for result in of(EvalDone, events)) == 2


def test_a_switch_to_swalr_starts_an_average_and_a_switch_away_ends_it() -> None:
    script = {6: [SwitchSchedule("SWALR(swa_lr=0.001)")], 18: [SwitchSchedule("StepLR(step_size=1)")]}
    events = run_events(tiny_spec(), script)  # type: ignore[arg-type]
    assert [(e.epoch, e.averaged) for e in of(EvalDone, events)] == [
        (1, False),
        (2, False),
        (2, True),
        (3, False),
        (3, True),
        (4, False),
    ]


def test_averaging_continues_after_a_nudge() -> None:
    events = run_events(tiny_spec(schedule="SWALR(swa_lr=0.001)"), {8: [ScaleLr(2.0)]})
    assert sum(e.averaged for e in of(EvalDone, events)) == 4
    assert len([e for e in of(Notice, events) if e.code == "averaging"]) == 1


def test_the_best_result_is_the_models_and_the_average_has_a_line_of_its_own() -> None:
    events = run_events(tiny_spec(schedule="SWALR(swa_lr=0.001)"))
    state = RunState()
    state.fold(events)
    assert state.best is not None
    assert state.best.averaged is False
    assert state.last_averaged is not None
    assert evaluation_line(state.last_averaged).startswith("Test set (averaged model): Average loss: ")
    assert len(of(StepDone, events)) == 24


@pytest.mark.parametrize(
    ("notation", "calls"),
    [
        ("SWALR(swa_lr=0.1)", 0),
        ("StepLR(3)", None),
        ("SequentialLR([StepLR(3), SWALR(swa_lr=0.1)], milestones=[4])", 4),
        ("SequentialLR([SWALR(swa_lr=0.1), StepLR(3)], milestones=[4])", 0),
        ("ChainedScheduler([StepLR(3), SWALR(swa_lr=0.1)])", 0),
        ("SequentialLR([StepLR(3), ExponentialLR(0.9), SWALR(swa_lr=0.1)], milestones=[4, 7])", 7),
    ],
)
def test_averaging_starts_where_swalr_does(notation: str, calls: int | None) -> None:
    assert parse_schedule(notation).averages_from == calls


def test_the_step_of_a_task_gets_the_averaged_model_as_its_own_class() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Sequential(torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))

    class Stepped(WithBatchNorm):
        def model(self) -> Any:
            return Net()

        def step(self, model: Any, batch: Any) -> Any:
            outputs = model.head(batch[0])
            return self.loss(outputs, batch[1]), outputs

    reporter = Reporter(feed := LiveFeed())
    train(RunSpec(schedule="SWALR(swa_lr=0.05)", epochs=2, batch_size=20), Inbox(), reporter, Stepped())
    events = feed.take(10**6)
    assert events[-1].outcome == "done", events[-1]
    assert [event.averaged for event in of(EvalDone, events)] == [False, True, False, True]
