"""Tasks made of a model, its loaders and a loss: each run starts from the same model, loader and optimizer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from training_runs import run_events

import lrtui.tasks
from lrtui.run.errors import TaskError
from lrtui.run.events import EvalDone, RunFinished, RunStarted, StepDone
from lrtui.run.spec import RunSpec


def loader(count: int = 64, **options: Any) -> DataLoader[Any]:
    inputs = torch.randn(count, 4, generator=torch.Generator().manual_seed(count))
    return DataLoader(TensorDataset(inputs, (inputs.sum(dim=1) > 0).long()), batch_size=16, **options)


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))


def losses(task: Any, **settings: Any) -> list[float]:
    events = run_events(RunSpec(**{"schedule": "StepLR(1)", "epochs": 2, "device": "cpu", **settings}), task=task)
    end = events[-1]
    assert isinstance(end, RunFinished)
    assert end.outcome == "done", end.error
    return [event.loss for event in events if isinstance(event, (StepDone, EvalDone))]


def test_every_run_starts_from_the_model_and_the_order_that_were_passed() -> None:
    model, order = net(), torch.Generator().manual_seed(5)
    task = lrtui.tasks.from_loaders(model, loader(shuffle=True, generator=order), loader(32), nn.CrossEntropyLoss())
    before = [parameter.clone() for parameter in model.parameters()]
    first = losses(task)
    assert losses(task) == first
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True))
    assert losses(task, seed=1) == first


def test_a_function_makes_the_weights_depend_on_the_seed() -> None:
    task = lrtui.tasks.from_loaders(net, loader(), None, nn.CrossEntropyLoss())
    assert task.name == "net"
    assert losses(task) == losses(task) != losses(task, seed=1)


def test_a_model_that_returns_its_loss_needs_none_and_further_methods_are_taken() -> None:
    class WithLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, inputs: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            logits = self.head(inputs)
            return logits, nn.functional.cross_entropy(logits, targets)

    def step_metrics(model: nn.Module) -> dict[str, float]:
        return {"one": 1.0}

    def metrics(outputs: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"accuracy": outputs.argmax(dim=1) == targets}

    task = lrtui.tasks.from_loaders(
        WithLoss(), loader(), loader(32), metrics=metrics, step_metrics=step_metrics, name="mine"
    )
    events = run_events(RunSpec(schedule="StepLR(1)", epochs=1), task=task)
    started, step = events[0], next(event for event in events if isinstance(event, StepDone))
    assert step.metrics == {"one": 1.0}
    assert next(event for event in events if isinstance(event, EvalDone)).accuracy is not None
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.data["name"] == "mine"


def test_a_model_that_cannot_be_copied_is_reported_with_what_to_do() -> None:
    model = net()
    model.cached = model(torch.randn(1, 4))  # type: ignore[assignment]  # a tensor with a history
    task = lrtui.tasks.from_loaders(model, loader(), loader(32), nn.CrossEntropyLoss())
    end = run_events(RunSpec(schedule="StepLR(1)"), task=task)[-1]
    assert isinstance(end, RunFinished)
    assert "Sequential can't be copied, which each run needs" in str(end.error)
    assert "pass a function that returns the model" in str(end.error)


@pytest.mark.parametrize("kind", ["function", "optimizer", "optimizer with a scheduler"])
def test_the_optimizer_of_a_script_is_used_by_every_run(kind: str) -> None:
    torch.manual_seed(2)
    model = net()

    def make(model: nn.Module) -> torch.optim.Optimizer:
        groups = [{"params": model[0].parameters(), "lr": 0.02}, {"params": model[2].parameters()}]
        return torch.optim.SGD(groups, lr=0.1, momentum=0.9)

    made = make(model)
    if "scheduler" in kind:
        torch.optim.lr_scheduler.LinearLR(made, start_factor=0.1)
    task = lrtui.tasks.from_loaders(
        model, loader(), loader(32), nn.CrossEntropyLoss(), optimizer=make if kind == "function" else made
    )
    events = run_events(RunSpec(schedule="StepLR(1)", epochs=1, device="cpu"), task=task)
    started = next(event for event in events if isinstance(event, RunStarted))
    assert started.group_lrs == (0.02, 0.1)
    expected, copied = [], copy.deepcopy(model)
    optimizer = make(copied)
    for inputs, targets in loader():
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(copied(inputs), targets)
        loss.backward()
        optimizer.step()
        expected.append(loss.item())
    assert [event.loss for event in events if isinstance(event, StepDone)] == expected
    assert losses(task, epochs=1)[:-1] == expected


def test_an_optimizer_with_attributes_of_its_own_is_copied_whole() -> None:
    model = net()
    lbfgs = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    task = lrtui.tasks.from_loaders(model, loader(), loader(32), nn.CrossEntropyLoss(), optimizer=lbfgs)
    first = losses(task)
    assert losses(task) == first
    assert first[-1] < first[0]


def test_an_optimizer_of_another_model_is_refused() -> None:
    other = torch.optim.SGD(net().parameters(), lr=0.1)
    task = lrtui.tasks.from_loaders(net(), loader(), loader(32), nn.CrossEntropyLoss(), optimizer=other)
    end = run_events(RunSpec(schedule="StepLR(1)"), task=task)[-1]
    assert "4 parameters of the optimizer SGD are not the model's: pass a function optimizer(model)" in str(end)


def test_wrong_arguments_are_refused_at_once() -> None:
    with pytest.raises(TaskError, match=r"takes a torch\.nn\.Module or a function"):
        lrtui.tasks.from_loaders("net", loader(), loader())  # type: ignore[arg-type]
    with pytest.raises(TaskError, match="pass a function optimizer\\(model\\) as well"):
        lrtui.tasks.from_loaders(net, loader(), loader(), optimizer=torch.optim.SGD(net().parameters(), lr=0.1))


def test_a_loss_that_is_no_function_is_refused_at_once() -> None:
    with pytest.raises(TaskError, match="from_loaders takes a loss function or module"):
        lrtui.tasks.from_loaders(nn.Linear(2, 1), [], [], "mse")  # type: ignore[arg-type]


def test_an_unknown_option_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(TaskError, match=r"from_loaders takes no 'metrix'; did you mean metrics\?"):
        lrtui.tasks.from_loaders(torch.nn.Linear(2, 2), (torch.zeros(4, 2), torch.zeros(4, 2)), metrix=None)
